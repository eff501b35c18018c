"""`kill -9` at any moment: the next `up` ends in a healthy stack, no orphan, no second instance."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from devstack_tui.core import process
from tests.conftest import Cli
from tests.stack.clients import postgres
from tests.stack.conftest import ids_of

SERVICES = ("postgres", "mysql", "mongodb", "redis")
# What `up` has just said when it is killed: ten different points of a first start.
POINTS = (
    '"verb":"up"',
    "waiting for Vault to answer",
    "initialising Vault",
    "unsealing Vault",
    "making PKI",
    "serving the PKI",
    "making the database cluster",
    "making the system tables",
    "waiting for the Redis cluster",
    '"phase":"probing"',
)


def _healthy_and_single(cli: Cli, *services: str) -> None:
    ended = cli.run("up", *services)
    assert ended.returncode == 0, ended.stderr
    rows = cli.status()
    for name in ("vault", *services):
        assert rows[name]["state"] == "healthy", rows[name]
    (instance,) = ids_of(cli)
    owned = process.owned(instance)
    recorded = {u["pid"] for row in rows.values() for u in row["units"]}
    leaders = process.leaders(owned)
    assert {pid for pids in leaders.values() for pid in pids} == recorded
    family = process.descendants(recorded, process.table())
    assert set(owned) <= family, "a process is left that belongs to no unit"


@pytest.mark.parametrize("point", POINTS)
def test_up_that_is_killed_is_finished_by_the_next(fresh: Cli, point: str) -> None:
    run = fresh.start("up", *SERVICES, "--jsonl")
    assert run.stdout is not None
    reached = any(point in line for line in run.stdout)
    run.kill()
    run.communicate()
    assert reached, f"`up` ended before it said {point!r}"
    assert "an interrupted `up` of vault, " in fresh.run("status").stderr
    _healthy_and_single(fresh, *SERVICES)


@pytest.mark.parametrize("point", ['"verb":"down"', '"phase":"stopping"', '"phase":"stopped"'])
def test_down_that_is_killed_is_no_obstacle(fresh: Cli, point: str) -> None:
    assert fresh.run("up", "postgres", "redis").returncode == 0
    run = fresh.start("down", "--jsonl")
    assert run.stdout is not None
    assert any(point in line for line in run.stdout)
    run.kill()
    run.communicate()
    looked = fresh.run("status").stderr
    assert f"of vault, postgres, redis  → devstack-tui --stack {fresh.stack} down " in looked
    _healthy_and_single(fresh, "postgres", "redis")
    assert "interrupted" not in fresh.run("status").stderr


def test_a_restart_that_is_killed_is_told_and_finished_by_the_next_up(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    run = fresh.start("restart", "postgres", "--jsonl")
    assert run.stdout is not None
    assert any('"phase":"stopped"' in line for line in run.stdout)
    run.kill()
    run.communicate()
    ended = fresh.run("status")
    assert ended.returncode == 1
    assert "an interrupted `restart` of postgres" in ended.stderr
    assert fresh.run("up", "vault").returncode == 0
    assert fresh.status()["postgres"]["state"] == "healthy"
    assert "interrupted" not in fresh.run("status").stderr


def test_a_wipe_that_is_killed_is_finished_by_the_next_up(fresh: Cli) -> None:
    from devstack_tui.core.journal import Journal

    assert fresh.run("up", "postgres").returncode == 0
    assert fresh.run("down").returncode == 0
    (before,) = ids_of(fresh)
    # What a wipe leaves that was killed right after it began: its intent, and a part of the data.
    Journal(fresh.root / "journal.jsonl").begin("wipe", fresh.stack)
    (fresh.root / "secrets" / "vault-keys.json").unlink()
    _healthy_and_single(fresh, "postgres")
    assert ids_of(fresh) != {before}


@pytest.mark.parametrize("service", ["postgres", "mysql", "mongodb", "vault"])
def test_a_killed_server_is_seen_as_down_and_comes_back(live: Cli, service: str) -> None:
    victim = psutil.Process(live.status()[service]["units"][0]["pid"])
    victim.kill()
    victim.wait(60)
    row = live.status()[service]
    assert row["state"] == "down"
    assert "has ended" in row["reason"]
    assert live.run("status").returncode == 1
    ended = live.run("up")
    assert ended.returncode == 0, ended.stderr
    assert live.status()[service]["state"] == "healthy"


def test_a_killed_postmaster_is_replaced_although_its_backends_linger(live: Cli) -> None:
    with postgres(live) as connection:
        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        # A backend that is held still does not notice that its postmaster is gone.
        os.kill(backend, signal.SIGSTOP)
        try:
            os.kill(live.status()["postgres"]["units"][0]["pid"], signal.SIGKILL)
            run = live.start("up", "--jsonl")
            assert run.stdout is not None
            waited = any("what is left of postgres" in line for line in run.stdout)
        finally:
            os.kill(backend, signal.SIGCONT)
        rest, _ = run.communicate(timeout=60)
    assert waited
    assert run.returncode == 0, rest
    assert live.status()["postgres"]["state"] == "healthy"


def test_a_frozen_server_is_down_although_it_runs(live: Cli) -> None:
    pid = live.status()["mongodb"]["units"][0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        row = live.status()["mongodb"]
        assert row["units"][0]["running"]
        assert row["state"] in ("down", "starting")
        assert row["reason"]
    finally:
        ended = live.run("up")
    assert ended.returncode == 0, ended.stderr
    assert "which was held still" in ended.stderr
    assert live.status()["mongodb"]["units"][0]["pid"] == pid


def test_a_server_that_is_frozen_with_its_children_goes_on_with_them(live: Cli) -> None:
    postmaster = psutil.Process(live.status()["postgres"]["units"][0]["pid"])
    held = [postmaster, *postmaster.children()]
    for one in held:
        one.suspend()
    try:
        ended = live.run("up")
        assert [one for one in held if one.status() == psutil.STATUS_STOPPED] == []
    finally:
        for one in held:
            one.resume()
    assert ended.returncode == 0, ended.stderr


def test_a_dead_redis_replica_degrades_the_cluster_and_names_it(live: Cli) -> None:
    rows = live.status()["redis"]
    replica = next(node for node in rows["nodes"] if node["role"].startswith("replica"))
    pid = next(u["pid"] for u in rows["units"] if u["unit"] == replica["name"])
    os.kill(pid, signal.SIGKILL)
    try:
        row = live.status()["redis"]
        assert row["state"] == "degraded"
        assert replica["name"] in row["reason"]
    finally:
        ended = live.run("up")
    assert ended.returncode == 0, ended.stderr
    assert live.status()["redis"]["state"] == "healthy"


def test_the_watch_tells_a_death_without_waiting_for_its_interval(live: Cli) -> None:
    import time

    import msgspec

    watch = live.start("status", "--watch", "--jsonl", "--interval", "600", "--controlled")
    assert watch.stdout is not None
    try:
        first = msgspec.json.decode(watch.stdout.readline())
        row = next(r for r in first["services"] if r["name"] == "postgres")
        assert row["state"] == "healthy"
        killed = time.monotonic()
        os.kill(row["units"][0]["pid"], signal.SIGKILL)
        # The interval is ten minutes: what comes now comes because of the death.
        for line in watch.stdout:
            row = next(r for r in msgspec.json.decode(line)["services"] if r["name"] == "postgres")
            if row["state"] == "down":
                break
        seen = time.monotonic() - killed
    finally:
        watch.communicate(timeout=60)
        assert live.run("up").returncode == 0
    assert watch.returncode == 0
    assert seen < 300, "it waited for the interval"
