"""Bad input and bad machines: one clear sentence, the next step, and nothing half-done."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core import process
from devstack_tui.core.paths import StackPaths
from devstack_tui.state import instance as instances
from tests.conftest import Cli, end_all_in
from tests.stack.conftest import ids_of, take_down, write_ports

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, 700 MiB, that every account may enter."""
    folder = Path("/var/tmp") / f"devstack-tui-disk-{os.getpid()}"
    folder.mkdir(mode=0o711)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700m,mode=711", "tmpfs", str(folder)], check=True
    )
    try:
        write_ports(folder / "config" / "devstack-tui")
        yield folder
    finally:
        end_all_in(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def _one_sentence(text: str) -> None:
    assert "Traceback" not in text
    assert "→" in text


def test_a_data_directory_of_another_version_is_refused_and_kept(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    assert fresh.run("down").returncode == 0
    series = fresh.root / "data" / "postgres" / "series"
    made_by = series.read_text()
    series.write_text("PostgreSQL 9\n")
    ended = fresh.run("up", "postgres")
    assert ended.returncode == 1
    assert "was made by PostgreSQL 9" in ended.stderr
    _one_sentence(ended.stderr)
    series.write_text(made_by)
    assert fresh.run("up", "postgres").returncode == 0


def test_a_missing_program_is_absent_and_the_remedy_brings_it(
    state_home: Path, tmp_path: Path
) -> None:
    # A machine without Redis: a PATH that has everything else of /usr/bin.
    programs = tmp_path / "bin"
    programs.mkdir()
    for found in Path("/usr/bin").iterdir():
        if not found.name.startswith(("redis", "valkey")):
            (programs / found.name).symlink_to(found)
    cli = Cli(state_home, "noredis", {"PATH": str(programs)})
    try:
        ended = cli.run("up", "redis")
        assert ended.returncode == 1
        assert "Redis Cluster is not on this machine" in ended.stderr
        assert "apt-get install -y redis-server" in ended.stderr
        assert cli.status()["redis"]["state"] == "absent"
        doctor = cli.json("doctor")
        found = {f["subject"]: f for f in doctor["findings"]}
        assert found["redis"]["status"] == "missing"
        assert cli.run("doctor").returncode == 1
    finally:
        take_down(cli)


@ROOT_ONLY
def test_a_disk_without_room_is_refused_before_anything_is_made(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb") as filler:
        filler.write(b"\0" * (300 * 2**20))
    ended = Cli(small_disk, "full").run("up", "postgres")
    assert ended.returncode == 1
    assert "MiB are free" in ended.stderr
    _one_sentence(ended.stderr)
    assert not (small_disk / "devstack-tui" / "full" / "instance.json").exists()


@ROOT_ONLY
def test_a_disk_that_fills_during_up_ends_with_the_reason_and_up_works_again_after(
    small_disk: Path,
) -> None:
    cli = Cli(small_disk, "fills")
    filler = small_disk / "filler"
    run = cli.start("up", "postgres", "--jsonl")
    assert run.stdout is not None
    lines = []
    for line in run.stdout:
        lines.append(line)
        if '"vault","phase":"ready"' in line:
            # Held still, so that the disk is full before PostgreSQL begins.
            run.send_signal(signal.SIGSTOP)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 2**20)
            run.send_signal(signal.SIGCONT)
    run.communicate(timeout=60)
    assert run.returncode == 1
    last = msgspec.json.decode(lines[-1])
    assert "No space left on device" in last["message"] or "disk is full" in last["message"]
    filler.unlink()
    try:
        ended = cli.run("up", "postgres")
        assert ended.returncode == 0, ended.stderr
    finally:
        take_down(cli)


@ROOT_ONLY
def test_a_read_only_state_directory_says_so(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = Cli(small_disk, "ro").run("up", "postgres")
    assert ended.returncode == 1
    assert "read-only" in ended.stderr
    _one_sentence(ended.stderr)


@pytest.mark.parametrize("damage", [b'{"id": "', b"\xff\0", None])
def test_a_damaged_identity_is_restored_from_its_copy(live: Cli, damage: bytes | None) -> None:
    before, pids = ids_of(live), pids_of(live)
    file = live.root / "instance.json"
    file.unlink() if damage is None else file.write_bytes(damage)
    looked = live.run("status")
    assert looked.returncode == 0
    assert "needs healing" in looked.stderr
    assert live.run("logs", "postgres", "-n", "1").returncode == 0
    healed = live.heal()
    assert healed.returncode == 0
    assert f"restored {file} from its copy" in healed.stderr
    assert (ids_of(live), pids_of(live)) == (before, pids)


def pids_of(cli: Cli) -> dict[str, list[int]]:
    return {row["name"]: [u["pid"] for u in row["units"]] for row in cli.status().values()}


def test_an_identity_of_which_the_copy_is_damaged_too_is_refused_and_can_be_wiped(
    fresh: Cli,
) -> None:
    assert fresh.run("up", "vault").returncode == 0
    (instance,) = ids_of(fresh)
    for file in (fresh.root / "instance.json", fresh.root / "secrets" / "instance.json"):
        file.write_text('{"id": "')
    ended = fresh.run("up", "vault")
    assert ended.returncode == 1
    assert "is damaged, and so is its copy" in ended.stderr
    _one_sentence(ended.stderr)
    assert fresh.run("down", "--wipe", "--yes").returncode == 0
    assert process.owned(instance) == {}
    assert fresh.run("up", "vault").returncode == 0


def test_a_lost_unseal_key_is_named(fresh: Cli) -> None:
    assert fresh.run("up", "vault").returncode == 0
    assert fresh.run("down").returncode == 0
    keys = fresh.root / "secrets" / "vault-keys.json"
    kept = keys.read_bytes()
    keys.unlink()
    ended = fresh.run("up", "vault")
    assert ended.returncode == 1
    assert "vault-keys.json" in ended.stderr
    _one_sentence(ended.stderr)
    keys.write_bytes(kept)
    assert fresh.run("up", "vault").returncode == 0


def test_what_an_owner_left_in_the_lock_file_is_no_obstacle(fresh: Cli) -> None:
    fresh.root.mkdir(parents=True)
    (fresh.root / "lock").write_text('{"pid": 1, "verb": "up", "since": 0}')
    assert fresh.run("up", "vault").returncode == 0


def test_a_wipe_that_is_not_confirmed_deletes_nothing(fresh: Cli) -> None:
    assert fresh.run("up", "vault").returncode == 0
    ended = fresh.run("down", "--wipe")
    assert ended.returncode == 2
    assert "nothing was deleted" in ended.stderr
    assert fresh.status()["vault"]["state"] == "healthy"


def test_another_topology_than_the_cluster_has_is_refused(fresh: Cli) -> None:
    ended = fresh.run("up", "redis", "--topology", "3+0")
    assert ended.returncode == 0, ended.stderr
    assert len(fresh.status()["redis"]["nodes"]) == 3
    ended = fresh.run("up", "redis", "--topology", "3+3")
    assert ended.returncode == 1
    assert "cannot be changed in place" in ended.stderr
    assert fresh.run("up", "redis").returncode == 0


def test_a_taken_port_names_its_holder_and_how_to_move(fresh: Cli) -> None:
    assert fresh.run("up", "vault").returncode == 0
    found = instances.read(StackPaths(fresh.stack, fresh.root))
    assert found is not None
    config = fresh.state / "config" / "devstack-tui"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        write_ports(config, {"postgres": {"main": port - found.port_offset}})
        try:
            ended = fresh.run("up", "postgres")
        finally:
            write_ports(config)
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert f"(pid {os.getpid()})" in ended.stderr
    assert "port_offset" in ended.stderr
