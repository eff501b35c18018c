"""The windows of failovers on a cluster of its own: killed masters, planned switch-overs, a sweep.

`TIMES` kills of the first master and of the second (30: sixty kills, about twelve minutes), and
twice `TIMES` switch-overs, but 20 at most. What was measured is printed; what is asserted is the
drill's own verdict, which knows its limits and a machine that starved.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tests.conftest import Cli
from tests.stack.drill_kit import drill_argv, wait_whole

TIMES = int(os.environ.get("TIMES", "30"))
WITHIN_S = 7200.0


@pytest.fixture
def cluster(fresh: Cli) -> Cli:
    """Vault and Redis alone: nothing else wants the CPU."""
    started = fresh.run("up", "redis")
    assert started.returncode == 0, started.stderr
    wait_whole(fresh)
    return fresh


def told(cli: Cli, argv: Sequence[str]) -> dict[str, Any]:
    """What a drill or a sweep printed as JSON."""
    ended = cli.run(*argv, timeout=WITHIN_S)
    assert ended.stdout, ended.stderr
    found: dict[str, Any] = msgspec.json.decode(ended.stdout)
    return found


def own_windows(report: dict[str, Any]) -> list[float]:
    """Of the shard that was hit, of every repeat that is not void; seconds."""
    return [
        shard["write_window_s"]
        for repeat in report["repeats"]
        for shard in repeat["shards"]
        if shard["name"] == repeat["shard"] and not repeat["void"]
    ]


def say(what: str, windows: Sequence[float]) -> None:
    """The median, the 95th percentile and the longest."""
    p95 = sorted(windows)[max(0, round(0.95 * len(windows)) - 1)]
    sys.stdout.write(
        f"\n{what}: {len(windows)} windows, median {statistics.median(windows):.3f} s, "
        f"p95 {p95:.3f} s, longest {max(windows):.3f} s\n"
    )


def failed(report: dict[str, Any]) -> list[str]:
    """The steps that failed, with their evidence."""
    return [
        f"{step['id']}: {step['evidence']}"
        for step in report["steps"]
        if step["status"] in ("FAIL", "ERROR")
    ]


def test_killed_masters_are_replaced_within_the_limit(cluster: Cli) -> None:
    report = told(
        cluster, drill_argv(cluster, "sigkill", "first,second", "--repeat", str(TIMES), "--json")
    )
    say("SIGKILL", own_windows(report))
    assert not failed(report)


def test_planned_switch_overs_are_short_and_lose_nothing(cluster: Cli) -> None:
    times = str(min(2 * TIMES, 20))
    report = told(cluster, drill_argv(cluster, "planned", "first", "--repeat", times, "--json"))
    say("planned", own_windows(report))
    assert not failed(report)
    assert (report["lost"], report["resurrected"], report["split_brain"]) == (0, 0, 0)


def test_a_sweep_may_repeat_each_value_and_restores_the_first(cluster: Cli) -> None:
    words = ("drill", "sweep", "redis.failover", "--repeat", "2", "--node-timeout", "700,1500")
    argv = (*words, "--watch", "2", "--yes", "--stack", cluster.stack)
    found = told(cluster, (*argv, "--json"))
    assert found["message"] == ""
    assert [row["value"] for row in found["rows"]] == [700, 1500]
    before = cluster.json("drill", "plan", "redis.failover")["steps"]
    assert f"node timeout {found['before'] / 1000:g} s" in str(before)
