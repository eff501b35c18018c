"""The instrument against a real Redis Cluster that is really hit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devstack_tui.contracts.drill import Cells, Context, Marker, Thresholds
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.loadgen import ack_journal
from devstack_tui.loadgen.acknowledged_writes import WRITES
from devstack_tui.services.redis.client import close, connect
from devstack_tui.services.redis.instrument import (
    Instrument,
    Recording,
    clean,
    hash_tags,
    judge,
    present,
    split_brain,
)
from devstack_tui.stack.stack import Stack
from tests.conftest import ROOT, Cli
from tests.stack.conftest import take_down

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def cluster(state_home: Path) -> Iterator[Cli]:
    """Redis alone, for this file: it is broken and mended again and again."""
    cli = Cli(state_home, "instrument")
    try:
        started = cli.run("up", "redis")
        assert started.returncode == 0, started.stderr
        yield cli
    finally:
        take_down(cli)


@pytest.fixture
def target(cluster: Cli, monkeypatch: pytest.MonkeyPatch) -> Target:
    cluster.enter(monkeypatch)
    return Stack(cluster.stack).engine().target(service("redis"))


@pytest.fixture
async def context(target: Target, tmp_path: Path) -> AsyncGenerator[Context, None]:
    made = Context(
        stack="instrument",
        service="redis",
        target=target,
        files=None,  # type: ignore[arg-type] - nor reads its files
        run=f"t{os.urandom(4).hex()}",
        folder=tmp_path,
        fault="",
        victim="",
        repeat=1,
        rate_hz=50.0,
        observe_hz=20.0,
        thresholds=Thresholds(),
        injector=None,  # type: ignore[arg-type] - the instrument touches no server
    )
    yield made
    assert (await clean(made)).clean


def pid_of(cluster: Cli, node: str) -> int:
    units = cluster.status()["redis"]["units"]
    return next(u["pid"] for u in units if u["unit"].endswith(node))


def children() -> list[psutil.Process]:
    """The instruments that this process started."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "devstack_tui.services.redis.instrument.process" in child.cmdline():
                found.append(child)
    return found


@contextlib.contextmanager
def independent(target: Target, slot_tag: str) -> Iterator[Callable[[], float]]:
    """The independent writer; the call ends it and returns its longest pause, seconds."""
    script = Path(__file__).with_name("independent_writer.py")
    order = {
        "host": target.endpoint.host,
        "ports": [target.ports["main"] + index for index in range(6)],
        "user": target.credentials.user,
        "password": target.credentials.password,
        "key": f"independent:{{{slot_tag}}}",
    }
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"

        def end() -> float:
            told, _ = process.communicate()
            return float(json.loads(told)["longest"])

        try:
            yield end
        finally:
            process.kill()


def acknowledged(recording: Recording) -> int:
    return sum(o.ok for o in recording.log[1] if o.kind in WRITES)


async def test_a_quiet_cluster_refuses_and_loses_nothing(context: Context) -> None:
    async with await Instrument.start(context) as instrument:
        assert sorted(instrument.shards) == ["shard 1", "shard 2", "shard 3"]
        async for event in instrument.events():
            if isinstance(event, Cells) and event.acknowledged > 200:
                break
        recording = await instrument.stop()
    assert not recording.void
    shards = judge(recording, await present(context))
    assert sum(shard.acknowledged for shard in shards) == acknowledged(recording) > 200
    for shard in shards:
        # It may be silent for two ticks where others want the cores: that is no assertion here.
        assert (shard.lost, shard.resurrected, shard.out_of_order, shard.duplicated) == (0, 0, 0, 0)
        assert not shard.errors
    assert {len(course) for course in recording.lanes.values()} == {
        len(recording.lanes["shard 1 read"])
    }
    assert not split_brain(recording)


