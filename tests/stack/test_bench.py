"""Benchmarks and the regression gate on the real stack, with runs of a second."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from devstack_tui.bench.catalogue import Catalogue
from devstack_tui.contracts.workload import Bench
from devstack_tui.services.mongodb.client import connect as mongodb
from devstack_tui.services.mysql.client import connect as mysql
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import postgres

NAMES = tuple(Catalogue().entries)
SMOKE = ("--size", "smoke")
RUN_KEYS = {
    "workload", "size", "engine", "throughput", "latency_ms", "errors", "client_bound",
    "fingerprint",
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(live: Cli, project: Path) -> Iterator[Cli]:
    """The shared stack, with every workload made smaller by the user's own workloads.toml."""
    text = (project / "configs" / "workloads.toml").read_text()
    text = re.sub(r"scale = \d+", "scale = 1", text)
    text = re.sub(r"(rows|keys) = \d+", r"\1 = 10000", text)
    config = live.state / "config" / "devstack-tui"
    config.mkdir(parents=True, exist_ok=True)
    (config / "workloads.toml").write_text(text)
    yield live
    (config / "workloads.toml").unlink()
    for left in (config / "baselines").glob("*"):
        left.unlink()


def _databases(cli: Cli) -> list[str]:
    with postgres(cli) as connection:
        return [row[0] for row in connection.execute("SELECT datname FROM pg_database")]


def test_every_workload_measures_something_and_leaves_nothing(bench: Cli) -> None:
    before = _databases(bench)
    document = bench.json("bench", "run", *SMOKE, "--runs", "1", timeout=180)
    assert [run["workload"] for run in document["runs"]] == list(NAMES)
    for run in document["runs"]:
        assert run.keys() >= RUN_KEYS
        assert not run["problem"], run
        assert run["throughput"]["median"] > 0
        ms = run["latency_ms"]
        assert 0 < ms["p50"] <= ms["p95"] <= ms["p99"] <= ms["max"]
        assert not run["errors"]
    assert _databases(bench) == before
    assert bench.run("status").returncode == 0


def test_the_history_keeps_each_run_with_its_settings_and_seconds(bench: Cli) -> None:
    newest = bench.json("bench", "list")["runs"]
    tpcb = next(run for run in newest if run["workload"] == "postgres.tpcb")
    shown = bench.json("bench", "show", tpcb["id"])
    assert shown["settings"]["synchronous_commit"].startswith("on")
    assert shown["ticks"]
    assert shown["server_cpu"] > 0
    assert 0.5 < shown["littles_law"] < 2
    table = bench.run("bench", "export", tpcb["id"], "--format", "csv").stdout.splitlines()
    assert table[0].startswith("second,throughput")
    assert len(table) == 1 + len(shown["ticks"])


def test_the_gate_has_nine_checks_no_verdict_from_a_second_and_refuses_an_edited_baseline(
    bench: Cli, tmp_path: Path
) -> None:
    names = ("mysql.bulk_insert", "redis.get")
    recorded = bench.run("bench", "record", *names, *SMOKE, timeout=180)
    assert recorded.returncode == 0, recorded.stderr
    listed = bench.json("bench", "list")
    assert listed["baseline"] == {}
    assert listed["not_comparable"].keys() == set(names)
    assert "not comparable" in listed["not_comparable"]["redis.get"]
    assert listed["published"]["redis.get"]["throughput"] == 41600
    junit = tmp_path / "regress.xml"
    ended = bench.run("regress", *SMOKE, "--json", "--junit", str(junit), timeout=600)
    document = msgspec.json.decode(ended.stdout)
    assert [check["id"] for check in document["checks"]] == [f"perf.0{n}" for n in range(1, 10)]
    # A second of each is no verdict on a server, whatever it measured.
    assert ended.returncode == 4
    assert document["verdict"] == "INCONCLUSIVE"
    assert (document["size"], document["decides"]) == ("smoke", "no verdict on a server")
    assert {check["status"] for check in document["checks"]} == {"INCONCLUSIVE"}
    assert document["checks"][0]["evidence"] == "smoke: too short for a verdict"
    assert 'tests="9"' in junit.read_text()
    (path,) = (bench.state / "config" / "devstack-tui" / "baselines").glob("*.json")
    path.write_text(path.read_text().replace("rows/s", "rows"))
    ended = bench.run("regress", *SMOKE)
    assert ended.returncode == 1
    assert "was edited" in ended.stderr


