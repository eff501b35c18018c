"""What `drill` prints, for the stub of the command line: no server behind it.

`STUB_DRILL_HOLD` names a file whose absence lets a drill go on after its fault; as the real one,
the child heals and ends on SIGTERM, and then says `healed` to `STUB_LOG`.
`STUB_DRILL_REFUSES` makes every plan a refusal.
"""

from __future__ import annotations

import os
from typing import Any

from bench_stub import AT, Ended, held_by, log, say

Json = dict[str, Any]
BEFORE, WINDOW, AFTER = 30, 42, 40
"""Cells of 50 ms before the fault, without an answer on the first shard, and after that."""
STEPS = [
    ("01", "every node reports the cluster whole", "6 nodes: ok, 16384 slots, none pfail"),
    ("02", "the masters and replicas are those of stack.toml, all linked",
     "3 masters and 3 replicas, all connected and in sync"),
    ("06", "a replica takes the slots over within 3 s",
     "epoch 7 → 8, redis-4 owns the slots after 1.810 s; writes paused for 2.100 s (at most 3 s)"),
    ("12", "at most 50 of the acknowledged writes are lost or come back",
     "0 of 1206 acknowledged writes lost, 0 came back; at most 50 lost or come back"),
    ("16", "no key of the drill is left", "none is left on any node"),
]  # fmt: skip
DETAILS = {
    "06": "the upper end of theory, and never above the 5 s that DevStack Core published",
    "12": "(1 x the node timeout of 1 s + the replication lag before the fault, not known yet) "
    "x 50 writes a second to the shard",
}


def node(name: str, role: str, **more: Any) -> Json:
    """One node of the map."""
    made = {"name": name, "role": role, "state": "up", "slots": "", "master": "", "link": "",
            "epoch": 0, "endpoint": ""}  # fmt: skip
    return made | more


def cluster(repeat: int, failed: bool = False, healed: bool = False) -> Json:
    """The map before the fault, after it, and at the end."""
    first = node("redis-1", "master", slots="0-5460", epoch=1)
    fourth = node("redis-4", "replica", master="redis-1", link="up")
    if failed or healed:
        first = node("redis-1", "master", state="failed", epoch=1)
        fourth = node("redis-4", "master", slots="0-5460", epoch=8)
    if healed:
        first = node("redis-1", "replica", master="redis-4", link="up")
    nodes = [
        first,
        node("redis-2", "master", slots="5461-10922", epoch=2),
        node("redis-3", "master", slots="10923-16383", epoch=3),
        fourth,
        node("redis-5", "replica", master="redis-2", link="up"),
        node("redis-6", "replica", master="redis-3", link="up"),
    ]
    return {"event": "cluster_map", "repeat": repeat, "ms": 0.0, "nodes": nodes}


def lanes() -> dict[str, str]:
    """Every lane from its beginning to its end."""
    steady = "o" * (BEFORE + WINDOW + AFTER)
    broken = "o" * BEFORE + "x" * 4 + "." * (WINDOW - 8) + "x" * 4 + "o" * AFTER
    found = {}
    for shard in (1, 2, 3):
        for what in ("write", "read"):
            found[f"shard {shard} {what}"] = broken if shard == 1 else steady
    return found


def cells(repeat: int, first: int, last: int, zero: int) -> Json:
    """Cells `first` to `last`, counted from cell `zero`."""
    shown = {name: lane[first:last] for name, lane in lanes().items()}
    return {"event": "cells", "repeat": repeat, "from_ms": (first - zero) * 50.0, "cell_ms": 50,
            "lanes": shown, "acknowledged": 9 * last, "failed": last // 9,
            "indeterminate": 3}  # fmt: skip


def markers(repeat: int) -> list[Json]:
    """What happened."""
    told = [("fault", 0, "redis-1", "SIGKILL to redis-1"), ("suspected", 1040, "redis-1", ""),
            ("failed", 1300, "redis-1", ""), ("promoted", 1810, "redis-4", "epoch 8"),
            ("agreed", 1900, "", ""), ("covered", 1950, "", ""),
            ("back", 2100, "shard 1 write", "")]  # fmt: skip
    return [
        {"event": "marker", "repeat": repeat, "ms": float(ms), "kind": kind, "node": who,
         "text": text}
        for kind, ms, who, text in told
    ]  # fmt: skip


