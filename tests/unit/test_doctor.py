"""What the doctor says of a program that serves one purpose only."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.health import doctor
from devstack_tui.health.doctor import Finding
from devstack_tui.stack.stack import Stack


def nftables() -> Finding:
    (found,) = (one for one in doctor.examine(Stack("default")) if one.subject == "nftables")
    return found


@pytest.mark.parametrize("uid", [0, 1000])
def test_without_nft_the_doctor_is_content_and_tells_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(doctor, "find_program", lambda name: None)
    found = nftables()
    assert found.status == "optional"
    assert "partition" in found.detail
    assert ("nftables" in found.remedy) == (uid == 0)
    assert [hint.apt for hint in doctor.useful()] == ([("nftables",)] if uid == 0 else [])


def test_an_nft_that_is_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(doctor, "find_program", lambda name: Path("/x/nft"))
    assert (nftables().status, doctor.useful()) == ("ok", [])
    assert "/x/nft" in nftables().detail