@pytest.mark.parametrize("name", ["mysql.bulk_insert", "mongodb.bulk_insert"])
def test_a_bulk_insert_repeats_its_batch_and_what_it_wrote_is_removed_between_windows(
    bench: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bench.enter(monkeypatch)
    entry = Catalogue().entries[name]
    engine = Stack(bench.stack).engine()
    target = engine.target(entry.service)
    given = Bench(
        target,
        {**entry.sizes.params("smoke"), "seconds": 3, "window": 1},
        lambda _: None,
        threading.Event(),
        partial(engine.client, entry.service),
    )
    try:
        entry.workload.prepare(given)
        found = entry.workload.run(given)
        if name.startswith("mysql"):
            with mysql(target, 10, "devstack_tui_bench", False) as connection:
                cursor = connection.cursor()
                cursor.execute("SELECT COUNT(*) FROM bulk")
                (kept,) = cursor.fetchone() or (0,)
        else:
            with mongodb(target, 10, tls=False) as client:
                database = client[target.credentials.database]
                kept = database["devstack_tui_bench"].count_documents({})
    finally:
        entry.workload.cleanup(target)
    assert found.seconds >= 3
    assert not found.errors
    batch = found.operations // found.requests
    assert found.operations == batch * found.requests
    # The last of three windows and its warm-up are there; the others are not.
    assert 0 < kept < found.operations
    assert kept % batch == 0


def test_a_server_that_dies_in_the_middle_is_the_result(bench: Cli) -> None:
    run = bench.start(
        "bench", "run", "mysql.point_select", "--size", "full", "--runs", "1", "--jsonl"
    )
    assert run.stdout is not None
    assert any('"event":"tick"' in line for line in run.stdout)
    os.kill(bench.status()["mysql"]["units"][0]["pid"], signal.SIGKILL)
    rest, _ = run.communicate(timeout=60)
    done = msgspec.json.decode(rest.splitlines()[-1])
    assert done["event"] == "bench_done"
    assert run.returncode == done["exit_code"] == 1
    assert done["summaries"][0]["problem"]
    assert bench.run("up").returncode == 0


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm", "kill -9"])
def test_a_bench_that_is_left_removes_its_data(bench: Cli, how: str) -> None:
    before = _databases(bench)
    run = bench.start("bench", "run", "postgres.tpcb", "--size", "full", "--runs", "1", "--jsonl")
    assert run.stdout is not None
    assert any('"phase":"running"' in line or '"event":"tick"' in line for line in run.stdout)
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    number = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM, "kill -9": signal.SIGKILL}
    run.send_signal(number[how])
    run.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert _databases(bench) == before
    # Whoever is interrupted has cleaned up, and knows it: nothing needs healing.
    needed = json.loads(bench.run("status", "--json").stdout)["needs_healing"]
    assert [one["action"] for one in needed] == (["bench"] if how == "kill -9" else [])


def test_data_that_even_a_killed_child_left_goes_with_the_next_change(bench: Cli) -> None:
    before = _databases(bench)
    run = bench.start("bench", "run", "postgres.tpcb", "--size", "full", "--runs", "1", "--jsonl")
    assert run.stdout is not None
    assert any('"phase":"running"' in line for line in run.stdout)
    family = [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]
    for process in family:
        process.kill()
    run.communicate(timeout=60)
    assert _databases(bench) != before
    healed = bench.run("tune", "revert", "--pending")
    assert "removing what an interrupted `bench run` of postgres.tpcb left" in healed.stderr
    assert _databases(bench) == before


def test_two_benchmarks_at_once_are_refused(bench: Cli) -> None:
    first = bench.start("bench", "run", "api.health", "--size", "full", "--runs", "1", "--jsonl")
    assert first.stdout is not None
    assert any('"event":"tick"' in line for line in first.stdout)
    second = bench.run("bench", "run", "redis.get", *SMOKE)
    first.communicate(timeout=60)
    assert second.returncode == 1
    assert "another benchmark runs" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bench", "run", "postgres.tpbc"), "postgres.tpcb"),
        (("bench", "run", "--runs", "0"), "expected runs"),
        (("bench", "show", "nothing"), "no run"),
        (("bench", "compare", "published:baseline", "published:optimised"), "published:optimized"),
        (("bench", "compare", "seed:baseline", "seed:optimized"), "published:baseline now"),
    ],
)
def test_bad_input_is_usage(bench: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = bench.run(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_published_figures_are_compared_with_other_runs_only_by_force(
    bench: Cli,
) -> None:
    rows: Any = bench.json("bench", "compare", "published:baseline", "published:optimized")["rows"]
    plain = bench.run("bench", "compare", "published:baseline", "published:optimized")
    assert plain.returncode == 4  # a figure each has no interval
    ratios = {row["workload"]: round(row["ratio"], 3) for row in rows}
    assert ratios["postgres.tpcb"] == 1.413
    newest = bench.json("bench", "list")["runs"]
    mine = next(r["id"] for r in newest if r["workload"] == "redis.get" and not r["problem"])
    refused = bench.run("bench", "compare", "published:baseline", mine)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    forced = bench.json("bench", "compare", "published:baseline", mine, "--force")
    assert forced["warning"]
