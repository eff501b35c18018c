"""Verbs that look change nothing of a stack that runs."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack import parameter_apply
from tests.conftest import ROOT, Cli
from tests.unit.test_looking import snapshot

LOOKS = [
    ("status", "--json"),
    ("logs", "redis"),
    ("doctor",),
    ("bench", "list"),
    ("tune", "show"),
    ("drill", "plan", "redis.failover"),
    ("check", "matrix"),
    ("certs", "list"),
    ("up", "--plan"),
]


def kept(root: Path) -> dict[str, tuple[int, int, str]]:
    """All of the stack but what its servers write by themselves."""
    servers = tuple(f"{folder}/" for folder in ("data", "logs", "run/sockets"))
    found = snapshot(root)
    return {path: what for path, what in found.items() if not f"{path}/".startswith(servers)}


COUNT = """
import contextlib, io, sys
from devstack_tui.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["--stack", sys.argv[1], "status", "--json"])
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "devstack_tui"))
"""


def test_status_loads_few_modules(live: Cli) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COUNT, live.stack],
        env=live.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = ended.stdout.split()
    assert {"devstack_tui.health.monitor", "devstack_tui.services.redis.probe"} <= set(names)
    assert len(names) <= 70, names


def test_a_look_at_servers_that_run_changes_nothing(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.enter(monkeypatch)
    paths = StackPaths.of(live.stack)
    parameter_apply.intend(paths, {"postgres": ["work_mem"]})
    try:
        before = kept(live.root)
        pids = {row["name"]: [u["pid"] for u in row["units"]] for row in live.status().values()}
        for words in LOOKS:
            ended = live.run(*words)
            assert ended.returncode == 0, (words, ended.stderr)
            assert kept(live.root) == before, words
            if words[0] != "status":
                assert "needs healing: an interrupted `tune` of postgres" in ended.stderr
        after = {row["name"]: [u["pid"] for u in row["units"]] for row in live.status().values()}
        assert after == pids
        assert len(Journal(paths.journal).pending()) == 1
        assert live.heal().returncode == 0
    finally:
        paths.journal.unlink(missing_ok=True)


def test_a_log_that_is_followed_ends_with_its_reader(live: Cli) -> None:
    for way in ("2>&1 | head -1", ">&-"):
        ended = live.shell("logs postgres -f", way)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert live.shell("logs postgres -f", ">/dev/full").returncode == 1


def test_down_asks_at_a_terminal(live: Cli) -> None:
    ours, its = pty.openpty()
    argv, env = live.argv("down"), live.environment()
    down = subprocess.Popen(argv, env=env, cwd=ROOT, stdin=its, stdout=its, stderr=its)
    os.close(its)
    os.write(ours, b"no\n")
    shown = b""
    with contextlib.suppress(OSError):  # the terminal ends with the verb
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert down.wait(60) == 2
    assert b"down live: reference_api, " in shown
    assert b"type the stack's name (live) to confirm: " in shown
    assert b"nothing was stopped" in shown
    assert live.run("status").returncode == 0


def test_a_change_goes_on_without_its_reader(live: Cli) -> None:
    for way in ("2>&1 | true", "<&- >&- 2>&-"):
        before = live.status()["vault"]["units"][0]["pid"]
        assert live.shell("restart vault", way).returncode == 0
        assert live.status()["vault"]["units"][0]["pid"] != before
    assert live.shell("up --json", ">/dev/full").returncode == 1
