"""What mongod is reported and how the probe logs in, without a server."""

import os
from pathlib import Path

import pytest

from devstack_tui.services.mongodb.launch import runnable
from devstack_tui.services.mongodb.wire import Refused, scram

# The example of RFC 7677, section 3.
FIRST = "n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)


def test_scram_gives_the_proof_of_the_rfc_and_knows_the_servers_answer() -> None:
    final, expected = scram("pencil", FIRST, SERVER_FIRST)
    assert final.endswith(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert expected == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_scram_refuses_an_answer_to_another_login() -> None:
    with pytest.raises(Refused, match="not to this login"):
        scram("pencil", "n=user,r=another", SERVER_FIRST)


def test_a_program_that_lost_its_permission_gets_it_back(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    assert runnable(program) == program
    assert os.access(program, os.X_OK)


def test_a_program_of_another_user_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    change = Path.chmod

    def not_ours(path: Path, mode: int) -> None:
        if path == program:
            raise PermissionError(1, "Operation not permitted")
        change(path, mode)

    monkeypatch.setattr(Path, "chmod", not_ours)
    copy = runnable(program)
    assert copy != program
    assert os.access(copy, os.X_OK)
    written = copy.stat().st_mtime_ns
    assert runnable(program) == copy
    assert copy.stat().st_mtime_ns == written
