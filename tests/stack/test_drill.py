"""The failover drill on a real cluster: it passes where it may, and fails where it must."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from devstack_tui.core.paths import StackPaths
from devstack_tui.core.programs import find_program
from devstack_tui.engines.embedded import firewall
from devstack_tui.state import instance as instances
from tests.conftest import Cli
from tests.stack.drill_kit import drill_argv, drilling, evidence, run_drill, statuses, wait_whole

# What depends on the clock may be void, or too long, on a machine that does other work as well.
TIMED = {"06", "07", "13", "09", "14"}


def test_the_sixteen_steps_of_two_masters_that_are_killed(live: Cli, tmp_path: Path) -> None:
    wait_whole(live)
    junit, picture = tmp_path / "drill.xml", tmp_path / "drill.svg"
    code, told = run_drill(
        live, "sigkill", "first,second", "--junit", str(junit), "--svg", str(picture)
    )
    found = statuses(told)
    assert list(found) == [f"{number:02}" for number in range(1, 17)]
    assert {n: s for n, s in found.items() if n not in TIMED and s != "PASS"} == {}
    assert "took over" in evidence(told, "06") or "owns the slots" in evidence(told, "06")
    assert "took over" in evidence(told, "13") or "owns the slots" in evidence(told, "13")
    first, second = told["repeats"]
    assert [one["victim"].partition(" ")[0] for one in (first, second)] == ["first", "second"]
    assert {"detect", "promote", "agree", "cover", "rejoin", "resync"} <= set(first["timings"])
    assert first["expected"][0] < first["expected"][1]
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 4}[told["verdict"]]
    assert told["core"] is (told["verdict"] != "INCONCLUSIVE")
    assert len(ElementTree.parse(junit).findall("testcase")) == 16
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    kept = live.json("drill", "show", told["id"])
    assert kept["steps"] == told["steps"]
    assert told["id"] in [row["id"] for row in live.json("drill", "history")["drills"]]


def test_a_planned_switch_over_loses_nothing_and_ends_with_the_map_of_a_whole_cluster(
    live: Cli,
) -> None:
    wait_whole(live)
    ended = live.run(*drill_argv(live, "planned", "second", "--jsonl"))
    events = [msgspec.json.decode(line) for line in ended.stdout.splitlines()]
    *_, nodes = (event["nodes"] for event in events if event["event"] == "cluster_map")
    assert [node["state"] for node in nodes] == ["up"] * 6
    assert [node["link"] for node in nodes if node["role"] == "replica"] == ["up"] * 3
    told = events[-1]["report"]
    assert (told["lost"], told["resurrected"], told["split_brain"]) == (0, 0, 0)
    found = statuses(told)
    assert (found["12"], found["16"], found["13"]) == ("PASS", "PASS", "SKIPPED")


@pytest.mark.skipif(
    os.geteuid() != 0 or find_program("nft") is None, reason="a partition needs root and nft"
)
def test_a_partition_is_taken_back_at_once_when_the_drill_is_aborted(live: Cli) -> None:
    wait_whole(live)
    found = instances.read(StackPaths(live.stack, live.root))
    assert found is not None
    table = firewall.table_of(found.id)
    with drilling(live, "partition", "third") as (process, _):
        assert firewall.present(table)
        # Held still: a second verb may take longer than the rest of the drill.
        process.send_signal(signal.SIGSTOP)
        second = live.run("drill", "run", "redis.rolling", "--yes", "--stack", live.stack)
        assert (second.returncode, "another drill" in second.stderr) == (3, True)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    last = msgspec.json.decode(out.splitlines()[-1])
    assert (last["event"], last["healed"]) == ("drill_done", True)
    assert not firewall.present(table)
    assert live.status()["redis"]["state"] == "healthy"


def test_of_an_unhealthy_cluster_nothing_is_broken_and_the_result_says_so(
    live: Cli, tmp_path: Path
) -> None:
    wait_whole(live)
    junit = tmp_path / "drill.xml"
    unit = next(u for u in live.status()["redis"]["units"] if u["unit"] == "redis-6")
    subprocess.run(["kill", "-STOP", str(unit["pid"])], check=True)
    try:
        code, told = run_drill(live, "sigkill", "first,second", "--junit", str(junit))
    finally:
        subprocess.run(["kill", "-CONT", str(unit["pid"])], check=True)
    found = statuses(told)
    assert (code, told["verdict"], found["01"]) == (1, "FAIL", "FAIL")
    assert {found[f"{number:02}"] for number in range(4, 17)} == {"SKIPPED"}
    assert "redis-6" in evidence(told, "01")
    assert "not begun: 01" in evidence(told, "04")
    assert (told["core"], told["write_window_s"], told["lost"]) == (True, None, None)
    assert len(ElementTree.parse(junit).findall("testcase/skipped")) == 13
    assert told["id"] in [row["id"] for row in live.json("drill", "history")["drills"]]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("redis.failovr",), "redis.failover"),
        (("redis.failover", "--fault", "sigkil"), "sigkill"),
        (("redis.failover", "--victim", "redis-9"), "redis-6"),
        (("redis.failover",), "no terminal"),
    ],
)
def test_what_cannot_be_meant_touches_nothing(
    live: Cli, words: tuple[str, ...], wanted: str
) -> None:
    ended = live.run("drill", "run", *words)
    assert ended.returncode == 2
    assert wanted in ended.stderr


def test_a_cluster_without_replicas_fails_and_says_why(fresh: Cli) -> None:
    started = fresh.run("up", "redis", "--topology", "3+0")
    assert started.returncode == 0, started.stderr
    code, told = run_drill(fresh, "sigterm", "first")
    assert (code, told["verdict"]) == (1, "FAIL")
    found = statuses(told)
    for number in ("06", "07", "08", "09"):
        assert found[number] == "FAIL"
        assert "no replica could take over" in evidence(told, number)
    for number in ("01", "02", "03", "04", "05", "10", "11", "12", "15", "16"):
        assert found[number] == "PASS", evidence(told, number)
    assert fresh.status()["redis"]["state"] == "healthy"