def steps(drill: str) -> list[Json]:
    """The decided steps."""
    return [
        {"id": f"{drill}.{number}", "title": title, "status": "PASS", "evidence": evidence,
         "remedy": ""}
        for number, title, evidence in STEPS
    ]  # fmt: skip


def result(drill: str, fault: str, victim: str, repeat: int) -> Json:
    """One repeat."""
    shards = [
        {"name": f"shard {n}", "write_window_s": 2.1 if n == 1 else 0.0,
         "read_window_s": 2.08 if n == 1 else 0.0, "acknowledged": 402, "lost": 0,
         "indeterminate": 1, "errors": {"refused": 4} if n == 1 else {}}
        for n in (1, 2, 3)
    ]  # fmt: skip
    bare = [{k: v for k, v in one.items() if k != "event"} for one in markers(repeat)]
    return {
        "drill": drill, "fault": fault, "victim": victim, "repeat": repeat, "started": AT,
        "seconds": 18.0, "verdict": "PASS", "steps": steps(drill), "shards": shards,
        "timings": {"detect": 1.3, "promote": 1.81, "first_write": 2.1, "rejoin": 4.2},
        "expected": [1.5, 2.0], "theory": "node timeout + 500 + U(0, 500) ms",
        "markers": [one | {"event": "marker"} for one in bare],
        "lanes": lanes(), "lanes_from_ms": -BEFORE * 50.0,
        "cell_ms": 50, "instrument_cpu": 0.11, "late_ms": 3.0,
    }  # fmt: skip


def report(drill: str, fault: str, victim: str, name: str, repeats: int) -> Json:
    """A whole drill."""
    spread = {"median": 2.1, "low": 2.0, "high": 2.3, "p95": 2.3, "count": repeats}
    return {
        "id": name, "drill": drill, "fault": fault, "victim": victim, "verdict": "PASS",
        "write_window_s": 2.1, "read_window_s": 2.08, "lost": 0, "resurrected": 0,
        "indeterminate": 3, "split_brain": 0, "steps": steps(drill),
        "repeats": [result(drill, fault, victim, n + 1) for n in range(repeats)],
        "spread": {"write_window_s": spread}, "seconds": 18.0, "started": AT - 3600,
    }  # fmt: skip


def plan(drill: str, fault: str, victim: str) -> Json:
    """What it would do."""
    refused = bool(os.environ.get("STUB_DRILL_REFUSES"))
    return {
        "drill": drill, "fault": fault, "victim": victim,
        "actions": ["see that every replica is in sync, three times in a row",
                    f"write and read on every shard, then {fault} to {victim}",
                    "wait for the failover, start the node again, read everything back"],
        "steps": [
            {"id": f"{drill}.{number}", "title": title, "detail": DETAILS.get(number, "")}
            for number, title, _ in STEPS
        ],
        "touches": [f"{victim} is ended; it is started again"],
        "expected_s": 18.0, "thresholds": {"window_s": 3.0},
        "refusal": "redis-5 is not in sync with its master" if refused else "",
        "remedy": "wait a moment" if refused else "",
    }  # fmt: skip


def listing() -> Json:
    """`drill list --json`."""
    faults = ["sigkill", "sigterm", "sigstop", "partition", "planned"]
    nodes = [f"redis-{n}" for n in range(1, 7)]
    return {"drills": [
        {"name": "redis.failover", "title": "failover of a master", "service": "redis",
         "faults": faults, "victims": ["all", *nodes], "available": True, "reason": ""},
        {"name": "redis.rolling", "title": "rolling restart", "service": "redis",
         "faults": ["restart"], "victims": ["all"], "available": True, "reason": ""},
        {"name": "postgres.restart", "title": "kill and recover", "service": "postgres",
         "faults": ["sigkill", "sigterm", "sigstop"], "victims": ["postgres"], "available": True,
         "reason": ""},
        {"name": "rabbitmq.restart", "title": "kill and recover", "service": "rabbitmq",
         "faults": ["sigkill"], "victims": ["rabbitmq"], "available": False,
         "reason": "RabbitMQ does not run in the stack 'default'"},
    ]}  # fmt: skip


