"""What `tune` prints, for the stub of the command line: no server behind it.

`tuning_recorded.json` is a `tune show --json`. `STUB_TUNE_STATE` names a file that keeps what was
set and applied from one child to the next. `STUB_TUNE_HOLD` names a file whose absence lets an
apply go on after its first step, and an A/B after its third pair. `STUB_TUNE_FAILS` makes an apply
end with its restore, `STUB_TUNE_DOWN` a service not answer, `STUB_TUNE_REFUSES` the show fail and
`STUB_TUNE_SET_REFUSES` a set.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_stub import Ended, held_by, log, say

AT = 1793620800.0
Json = dict[str, Any]
RATIOS = (1.44, 1.39, 1.42, 1.40, 1.45, 1.41)
RECORDED = Path(__file__).with_name("tuning_recorded.json")


def state() -> Json:
    """What was set and applied before."""
    name = os.environ.get("STUB_TUNE_STATE")
    empty = {"pending": {}, "effective": {}, "profiles": []}
    if not name or not Path(name).exists():
        return empty
    found: Json = json.loads(Path(name).read_text())
    return found


def keep(found: Json) -> None:
    """Keep it for the next child."""
    name = os.environ.get("STUB_TUNE_STATE")
    if name:
        # A test reads it while we write: it is there whole, or not yet.
        Path(f"{name}.new").write_text(json.dumps(found))
        Path(f"{name}.new").replace(name)


def document() -> Json:
    """`tune show --json` with what was set and applied."""
    show: Json = json.loads(RECORDED.read_text())
    now = state()
    down = os.environ.get("STUB_TUNE_DOWN", "").split()
    for row in show["parameters"]:
        key = f"{row['service']}.{row['name']}"
        if key in now["effective"]:
            row |= {"effective": now["effective"][key], "tuned": now["effective"][key]}
            row |= {"changed": True, "source": "configuration file", "set_by": "set"}
        row["pending"] = now["pending"].get(key)
        row["restart"] = row["apply"] == "restart" and row["pending"] is not None
        if row["service"] in down:
            row |= {"effective": "", "source": "not running"}
    if down:
        show["down"] = {name: f"{name} is stopped" for name in down}
    show["profiles"] += now["profiles"]
    return show


def put(service: str, given: list[str]) -> int:
    """`tune set`: validated by the product's own rules."""
    if os.environ.get("STUB_TUNE_SET_REFUSES"):
        say({"error": "nothing was set: up (pid 7) changes the stack", "exit_code": 1,
             "remedy": "wait for its end"})  # fmt: skip
        return 1
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import msgspec

    from devstack_tui.core.errors import DevstackError
    from devstack_tui.tuning import rules
    from devstack_tui.tuning.events import Show

    shown = msgspec.convert(document(), Show)
    rows = {(row.service, row.name): row for row in shown.parameters}
    now = state()
    try:
        for text in given:
            name, _, value = text.partition("=")
            value = rules.validate(shown, service, name, value)
            now["pending"][f"{service}.{name}"] = value
            if value == (rows[service, name].tuned or "default"):
                del now["pending"][f"{service}.{name}"]
    except DevstackError as error:
        say({"error": error.message, "remedy": error.remedy, "exit_code": 2})
        return 2
    keep(now)
    say({"stack": "default", "pending": len(now["pending"])})
    return 0


def save(name: str) -> int:
    """`tune save`."""
    now = state()
    keep(now | {"profiles": [*now["profiles"], name]})
    say({"profile": name, "path": f"{name}.toml"})
    return 0


def imported(path: str, name: str) -> int:
    """`tune import` of a file with one good line and one bad one."""
    now = state()
    keep(now | {"profiles": [*now["profiles"], name]})
    taken = {"line": 1, "name": "work_mem", "status": "taken", "service": "postgres",
             "value": "16MB", "understood": "16384 → 16 MB", "reason": ""}  # fmt: skip
    refused = {"line": 2, "name": "jit", "status": "refused", "service": "postgres",
               "reason": "expected on or off, got 'perhaps'"}  # fmt: skip
    say({"profile": name, "path": f"{name}.toml", "file": path, "exit_code": 1,
         "values": {"postgres": {"work_mem": "16MB"}}, "lines": [taken, refused]})  # fmt: skip
    return 1


