"""A/B and cost on a real PostgreSQL: what they measure, and that they leave nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.conftest import Cli
from tests.stack.conftest import take_down

QUICK = ("--workload", "postgres.point_select", "--size", "smoke")


@pytest.fixture(scope="module")
def lab(state_home: Path) -> Iterator[Cli]:
    """PostgreSQL alone, for the tests of this file."""
    cli = Cli(state_home, "tune-ab")
    try:
        started = cli.run("up", "postgres", timeout=180)
        assert started.returncode == 0, started.stderr
        yield cli
    finally:
        take_down(cli)


def effective(cli: Cli) -> dict[str, str]:
    """Every parameter of PostgreSQL as its sessions see it."""
    rows = cli.json("tune", "show", "postgres")["parameters"]
    return {row["name"]: row["effective"] for row in rows}


def test_a_sigkill_loses_nothing_by_default_and_the_cost_leaves_nothing(lab: Cli) -> None:
    before = effective(lab)
    found = lab.json("tune", "cost", "postgres", "--kills", "1")
    (report,) = found["reports"]
    assert report["acknowledged"] > 0
    assert (report["lost"], report["kills"], report["relaxed"]) == (0, 1, [])
    assert report["sentence"].startswith("lost none of")
    assert effective(lab) == before
    assert not (lab.root / "journal.jsonl").exists()


def test_an_ab_reports_its_pairs_and_what_b_can_lose_and_keeps_b_if_told_so(lab: Cli) -> None:
    found = lab.json("tune", "cost", "postgres", "--profile", "optimized", "--kills", "1")
    (cost,) = found["reports"]
    assert cost["relaxed"] == ["synchronous_commit=off"]
    ended = lab.run(
        "tune", "ab", "baseline", "optimized", *QUICK,
        "--only", "synchronous_commit", "--pairs", "1", "--keep", "b", "--json",
    )  # fmt: skip
    assert ended.returncode == 4, ended.stderr
    assert "smoke: too short for a verdict" in ended.stderr
    report = msgspec.json.decode(ended.stdout)
    assert (report["verdict"], report["kept"]) == ("INCONCLUSIVE", "b")
    assert (report["pairs"], report["interval"]) == (1, [None, None])
    assert [change["parameter"] for change in report["changes"]] == ["synchronous_commit"]
    assert report["samples"][0][0] > 0
    assert report["command"].endswith("--size smoke --pairs 1 --only synchronous_commit")
    assert any("for development only" in told for told in report["costs"])
    assert any(cost["sentence"] in told for told in report["costs"])
    assert effective(lab)["synchronous_commit"] == "off"
    assert not lab.json("bench", "list")["runs"], "the runs of an A/B are no benchmarks"
    taken = lab.run("tune", "revert", "--yes")
    assert taken.returncode == 0, taken.stderr
    assert effective(lab)["synchronous_commit"] == "on"


def test_nobody_else_tunes_during_an_ab_and_a_killed_one_is_taken_back(lab: Cli) -> None:
    before = effective(lab)
    child = lab.start("tune", "ab", "baseline", "optimized", *QUICK, "--jsonl")
    assert child.stdout is not None
    for line in child.stdout:
        event = msgspec.json.decode(line)
        if event["event"] == "ab_run" and event["arm"] == "b" and event["phase"] == "running":
            break
    second = lab.run("tune", "ab", "baseline", "durable", *QUICK)
    applied = lab.run("tune", "apply", "optimized", "--yes")
    child.kill()
    child.communicate()
    assert second.returncode == 2
    assert "measures with its own values now" in second.stderr
    assert applied.returncode == 1
    assert "a tuning runs on this stack" in applied.stderr
    shown = lab.run("tune", "show", "postgres")
    assert "an interrupted `tune` of postgres" in shown.stderr
    assert "taking back an interrupted `tune`: postgres" in lab.heal().stderr
    assert effective(lab) == before
    assert not (lab.root / "journal.jsonl").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ab_that_is_ended_from_outside_gives_back_what_was(
    lab: Cli, number: signal.Signals
) -> None:
    before = effective(lab)
    child = lab.start("tune", "ab", "baseline", "optimized", *QUICK, "--jsonl")
    assert child.stdout is not None
    while "running" not in child.stdout.readline():
        pass
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert not (lab.root / "journal.jsonl").exists()
    assert effective(lab) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ab", "basline", "optimized", *QUICK), "did you mean baseline"),
        (("ab", "baseline", "baseline", *QUICK), "nothing to compare"),
        (("ab", "baseline", "optimized", "--workload", "postgres.tpcc"), "postgres.tpcb"),
        (("ab", "baseline", "optimized", *QUICK, "--only", "work_men"), "work_mem"),
        (("auto", "postgres.tpcb", "--size", "smoke", "--budget", "30s"), "the proof alone takes"),
        (("auto", "postgres.tpcb", "--save", "baseline"), "no name for a profile"),
        (("cost", "vault"), "no parameters"),
    ],
)
def test_what_cannot_be_meant_is_refused(lab: Cli, words: tuple[str, ...], told: str) -> None:
    ended = lab.run("tune", *words)
    assert ended.returncode == 2
    assert told in ended.stderr


def test_a_service_that_the_stack_has_not_cannot_be_reached(lab: Cli) -> None:
    ended = lab.run("tune", "ab", "baseline", "optimized", "--workload", "mongodb.bulk_insert")
    assert ended.returncode == 3
    assert f"devstack-tui --stack {lab.stack} up mongodb" in ended.stderr
