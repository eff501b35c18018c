"""What the tests of drills share: a drill that is run, or watched while it runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tests.conftest import Cli

WITHIN_S = 60.0


def drill_argv(cli: Cli, fault: str, victim: str, *more: str) -> tuple[str, ...]:
    return (
        *("drill", "run", "redis.failover", "--fault", fault, "--victim", victim),
        *("--yes", "--stack", cli.stack, *more),
    )


def run_drill(cli: Cli, fault: str, victim: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Run to the end; its exit status and its document."""
    ended = cli.run(*drill_argv(cli, fault, victim, "--json", *more))
    assert ended.stdout, ended.stderr
    return ended.returncode, msgspec.json.decode(ended.stdout)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    """The status of each step, by its number."""
    return {step["id"].rpartition(".")[2]: step["status"] for step in document["steps"]}


def evidence(document: dict[str, Any], number: str) -> str:
    return next(s["evidence"] for s in document["steps"] if s["id"].endswith(f".{number}"))


@contextmanager
def drilling(cli: Cli, fault: str, victim: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A drill that has struck, and the node that it hit, which is suspected by now."""
    process = cli.start(*drill_argv(cli, fault, victim, "--jsonl"))
    assert process.stdin and process.stdout and process.stderr
    try:
        for line in process.stdout:
            event = msgspec.json.decode(line)
            if event["event"] == "marker" and event["kind"] == "suspected":
                break
        else:
            raise AssertionError(process.stderr.read())
        yield process, event["node"]
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def wait_whole(cli: Cli) -> None:
    """Return once a drill would begin."""
    deadline = time.monotonic() + WITHIN_S
    while refusal := cli.json("drill", "plan", "redis.failover")["refusal"]:
        assert time.monotonic() < deadline, refusal