def planned(by: str, values: dict[str, str]) -> Json:
    """The plan of an apply."""
    rows = {f"{r['service']}.{r['name']}": r for r in document()["parameters"]}
    changes = [
        {
            "service": rows[key]["service"], "parameter": rows[key]["name"],
            "before": rows[key]["effective"], "after": value, "apply": rows[key]["apply"],
            "durability": rows[key]["durability"] if value == "off" else "",
        }
        for key, value in values.items()
    ]  # fmt: skip
    steps = ["write the journal", "write the configuration of postgres"]
    restart = any(change["apply"] == "restart" for change in changes)
    steps += ["restart postgres"] if restart else ["set the values at run time"]
    steps += ["read every value back in a fresh session"]
    return {"event": "tune_planned", "stack": "default", "by": by, "changes": changes,
            "steps": steps, "warnings": [], "at": AT}  # fmt: skip


def change(verb: str, rest: list[str], plan: bool) -> int:
    """`tune apply` and `tune revert`."""
    now = state()
    values = dict(now["pending"])
    if verb == "revert":
        values = {"postgres.shared_buffers": "128MB"}
    elif rest:
        rows = document()["parameters"]
        said = [(row, row["baseline"] if rest[0] == "baseline" else row["profiles"].get(rest[0]))
                for row in rows]  # fmt: skip
        values = {f"{r['service']}.{r['name']}": v for r, v in said
                  if v not in (None, "default", r["effective"])}  # fmt: skip
    say(planned(" ".join([verb, *rest]), values))
    if plan:
        return 0
    log(f"pid {os.getpid()}")
    steps = (("journal", ""), ("configure", "2 values"), ("restart", "1.9 s"), ("read", ""))
    for place, (phase, detail) in enumerate(steps):
        say({"event": "tune_step", "service": "postgres", "phase": phase, "detail": detail,
             "at": AT + place})  # fmt: skip
        if place == 2:
            wait()
    failed = os.environ.get("STUB_TUNE_FAILS")
    outcomes = [
        {"service": key.partition(".")[0], "parameter": key.partition(".")[2], "wanted": value,
         "effective": value, "source": "configuration file", "ok": True, "reason": ""}
        for key, value in values.items()
    ]  # fmt: skip
    if failed:
        outcomes[0] |= {"ok": False, "effective": "128MB", "source": "command line",
                        "reason": "an option -c of the server's command line wins"}  # fmt: skip
        say({"event": "tune_step", "service": "postgres", "phase": "restore", "at": AT + 4})
    else:
        now["effective"] |= values
        now["pending"] = {}
        keep(now)
    say({"event": "tune_done", "exit_code": 1 if failed else 0, "seconds": 4.2, "at": AT + 5,
         "outcomes": outcomes, "restored": bool(failed),
         "message": "1 value did not take" if failed else "",
         "remedy": "take the option away" if failed else ""})  # fmt: skip
    return 1 if failed else 0


def wait() -> None:
    """Wait while the file of `STUB_TUNE_HOLD` is there; standard input is nobody's."""
    name = os.environ.get("STUB_TUNE_HOLD")
    deadline = time.monotonic() + 60
    while name and Path(name).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def prove(a: str, b: str, words: list[str]) -> int:
    """`tune ab`."""
    pairs = int(words[words.index("--pairs") + 1])
    workload = words[words.index("--workload") + 1]
    log(f"pid {os.getpid()}")
    command = f"devstack-tui tune ab {a} {b} --workload {workload} --quick --pairs {pairs}"
    sync = {"service": "postgres", "parameter": "synchronous_commit", "before": "on",
            "after": "off", "apply": "live", "durability": ""}  # fmt: skip
    about = {"workload": workload, "size": "quick", "unit": "tps", "a": a, "b": b,
             "changes": [sync], "margin": 0.05, "detectable": 0.06, "command": command}  # fmt: skip
    say({"event": "ab_planned", "pairs": pairs, "expected_s": 180.0, "at": AT, **about})
    samples = []
    for number in range(1, pairs + 1):
        ratio = RATIOS[(number - 1) % len(RATIOS)]
        low, high = 2030.0 + 10 * (number % 3), 0.0
        high = low * ratio
        for arm in "ab" if number % 2 else "ba":
            for phase in ("applying", "preparing", "running"):
                say({"event": "ab_run", "pair": number, "arm": arm, "phase": phase,
                     "pairs": pairs, "at": AT})  # fmt: skip
            for second in range(10):
                rate = (low if arm == "a" else high) * (1 + 0.02 * ((second * 7) % 5 - 2))
                say({"event": "ab_tick", "pair": number, "arm": arm, "second": second,
                     "throughput": rate, "p99": 5.0})  # fmt: skip
        samples.append((low, high))
        known = RATIOS[:number]
        bounds = {"low": min(known) - 0.3 / number, "high": max(known) + 0.3 / number}
        if number < 3:
            bounds = {"low": None, "high": None}
        say({"event": "ab_pair", "pair": number, "a": low, "b": high, "ratio": ratio,
             "estimate": sum(known) / len(known), "ends_at": AT + 100, **bounds})  # fmt: skip
        if number == 3:
            try:
                held_by("STUB_TUNE_HOLD")
            except Ended:
                log("cleaned")
                return 130
    del about["command"]
    report = about | {
        "id": "ab1", "at": AT, "verdict": "IMPROVED", "ratio": 1.418, "interval": (1.39, 1.45),
        "pairs": pairs, "samples": samples, "order": "ABBAABBAABBA", "command": command,
        "sentence": "B is 41.8 % faster (39 to 45 %, 95 % interval, 6 pairs)",
        "costs": ["lost 187 acknowledged commits (0.4 s) on SIGKILL"], "kept": "before",
    }  # fmt: skip
    say({"event": "ab_done", "report": report, "exit_code": 0, "at": AT, "message": ""})
    return 0