def past() -> Json:
    """`drill history --json`."""
    if note := os.environ.get("STUB_HISTORY"):
        return {"drills": [], "notes": [note]}
    made = [
        report("redis.failover", "sigkill", "redis-1", "a1b2c3", 3),
        report("redis.failover", "planned", "redis-2", "d4e5f6", 1),
        report("postgres.restart", "sigkill", "postgres", "0718aa", 1),
    ]
    made[0] |= {"steps": [
        one | {"status": "WARN"} if one["id"].endswith(".12") else one for one in made[0]["steps"]
    ]}  # fmt: skip
    made[2] |= {"verdict": "FAIL", "lost": 12, "read_window_s": None}
    return {"drills": [one | {"repeats": []} for one in made], "notes": []}


def run(drill: str, fault: str, victim: str) -> int:
    """`drill run`."""
    log(f"pid {os.getpid()}")
    say({"event": "drill_planned", "stack": "default", "plan": plan(drill, fault, victim),
         "repeats": 1, "at": AT})  # fmt: skip
    try:
        for phase in ("preconditions", "warming"):
            say({"event": "drill_phase", "repeat": 1, "phase": phase, "detail": "", "at": AT})
        say(cluster(1))
        say(cells(1, 0, BEFORE, 0))
        fault_mark, *later = markers(1)
        say(fault_mark)
        say({"event": "drill_phase", "repeat": 1, "phase": "waiting", "detail": "for a failover",
             "at": AT})  # fmt: skip
        say(cells(1, BEFORE, BEFORE + 20, BEFORE))
        held_by("STUB_DRILL_HOLD")
        for mark in later:
            say(mark)
        say(cluster(1, failed=True))
        say(cells(1, BEFORE + 20, BEFORE + WINDOW + AFTER, BEFORE))
        say(cluster(1, healed=True))
        for step in steps(drill):
            say({"event": "step", "repeat": 1, "result": step})
    except Ended:
        log("healed")
        say({"event": "drill_done", "report": None, "exit_code": 130, "healed": True,
             "message": "aborted; everything was healed", "remedy": "", "at": AT})  # fmt: skip
        return 130
    say({"event": "repeat_ended", "result": result(drill, fault, victim, 1)})
    say({"event": "drill_done", "report": report(drill, fault, victim, "ffee00", 1),
         "exit_code": 0, "healed": True, "message": "", "remedy": "", "at": AT + 18})  # fmt: skip
    return 0


def option(words: list[str], name: str, default: str) -> str:
    """The word after `name`."""
    return words[words.index(name) + 1] if name in words else default


def drill(words: list[str]) -> int:
    """The verb `drill`."""
    what = words[1]
    if what == "list":
        say(listing())
    elif what == "history":
        say(past())
    elif what == "show":
        say(report("redis.failover", "sigkill", "redis-1", words[2], 3))
    elif what == "compare":
        spread = {"median": 2.1, "low": 2.0, "high": 2.3, "p95": 2.3, "count": 3}
        say({"a": words[2], "b": words[3], "verdicts": ["PASS", "PASS"], "lost": [0, 0],
             "changes": [{"name": "write_window_s", "a": spread, "b": spread | {"median": 0.027},
                          "difference": None}],
             "steps": [], "comparable": False,
             "warning": "the faults differ: sigkill against planned; "
             "the figures are not comparable"})  # fmt: skip
    else:
        fault = option(words, "--fault", "sigkill")
        victim = option(words, "--victim", "redis-1")
        if what == "plan":
            say(plan(words[2], fault, victim))
            return 0
        return run(words[2], fault, victim)
    return 0
