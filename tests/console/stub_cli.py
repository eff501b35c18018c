"""Stands in for the command line: the same words and lines, and no stack behind them.

It is run as a real child process, so that pipes, sessions and exit statuses are the real ones.
`STUB_LOG` names a file to which every call is appended; `STUB_HOLD` a file whose absence lets a
running verb go on to its end. With `STUB_GONE` the stack is one that was never started.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import bench_stub
import drill_stub
import report_stub
import security_stub
import tuning_stub


def say(**event: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def change(verb: str, services: list[str], plan: bool) -> int:
    """What up, down and restart print."""
    names = services or ["vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq"]
    at = 1793620800.0
    say(event="planned", verb=verb, stack="default", services=names, at=at)
    if plan:
        return 0
    say(event="note", text="finished a down that was interrupted", at=at)
    for place, name in enumerate(names):
        phase = ("ready", "ready", "probing", "starting", "starting", "waiting")[min(place, 5)]
        if verb == "down":
            phase = "stopping"
        detail = {"waiting": "waits for vault", "probing": "first answer"}.get(phase, "")
        step = {"since": at + place, "at": at + place + 3}
        say(event="progress", service=name, phase=phase, detail=detail, **step)
    hold = os.environ.get("STUB_HOLD")
    deadline = time.monotonic() + 60
    while hold and Path(hold).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    if verb == "restart":
        step = {"since": at, "at": at + 9}
        say(event="progress", service=names[0], phase="failed", detail="the port is taken",
            remedy="move it: port_offset = 100", **step)  # fmt: skip
        say(event="done", verb=verb, exit_code=1, seconds=9.1, at=at + 9,
            message=f"{names[0]} did not start", remedy="see its log")  # fmt: skip
        return 1
    final = "stopped" if verb == "down" else "ready"
    for place, name in enumerate(names):
        step = {"since": at, "at": at + place + 4}
        say(event="progress", service=name, phase=final, **step)
    say(event="done", verb=verb, exit_code=0, seconds=12.3, message="", at=at + 12)
    return 0


def logs(service: str) -> int:
    """Some lines, then nothing until standard input closes."""
    unit = f"{service}-1" if service == "redis" else service
    lines = [
        "LOG:  starting PostgreSQL 15.14 on x86_64-pc-linux-gnu",
        "LOG:  listening on IPv4 address [127.0.0.1], port 15432",
        "LOG:  [bold red]database system[/] is ready to accept connections",
        "WARNING:  there is no transaction in progress",
        'ERROR:  relation "nothing" does not exist at character 15',
        "STATEMENT:  select * from nothing",
        "\x1b[31mLOG:\x1b[0m  checkpoint complete: wrote 3 buffers (0.0%)",
    ]
    if service == "redis":
        lines = [f"line {number}" for number in range(1, 301)]
    for line in lines:
        say(unit=unit, line=line)
    sys.stdin.read()
    return 0


def status() -> int:
    """The first recorded snapshot, again for every `now`; `STUB_DIES` makes it fail instead."""
    if os.environ.get("STUB_DIES"):
        say(error="the stack cannot be read", remedy="look at its directory", exit_code=3)
        sys.stderr.write("devstack-tui: the stack cannot be read\n  → look at its directory\n")
        return 3
    snapshot = Path(__file__).with_name("recorded.jsonl").read_text().splitlines()[0]
    sys.stdout.write(snapshot + "\n")
    sys.stdout.flush()
    for word in sys.stdin:
        if word.strip() == "now":
            sys.stdout.write(snapshot + "\n")
            sys.stdout.flush()
    return 0


def doctor() -> int:
    """Two findings, one of them bad."""
    findings = [
        {"subject": "postgres", "status": "ok", "detail": "15.14 in /usr/lib/postgresql/15/bin",
         "remedy": ""},
        {"subject": "rabbitmq", "status": "missing", "detail": "rabbitmq-server is not in PATH",
         "remedy": "apt-get install rabbitmq-server"},
        {"subject": "open files", "status": "warning", "detail": "the limit is 1024",
         "remedy": "ulimit -n 65536"},
    ]  # fmt: skip
    say(stack="default", findings=findings)
    return 1


def main() -> int:
    """The verb is what follows `--stack NAME`."""
    words = sys.argv[3:]
    if os.environ.get("STUB_LOG"):
        with Path(os.environ["STUB_LOG"]).open("a") as file:
            file.write(" ".join(words) + "\n")
    if os.environ.get("STUB_GONE"):
        say(error="the stack was never started", remedy="up starts it", exit_code=3)
        return 3
    verb, rest = words[0], [w for w in words[1:] if not w.startswith("-")]
    verbs = {
        "status": status,
        "logs": lambda: logs(rest[0]),
        "doctor": doctor,
        "bench": lambda: bench_stub.bench(words),
        "check": lambda: security_stub.check(words),
        "drill": lambda: drill_stub.drill(words),
        "regress": bench_stub.regress,
        "report": lambda: report_stub.report(words),
        "tune": lambda: tuning_stub.tune(words),
    }
    if verb in verbs:
        return verbs[verb]()
    if verb in ("up", "down", "restart"):
        if rest == ["nothing"]:
            say(error="unknown service 'nothing'", remedy="did you mean mysql?", exit_code=2)
            sys.stderr.write("devstack-tui: unknown service 'nothing'\n  → did you mean mysql?\n")
            return 2
        return change(verb, rest, "--plan" in words)
    sys.stderr.write(f"unknown verb {verb!r}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
