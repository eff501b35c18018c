"""Ending a stack needs nothing; a restart ends nothing that it could not start again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli, servers_in
from tests.stack.conftest import home

ROOM = "700m"


@pytest.fixture
def small() -> Iterator[Cli]:
    """A stack on a file system of its own that can be filled."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    with home() as folder:
        cli = Cli(folder, "small")
        state = folder / "devstack-tui"
        state.mkdir(mode=0o711)
        argv = ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=711", "small", str(state)]
        if subprocess.run(argv, capture_output=True, check=False).returncode != 0:
            pytest.skip("nothing can be mounted here")
        try:
            yield cli
        finally:
            for pid in servers_in(state):
                if found := process.identify(pid):
                    process.end(found, grace_s=1)
            subprocess.run(["umount", "-l", str(state)], check=True)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with contextlib.suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1))


def test_a_stack_on_a_full_disk_with_nothing_readable_is_stopped_and_wiped(small: Cli) -> None:
    up = small.run("up", "redis", "postgres")
    assert up.returncode == 0, up.stderr
    fill(small.root.parent)
    (small.state / "config" / "devstack-tui" / "stack.toml").write_text("broken = [")
    secrets = small.root / "secrets"
    for path in (small.root / "instance.json", *secrets.glob("*.json"), *secrets.glob("*/*.json")):
        os.truncate(path, 1)
    (small.root / "tuning.json").mkdir()
    one = small.run("down", "redis")
    assert one.returncode == 0, one.stderr
    assert "done without your settings: " in one.stderr
    assert {process.environment(pid)["DEVSTACK_TUI_UNIT"] for pid in servers_in(small.root)} == {
        "postgres",
        "vault",
    }
    (small.root / "instance.json").unlink()
    (secrets / "instance.json").unlink()
    wipe = small.run("down", "--wipe", "--yes")
    assert wipe.returncode == 0, wipe.stderr
    assert servers_in(small.root) == []
    assert not small.root.exists() or not any(small.root.iterdir())


@contextlib.contextmanager
def replaced(path: Path, text: str | None) -> Iterator[None]:
    """The file with another text, or gone; afterwards it is as it was."""
    before = path.read_bytes() if path.exists() else None
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.touch(0o600)
            path.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "file", "text", "why"),
    [
        ("vault", "secrets/vault-keys.json", None, "its unseal key"),
        ("vault", "secrets/vault-keys.json", "{", "is damaged"),
        ("mysql", "tuning.json", "{", "is damaged"),
        ("mysql", "tuning.json", '{"values": {"mysql": {"no_such": "1"}}}', "no_such"),
        ("postgres", "ca.crt", "no certificate", "cannot be used"),
    ],
)
def test_what_could_not_be_started_again_is_not_stopped(
    live: Cli, name: str, file: str, text: str | None, why: str
) -> None:
    pids = [unit["pid"] for unit in live.status()[name]["units"]]
    with replaced(live.root / file, text):
        ended = live.run("restart", name)
    assert ended.returncode == 1
    assert f"nothing was stopped: {name} could not be started again" in ended.stderr
    assert why in ended.stderr
    row = live.status()[name]
    assert (row["state"], [unit["pid"] for unit in row["units"]]) == ("healthy", pids)


def test_broken_settings_stop_nothing_by_a_restart_and_a_stop_does_without(live: Cli) -> None:
    pids = [unit["pid"] for unit in live.status()["rabbitmq"]["units"]]
    with replaced(live.state / "config" / "devstack-tui" / "stack.toml", "broken = ["):
        restart = live.run("restart", "rabbitmq")
        down = live.run("down", "rabbitmq", "--plan")
    assert restart.returncode == 2
    assert "mend the TOML" in restart.stderr
    assert [unit["pid"] for unit in live.status()["rabbitmq"]["units"]] == pids
    assert down.returncode == 0, down.stderr
    assert "rabbitmq" in down.stdout + down.stderr


def test_what_a_service_left_behind_holds_no_port_against_it(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.enter(monkeypatch)
    stack = Stack(live.stack)
    engine, broker = stack.engine(), service("rabbitmq")
    instance = stack.instance()
    assert instance is not None
    port = engine.target(broker).ports["epmd"]
    live.run("down", "rabbitmq")
    listen = f"import socket as s; o = s.create_server(('127.0.0.1', {port})); print(flush=True)"
    # In a session of its own, and no child of ours.
    left = subprocess.Popen(
        ["setsid", "-f", sys.executable, "-c", f"{listen}; o.accept()"],
        env={
            process.INSTANCE_VARIABLE: instance.id,
            process.UNIT_VARIABLE: "rabbitmq",
            "PATH": os.environ["PATH"],
        },
        stdout=subprocess.PIPE,
    )
    with left:
        assert left.stdout is not None
        assert left.stdout.readline() == b"\n"
        # As `restart` meets it: nothing looks for what is left between the stop and the start.
        engine.prepare(broker, Run())
        assert left.stdout.read() == b""
    up = live.run("up", "rabbitmq", "reference_api")
    assert up.returncode == 0, up.stderr
