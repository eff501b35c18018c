"""What `bench` and `regress` print, for the stub of the command line: no server behind them.

`STUB_BENCH_HOLD` names a file whose absence lets a run go on after its third second; as the real
ones, the children end on SIGTERM, and then say `cleaned` to `STUB_LOG`.
`STUB_FAILS` names a workload that cannot be prepared.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

AT = 1793620800.0
UNITS = {
    "postgres.tpcb": ("PostgreSQL TPC-B", "tps", 4800.0),
    "postgres.point_select": ("PostgreSQL by key", "ops/s", 41000.0),
    "mysql.bulk_insert": ("MySQL bulk insert", "rows/s", 152000.0),
    "mysql.point_select": ("MySQL by key", "ops/s", 23500.0),
    "mongodb.bulk_insert": ("MongoDB bulk insert", "docs/s", 88000.0),
    "mongodb.find_by_id": ("MongoDB by id", "ops/s", 9200.0),
    "redis.get": ("Redis GET", "ops/s", 118000.0),
    "redis.set": ("Redis SET", "ops/s", 109000.0),
    "redis.mixed": ("Redis mixed", "ops/s", 112000.0),
    "rabbitmq.publish_get": ("RabbitMQ publish, get", "msg/s", 3100.0),
    "vault.read_secret": ("Vault read", "ops/s", 1450.0),
    "api.health": ("API /health", "req/s", 2600.0),
    "api.database_query": ("API query", "req/s", 1900.0),
}
Json = dict[str, Any]


def rate(workload: str, run: int, second: int) -> float:
    """A throughput that wavers, the same in every recording."""
    wave = math.sin(second * 0.9 + run) * 0.04 + math.sin(second * 2.3 + run * 2) * 0.02
    warm = 0.75 if second == 0 else 1.0
    return round(UNITS[workload][2] * (1 + wave + 0.01 * run) * warm, 1)


def tick(workload: str, run: int, second: int) -> Json:
    """One second."""
    p50 = 2.0 + 0.2 * math.sin(second + run)
    spike = 3.0 if second % 13 == 7 else 1.0
    return {
        "event": "tick", "workload": workload, "run": run, "second": second,
        "throughput": rate(workload, run, second), "p50": p50, "p95": p50 * 1.9,
        "p99": p50 * 2.8 * spike, "errors": {}, "at": AT + second,
    }  # fmt: skip


def result(workload: str, run: int, seconds: int, size: str, **other: Any) -> Json:
    """One run."""
    rates = [rate(workload, run, s) for s in range(seconds)]
    throughput = sum(rates) / len(rates)
    made = {
        "id": f"{workload}-{run}", "workload": workload, "size": size, "run": run,
        "started": AT + 20 * run, "seconds": float(seconds), "operations": 1000, "requests": 1000,
        "throughput": throughput, "unit": UNITS[workload][1], "clients": 10,
        "latency_ms": {"p50": 2.0, "p95": 3.9, "p99": 5.7, "max": 17.0},
        "histogram": {"counts": {"35": 500, "68": 480, "87": 20}, "total": 2100.0,
                      "smallest": 1.1, "largest": 17.0},
        "errors": {}, "client_cpu": 0.9, "server_cpu": 3.1,
        "client_bound": workload == "redis.get", "littles_law": 1.01, "engine": "pgbench",
        "engine_version": "15.14", "settings": {"fsync": "on"}, "fingerprint": "f00d",
        "ticks": [], "problem": "",
    }  # fmt: skip
    return made | other


def past() -> list[Json]:
    """Five benchmarks of two workloads with three runs each, newest first."""
    runs = []
    for day in range(5):
        for workload in ("postgres.tpcb", "redis.get"):
            for run in (1, 2, 3):
                made = result(workload, run, 5, "quick")
                made["id"] = f"h{day}-{workload}-{run}"
                made["started"] = AT - (5 - day) * 86400 + run * 10
                made["throughput"] *= 1 + 0.05 * math.sin(day * 2.0 + run)
                runs.append(made)
    return sorted(runs, key=lambda r: -r["started"])


def listing() -> Json:
    """`bench list --json`."""
    workloads = []
    for name, (title, unit, _) in UNITS.items():
        there = name != "rabbitmq.publish_get"
        workloads.append(
            {
                "name": name, "title": title, "service": name.partition(".")[0], "unit": unit,
                "available": there, "sizes": ["full", "quick"],
                "reason": "" if there else "rabbitmq is stopped: devstack-tui up rabbitmq",
            }
        )  # fmt: skip
    middle = UNITS["postgres.tpcb"][2]
    baseline = {
        "postgres.tpcb": {"median": middle, "low": middle * 0.97, "high": middle * 1.04},
        "redis.get": {"median": 131000.0, "low": 126000.0, "high": 134000.0},
    }
    recorded = {} if os.environ.get("STUB_NO_BASELINE") else baseline
    return {"workloads": workloads, "runs": past(), "baseline": recorded}


def say(event: Json) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Ended(Exception):
    """SIGTERM has come."""


def held_by(variable: str) -> None:
    """Wait while the file that the variable names is there."""
    name = os.environ.get(variable)
    deadline = time.monotonic() + 60
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    while name and Path(name).exists() and time.monotonic() < deadline:
        if came:
            raise Ended
        time.sleep(0.02)
    signal.signal(signal.SIGTERM, before)


def log(text: str) -> None:
    """A line in `STUB_LOG`."""
    if os.environ.get("STUB_LOG"):
        with Path(os.environ["STUB_LOG"]).open("a") as file:
            file.write(f"{text}\n")


def run(words: list[str]) -> int:
    """`bench run`."""
    size = words[words.index("--size") + 1]
    runs = int(words[words.index("--runs") + 1]) if "--runs" in words else 5
    names = [w for w in words[2:] if "." in w]
    seconds = 12
    say({"event": "bench_planned", "workloads": names, "size": size, "runs": runs,
         "expected_s": float(seconds * runs * len(names)), "at": AT})  # fmt: skip
    log(f"pid {os.getpid()}")
    summaries: list[Json] = []
    try:
        for name in names:
            summaries += measure(name, size, runs, seconds)
    except Ended:
        log("cleaned")
        return 130
    failed = [s for s in summaries if s["problem"]]
    say({"event": "bench_done", "summaries": summaries, "exit_code": 1 if failed else 0,
         "seconds": 36.0, "at": AT + 36,
         "message": f"{failed[0]['workload']}: {failed[0]['problem']}" if failed else "",
         "remedy": "see its log" if failed else ""})  # fmt: skip
    return 1 if failed else 0


def measure(name: str, size: str, runs: int, seconds: int) -> list[Json]:
    """The events of one workload; returns its summary."""
    title, unit, _ = UNITS[name]
    about = {"event": "run_started", "workload": name, "title": title, "unit": unit, "of": runs}
    summary = {
        "workload": name, "size": size, "unit": unit, "engine": "pgbench", "throughput": 1.0,
        "samples": [1.0], "spread": 0.0, "errors": {}, "client_bound": False, "fingerprint": "f00d",
        "latency_ms": {"p50": 2.0, "p95": 3.9, "p99": 5.7, "max": 17.0}, "problem": "",
    }  # fmt: skip
    say(about | {"phase": "preparing", "run": 1, "at": AT})
    if os.environ.get("STUB_FAILS") == name:
        problem = "the disk is full: 12 MB left, 750 MB needed"
        bare = {"histogram": {}, "throughput": 0.0, "problem": problem}
        say(
            {"event": "run_ended", "of": runs, "at": AT, "result": result(name, 1, 1, size, **bare)}
        )
        return [summary | {"problem": problem}]
    for number in range(1, runs + 1):
        say(about | {"phase": "running", "run": number, "at": AT})
        for second in range(seconds):
            if (number, second) == (min(runs, 2), 3):
                held_by("STUB_BENCH_HOLD")
            line = tick(name, number, second)
            if number == 2 and second in (5, 6):
                continue
            if number == 2 and second == 8:
                line["errors"] = {"timeout": 2}
            say(line)
        say({"event": "run_ended", "of": runs, "at": AT,
             "result": result(name, number, seconds, size)})  # fmt: skip
    return [summary]


def regress() -> int:
    """`regress`."""
    say({"event": "bench_planned", "workloads": ["postgres.tpcb"], "size": "quick", "runs": 1,
         "expected_s": 60.0, "at": AT})  # fmt: skip
    log(f"pid {os.getpid()}")
    try:
        measure("postgres.tpcb", "quick", 1, 5)
    except Ended:
        log("cleaned")
        return 130
    checks = [
        ("postgres.tpcb", "PASS", "PostgreSQL keeps its throughput",
         "lower bound 0.94 of the baseline\nsamples 4790, 4811, 4852 tps against 4800"),
        ("mysql.bulk_insert", "FAIL", "MySQL keeps its throughput",
         "lower bound 0.61 of the baseline, 0.80 is the limit\nsamples 91k, 94k, 96k rows/s"),
        ("canary", "INCONCLUSIVE", "The machine itself is as fast as before",
         "one core does 0.83 of the work it did when the baseline was recorded"),
    ]  # fmt: skip
    made = [{"id": i, "status": s, "title": t, "evidence": e,
             "remedy": "compare the settings: devstack-tui bench compare baseline LAST"
             if s == "FAIL" else ""} for i, s, t, e in checks]  # fmt: skip
    say({"event": "regress_done", "verdict": "FAIL", "checks": made, "exit_code": 1,
         "seconds": 60.0, "at": AT + 60})  # fmt: skip
    return 1


def compare(a: str, force: bool) -> int:
    """`bench compare`; the oldest recorded runs are of another machine."""
    other = "another machine: 8 cores instead of 16" if a.startswith("h0") else ""
    if other and not force:
        say({"error": other, "remedy": "--force compares them all the same", "exit_code": 3})
        return 3
    row = {"workload": "postgres.tpcb", "a": 4800.0, "b": 4893.1, "ratio": 1.02,
           "interval": [0.97, 1.06], "verdict": "NO DIFFERENCE", "warning": ""}  # fmt: skip
    say({"rows": [row], "warning": other})
    return 0


def show(run_id: str) -> None:
    """`bench show`."""
    found = next(r for r in past() if r["id"] == run_id)
    ticks = [tick(found["workload"], found["run"], s) for s in range(30)]
    for one in ticks:
        del one["event"]
    say(found | {"ticks": [one | {"event": "tick"} for one in ticks]})


def bench(words: list[str]) -> int:
    """The verb `bench`."""
    if os.environ.get("STUB_BENCH_REFUSES"):
        say({"error": "the history cannot be read", "remedy": "see doctor", "exit_code": 3})
        return 3
    match words[1]:
        case "list":
            say(listing())
        case "run" | "record":
            return run(words)
        case "show":
            show(words[2])
        case "compare":
            return compare(words[2], "--force" in words)
        case "export":
            form = words[words.index("--format") + 1]
            sys.stdout.write('{"id": "x"}\n' if form == "json" else "second,throughput\n0,1\n")
    return 0