def cost(service: str, profile: str) -> int:
    """`tune cost`."""
    for phase in ("applying", "writing", "killing", "restarting", "counting", "returning"):
        say({"event": "cost_phase", "service": service, "phase": phase, "at": AT})
    report = {"service": service, "profile": profile, "at": AT, "acknowledged": 5021, "lost": 187,
              "lost_s": 0.4, "indeterminate": 1, "rate": 460.0, "recovery_s": 1.1, "kills": 1,
              "relaxed": ["synchronous_commit=off"],
              "sentence": "lost 187 of 5,021 acknowledged commits (0.4 s) on SIGKILL"}  # fmt: skip
    say({"event": "cost_done", "reports": [report], "exit_code": 0, "at": AT})
    return 0


def search(workload: str) -> int:
    """`tune auto`."""
    say({"event": "auto_planned", "workload": workload, "size": "quick", "candidates": 8,
         "budget_s": 900.0, "confirm_s": 300.0, "durable": True, "at": AT})  # fmt: skip
    for number in (1, 2):
        say({"event": "auto_round", "round": number, "candidates": 8 // number, "at": AT})
        for place, value in enumerate(("1GB", "2GB")):
            say({"event": "auto_candidate", "round": number, "pairs": 2 * number, "at": AT,
                 "values": {"postgres.shared_buffers": value}, "ratio": 1.1 + place / 10,
                 "kept": place == 1, "reason": "" if place else "slower"})  # fmt: skip
    report = {"workload": workload, "profile": "auto-x", "path": "auto-x.toml", "tried": 8,
              "values": {"postgres.shared_buffers": "2GB"}, "against_baseline": None,
              "against_optimized": None, "seconds": 880.0, "durable": True}  # fmt: skip
    say({"event": "auto_done", "report": report, "exit_code": 0, "at": AT})
    return 0


def tune(words: list[str]) -> int:
    """The verb `tune`."""
    what, rest = words[1], [w for w in words[2:] if not w.startswith("--")]
    if what == "show" and os.environ.get("STUB_TUNE_REFUSES"):
        say({"error": "the stack was never started", "remedy": "devstack-tui up", "exit_code": 3})
        return 3
    if what == "revert" and "--pending" in words:
        keep(state() | {"pending": {}})
        say({"dropped": 1})
        return 0
    if what == "show":
        say(document())
        return 0
    work: dict[str, Callable[[], int]] = {
        "set": lambda: put(rest[0], rest[1:]),
        "save": lambda: save(rest[0]),
        "import": lambda: imported(rest[0], rest[1]),
        "apply": lambda: change(what, rest, "--plan" in words),
        "revert": lambda: change(what, rest, "--plan" in words),
        "ab": lambda: prove(rest[0], rest[1], words),
        "cost": lambda: cost(rest[0], words[words.index("--profile") + 1]),
        "auto": lambda: search(rest[0]),
    }
    return work[what]()