async def test_what_was_taken_from_or_added_to_the_lists_behind_its_back_is_found(
    context: Context,
) -> None:
    async with await Instrument.start(context) as instrument:
        async for event in instrument.events():
            if isinstance(event, Cells) and event.acknowledged > 100:
                break
        recording = await instrument.stop()
    before = await present(context)
    tag = recording.log[0].tags["shard 1"][0]
    first, second, *_ = before.lists[tag]
    client = connect(context.target, int(before.owners[tag].rpartition("-")[2]) - 1, 2.0)
    try:
        key = hash_tags.key(context.run, tag)
        client.lrem(key, 1, str(first))
        client.rpush(key, second)
    finally:
        close(client)
    spoilt, *others = judge(recording, await present(context))
    assert (spoilt.lost, spoilt.duplicated, spoilt.out_of_order) == (1, 1, 1)
    assert spoilt.lost_s > 0
    assert all((shard.lost, shard.duplicated, shard.out_of_order) == (0, 0, 0) for shard in others)


async def kill(cluster: Cli, context: Context, shard: str) -> tuple[Recording, float]:
    """Kill the master of the shard and bring it back; also the independent writer's pause."""
    async with await Instrument.start(context) as instrument:
        victim = instrument.shards[shard]
        header, _ = ack_journal.read(context.folder / "operations.jsonl")
        with independent(context.target, header.tags[shard][0]) as end:
            pid = pid_of(cluster, victim)
            instrument.expect(victim)
            at = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            instrument.fault(at, "killed")
            assert await instrument.until("covered", WITHIN_S)
            assert await instrument.until("back", WITHIN_S, f"{shard} write")
            seen = end()
        assert cluster.run("up", "redis").returncode == 0
        assert await instrument.until("healed", WITHIN_S)
        return await instrument.stop(), seen


async def test_the_window_of_a_killed_master_is_what_an_independent_writer_sees(
    cluster: Cli, context: Context
) -> None:
    recording, seen = await kill(cluster, context, "shard 2")
    if recording.void:  # this machine was too busy, and the instrument said so: that is its duty
        await clean(context)
        (context.folder / "operations.jsonl").unlink()
        recording, seen = await kill(cluster, context, "shard 2")
    order = ["fault", "suspected", "failed", "promoted", "agreed", "rejoined", "resynced", "healed"]
    times = [recording.when(kind) for kind in order]
    assert None not in times, recording.markers
    assert times == sorted(times, key=lambda at: at or 0.0), recording.markers
    shards = {shard.name: shard for shard in judge(recording, await present(context))}
    hit = shards["shard 2"]
    assert hit.write_window_s > 0.5
    # Its own delays are in what it says; they are known, and 0 on a machine that is not busy.
    assert abs(hit.write_window_s - seen) <= 0.05 + recording.late_ms / 1000
    assert shards["shard 1"].write_window_s < hit.write_window_s > shards["shard 3"].write_window_s
    assert (hit.resurrected, hit.out_of_order, hit.duplicated) == (0, 0, 0)
    assert not split_brain(recording)
    assert "x" in recording.lanes["shard 2 write"]


async def test_a_frozen_master_does_not_hide_the_new_one(cluster: Cli, context: Context) -> None:
    async with await Instrument.start(context) as instrument:
        victim = instrument.shards["shard 1"]
        pid = pid_of(cluster, victim)
        instrument.expect(victim)
        try:
            at = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            instrument.fault(at, "frozen")
            promoted = await instrument.until("promoted", WITHIN_S)
            assert promoted is not None
            assert await instrument.until("back", WITHIN_S, "shard 1 write")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await instrument.until("healed", WITHIN_S)
        recording = await instrument.stop()
    hit = judge(recording, await present(context))[0]
    # What waited for a connection that the frozen node never took was not sent: it failed.
    assert 0 < hit.indeterminate <= hit.errors["timeout"]
    assert hit.lost == 0 or hit.lost_s > 0
    frozen = {node.name: node.state for view in recording.views for node in view.nodes}
    assert frozen[victim] == "up"
    assert any(n.name == victim and n.state == "frozen" for v in recording.views for n in v.nodes)


