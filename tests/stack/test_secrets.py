"""Secrets stay where they belong: 0600 files, and nowhere else that we could look at."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack_tui.core import process
from tests.conftest import Cli
from tests.stack.clients import leaks, secrets
from tests.stack.conftest import ids_of


@contextlib.contextmanager
def _watching() -> Iterator[set[str]]:
    """Collect the command line of every process of this machine, for as long as it is open."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            for pid in process.pids():
                with contextlib.suppress(OSError):
                    raw = Path(f"/proc/{pid}/cmdline").read_bytes()
                    seen.add(raw.replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_there_are_canaries_of_every_kind(live: Cli) -> None:
    kinds = {name.partition(" ")[0] for name in secrets(live)}
    assert kinds == {"password", "secret_id", "token", "unseal", "private"}
    assert len(secrets(live)) > 15


def test_no_secret_is_in_the_arguments_of_any_process_from_first_start_to_wipe(
    fresh: Cli,
) -> None:
    with _watching() as seen:
        assert fresh.run("up", timeout=180).returncode == 0
        assert fresh.run("status").returncode == 0
        assert fresh.run("restart", "mysql", "rabbitmq").returncode == 0
        canaries = secrets(fresh)
        assert fresh.run("down").returncode == 0
    assert any("initdb" in line for line in seen), "the watcher missed a helper program"
    for name, value in canaries.items():
        assert not [line for line in seen if value in line], name


def test_no_secret_is_in_the_environment_of_a_server(live: Cli) -> None:
    (instance,) = ids_of(live)
    for pid in process.owned(instance):
        assert not leaks(live, "\n".join(process.environment(pid).values())), pid


def test_no_secret_is_in_a_log(live: Cli) -> None:
    logs = [path for path in (live.root / "logs").rglob("*") if path.is_file()]
    logs.append(live.root / "data" / "vault" / "audit.log")
    assert len(logs) > 10
    for path in logs:
        assert not leaks(live, path.read_text(errors="replace")), path


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--json"),
        ("status",),
        ("up", "--json"),
        ("restart", "postgres", "--jsonl"),
        ("doctor", "--json"),
        ("logs", "rabbitmq", "-n", "5000"),
        ("logs", "vault", "-n", "5000"),
    ],
    ids=" ".join,
)
def test_no_secret_is_in_what_a_verb_prints(live: Cli, arguments: tuple[str, ...]) -> None:
    ended = live.run(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert not leaks(live, ended.stdout + ended.stderr)


def test_a_planted_secret_does_not_pass_the_log_verb(live: Cli) -> None:
    canary = "hvs.CAESIJplantedplantedplanted"
    with (live.root / "logs" / "vault.log").open("a") as log:
        log.write(f"token={canary} password: hunter2hunter2\n")
    printed = live.run("logs", "vault", "-n", "3").stdout
    assert "••••••" in printed
    assert canary not in printed
    assert "hunter2" not in printed


def test_every_file_is_private_and_every_directory_closed(live: Cli) -> None:
    # As root, the accounts of the servers must be able to walk to their own data.
    walkable = {live.root, live.root / "data"} if os.geteuid() == 0 else set()
    for path in [live.root, *live.root.rglob("*")]:
        if path.is_symlink() or path.is_socket():
            continue
        mode = path.stat().st_mode & 0o777
        allowed = 0o711 if path in walkable else 0o700
        assert mode & ~allowed == 0, f"{path}: {mode:o}"
    for path in (live.root / "secrets").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_server_that_runs_as_its_own_account_cannot_read_anotherssecrets(live: Cli) -> None:
    if os.geteuid() != 0:
        pytest.skip("as a normal user every server runs as that user")
    owner = (live.root / "data" / "postgres").stat().st_uid
    assert owner != 0
    for name in ("mysql", "redis", "rabbitmq"):
        assert (live.root / "data" / name).stat().st_uid not in (0, owner)
