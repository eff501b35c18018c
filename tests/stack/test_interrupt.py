"""Ctrl-C during `up`: what was starting is stopped and reported; a second one does not wait."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time

import psutil
import pytest

from devstack_tui.core import process
from tests.conftest import Cli
from tests.stack.conftest import ids_of
from tests.stack.test_crash import _healthy_and_single

LIMIT_S = 60.0


def _until(run: subprocess.Popen[str], service: str, phase: str) -> None:
    """Read its events up to one. Fails when it ends before."""
    assert run.stdout is not None
    for line in run.stdout:
        event = json.loads(line)
        if (event.get("service"), event.get("phase")) == (service, phase):
            return
    pytest.fail(f"`up` ended before {service} was {phase}")


def _processes(instance: str, service: str) -> list[psutil.Process]:
    """The service's processes, as soon as there are some."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if pids := [pid for pid, unit in process.owned(instance).items() if unit == service]:
            return [psutil.Process(pid) for pid in pids]
    pytest.fail(f"{service} never started")


def test_the_first_stops_what_was_starting_and_reports_each(fresh: Cli) -> None:
    run = fresh.start("up", "postgres", "mysql", "redis", "--jsonl")
    _until(run, "mysql", "starting")
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    last = {e["service"]: e for e in map(json.loads, rest.splitlines()) if "service" in e}
    assert last["mysql"]["phase"] == "stopped"
    assert "interrupted" in last["mysql"]["detail"]
    for event in last.values():
        assert event["phase"] in {"stopped", "skipped", "ready"}, event
    running = {name for name, row in fresh.status().items() if row["units"]}
    assert "mysql" not in running
    _healthy_and_single(fresh, "mysql")


def test_the_second_ends_at_once_and_the_next_up_heals(fresh: Cli) -> None:
    run = fresh.start("up", "mysql", "--jsonl")
    _until(run, "mysql", "starting")
    (instance,) = ids_of(fresh)
    held = _processes(instance, "mysql")
    for one in held:
        one.suspend()
    try:
        run.send_signal(signal.SIGINT)
        _until(run, "mysql", "stopping")
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(LIMIT_S) == 130
        # It did not wait for what it had asked to end, nor killed it.
        assert all(one.is_running() for one in held)
    finally:
        for one in held:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()
        run.communicate()
    _healthy_and_single(fresh, "mysql")