async def test_a_planned_switch_over_loses_nothing(context: Context, target: Target) -> None:
    async with await Instrument.start(context) as instrument:
        victim = instrument.shards["shard 3"]
        async for event in instrument.events():
            if isinstance(event, Cells) and event.acknowledged > 50:
                break
        instrument.expect(victim)
        replica = _replica_of(target, victim)
        client = connect(target.as_admin(), replica, 2.0)
        try:
            at = time.monotonic()
            client.execute_command("CLUSTER FAILOVER")
            instrument.fault(at, "planned")
        finally:
            close(client)
        promoted = await instrument.until("promoted", WITHIN_S)
        assert promoted is not None
        assert promoted.node == f"redis-{replica + 1}"
        assert await instrument.until("healed", WITHIN_S)
        recording = await instrument.stop()
    hit = judge(recording, await present(context))[2]
    assert (hit.lost, hit.resurrected, hit.indeterminate) == (0, 0, 0)
    assert not split_brain(recording)


def _replica_of(target: Target, victim: str) -> int:
    for index in range(6):
        client = connect(target, index, 2.0)
        try:
            nodes = client.execute_command("CLUSTER NODES")
        finally:
            close(client)
        base = target.ports["tls"]
        owner = next(n for n in nodes if n.port == base + int(victim.rpartition("-")[2]) - 1)
        found = [n.port - base for n in nodes if n.master_id == owner.id]
        if found:
            return int(found[0])
    raise AssertionError(f"{victim} has no replica")


async def test_an_instrument_that_was_held_up_says_that_its_measurement_is_void(
    context: Context,
) -> None:
    async with await Instrument.start(context) as instrument:
        (child,) = children()
        child.suspend()
        await asyncio.sleep(0.3)
        child.resume()
        recording = await instrument.stop()
    assert "our own process was held up" in recording.void
    assert recording.late_ms > 100


async def test_an_instrument_that_dies_makes_the_measurement_void(context: Context) -> None:
    async with await Instrument.start(context) as instrument:
        (child,) = children()
        child.kill()
        assert await instrument.until("back", WITHIN_S) is None
        assert not [e async for e in instrument.events() if isinstance(e, Marker)]
        recording = await instrument.stop()
    assert "the instrument died" in recording.void


async def test_a_full_disk_makes_the_measurement_void(context: Context) -> None:
    instrument = await Instrument.start(context)
    journal = context.folder / "operations.jsonl"
    await instrument.close()
    journal.unlink()
    journal.symlink_to("/dev/full")
    with pytest.raises(DevstackError, match="the disk is full"):
        await Instrument.start(context)
    assert not children()


async def test_a_journal_that_cannot_grow_ends_the_measurement_and_says_so(
    context: Context,
) -> None:
    async with await Instrument.start(context) as instrument:
        (child,) = children()
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
        assert [event async for event in instrument.events()]
        recording = await instrument.stop()
    assert "writing the drill's journal" in recording.void
    assert len(recording.log[1]) > 10


async def test_the_child_ends_when_whoever_started_it_is_gone(context: Context) -> None:
    instrument = await Instrument.start(context)
    (child,) = children()
    assert context.target.credentials.password not in " ".join(child.cmdline())
    assert context.target.credentials.password not in str(child.environ())
    await instrument.close()
    assert not child.is_running()
    assert (await instrument.stop()).void == ""


async def test_a_rate_that_shows_no_cell_is_refused(context: Context) -> None:
    import msgspec

    with pytest.raises(UsageError, match="10 times a second"):
        await Instrument.start(msgspec.structs.replace(context, rate_hz=10.0))


async def test_keys_of_the_run_lie_in_several_slots_of_every_shard(context: Context) -> None:
    async with await Instrument.start(context) as instrument:
        await instrument.stop()
    found = await present(context)
    assert len(found.lists) == 12
    assert len({hash_tags.slot(tag) for tag in found.lists}) == 12
    assert len(set(found.owners.values())) == 3
