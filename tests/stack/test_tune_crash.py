"""An apply that ends in the middle: whatever ended it, the last good configuration returns."""

from __future__ import annotations

import signal

from devstack_tui.core.journal import Journal
from tests.conftest import Cli
from tests.stack.test_tune import confirmed, node, rows

# What an apply has just said when it is killed.
POINTS = (
    '"phase":"journal"',
    '"phase":"restart","detail":"postgres"',
    '"service":"postgres","phase":"read"',
    '"service":"redis","phase":"live"',
)


def _ended_at(cli: Cli, point: str, number: signal.Signals) -> int:
    """Begin an apply of the published profile and end it once it says `point`."""
    run = cli.start("tune", "apply", "optimized", *confirmed(cli), "--jsonl")
    assert run.stdout is not None
    reached = any(point in line for line in run.stdout)
    run.send_signal(number)
    run.communicate(timeout=60)
    assert reached, f"the apply ended before it said {point!r}"
    return run.returncode


def test_an_apply_that_is_killed_is_taken_back_by_the_next_change(fresh: Cli) -> None:
    assert fresh.run("up", "postgres", "redis").returncode == 0
    before = fresh.json("tune", "show")["parameters"]
    for point in POINTS:
        assert _ended_at(fresh, point, signal.SIGKILL) == -signal.SIGKILL
        # The first point is reported just before the journal is written: nothing may be there yet.
        begun = bool(Journal(fresh.root / "journal.jsonl").pending())
        assert begun or point == POINTS[0]
        looked = fresh.run("status")
        assert ("an interrupted `tune` of postgres, redis" in looked.stderr) == begun
        assert bool(Journal(fresh.root / "journal.jsonl").pending()) == begun
        warned = {row["warning"] for row in fresh.json("tune", "show")["parameters"]}
        assert not any("somebody else" in text for text in warned), point
        healed = fresh.heal() if begun else fresh.run("up", "postgres", "redis")
        told = "taking back an interrupted `tune`: postgres, redis" in healed.stderr
        assert told == begun, point
        assert "not undone" not in healed.stderr
        assert healed.returncode == 0, healed.stdout
        assert fresh.json("tune", "show")["parameters"] == before, point
        with node(fresh, 5) as client:
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert not Journal(fresh.root / "journal.jsonl").pending()
    assert fresh.run("status").stderr == ""


def test_an_apply_that_is_interrupted_takes_itself_back(live: Cli) -> None:
    before = live.json("tune", "show")["parameters"]
    point = '"service":"mongodb","phase":"restart"'
    assert _ended_at(live, point, signal.SIGINT) == 130
    assert not (live.root / "journal.jsonl").exists()
    assert live.json("tune", "show")["parameters"] == before
    assert rows(live, "mongodb")["mongodb.wiredTigerJournalCompressor"]["effective"] == "snappy"
    assert live.run("status").returncode == 0


def test_up_takes_an_apply_back_that_was_killed_in_a_restart(fresh: Cli) -> None:
    assert fresh.run("up", "postgres", "redis").returncode == 0
    point = '"phase":"restart","detail":"starting"'
    assert _ended_at(fresh, point, signal.SIGKILL) == -signal.SIGKILL
    ended = fresh.run("up")
    assert ended.returncode == 0, ended.stderr
    assert "taking back an interrupted `tune`" in ended.stderr
    assert rows(fresh, "postgres")["postgres.shared_buffers"]["effective"] == "128MB"
    assert not [row for row in rows(fresh).values() if row["changed"]]


def test_a_service_that_a_killed_cost_had_killed_comes_back_with_its_parameters(
    fresh: Cli,
) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    before = fresh.json("tune", "show")["parameters"]
    run = fresh.start("tune", "cost", "postgres", "--profile", "optimized", "--jsonl")
    assert run.stdout is not None
    reached = any('"phase":"restarting"' in line for line in run.stdout)
    run.kill()
    run.communicate(timeout=60)
    assert reached
    pending = [intent.action for intent in Journal(fresh.root / "journal.jsonl").pending()]
    assert pending == ["tune", "cost.writes", "tune.kill"]
    assert "an interrupted `tune` of postgres" in fresh.run("status").stderr
    healed = fresh.heal()
    assert "not undone" not in healed.stderr
    assert fresh.status()["postgres"]["state"] == "healthy"
    assert fresh.json("tune", "show")["parameters"] == before
    assert not Journal(fresh.root / "journal.jsonl").pending()
