"""Verbs that look change nothing and name what needs healing; all others heal first."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from devstack_tui.cli import running
from devstack_tui.cli.main import VERBS, _parser, main
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths, config_home
from devstack_tui.stack import parameter_apply
from devstack_tui.stack.stack import Stack
from tests.unit.test_old_state import KEPT, NAME

Capture = pytest.CaptureFixture[str]
REMEDY = f"devstack-tui --stack {NAME} up vault postgres mongodb redis"
# How each verb that looks is called here.
LOOKS = {
    "status": "status",
    "logs": "logs redis",
    "doctor": "doctor",
    "report": "report",
    "bench list": "bench list",
    "bench show": "bench show c5ea4fd89683",
    "bench compare": "bench compare c5ea4fd89683 dbe131142b8b",
    "bench export": "bench export c5ea4fd89683",
    "tune list": "tune list",
    "tune show": "tune show",
    "tune history": "tune history",
    "tune advise": "tune advise",
    "drill list": "drill list",
    "drill plan": "drill plan redis.failover",
    "drill history": "drill history",
    "drill show": "drill show 76400",
    "drill compare": "drill compare 76400 8271e",
    "check list": "check list",
    "check show": "check show vault.unsealed",
    "check matrix": "check matrix",
    "certs list": "certs list",
}
PLANS = [
    "up --plan",
    "down --plan",
    "restart --plan",
    "certs rotate --plan",
    "tune apply --plan",
    "tune set postgres work_mem=8MB --plan",
    "tune revert --plan",
]
# How each other verb is called here, without what it needs to do its own work: it has healed by
# then. `up` and `restart` are tested with servers; `check prove` has a stack of its own, and
# `job follow` needs none.
CHANGES = {
    "down": "down --force",
    "bench run": "bench run nonsense",
    "bench record": "bench record nonsense",
    "regress": "regress --quick",
    "tune set": "tune set postgres nonsense=1",
    "tune apply": "tune apply nonsense",
    "tune revert": "tune revert --pending",
    "tune save": "tune save mine",
    "tune ab": "tune ab current nonsense --workload redis.get",
    "tune cost": "tune cost redis",
    "tune auto": "tune auto redis.get",
    "drill run": "drill run redis.failover",
    "drill sweep": "drill sweep redis.failover",
    "check run": "check run nonsense",
    "certs rotate": "certs rotate nonsense",
}
ELSEWHERE = {"up", "restart", "check prove", "job follow"}


@pytest.fixture
def kept() -> StackPaths:
    """A stack that does not run, and in which a drill was killed; recorded from a real one."""
    paths = StackPaths.of(NAME)
    shutil.copytree(KEPT / "state", paths.root)
    with contextlib.closing(sqlite3.connect(paths.root / "history.db")) as database:
        database.executescript((paths.root / "history.sql").read_text(encoding="utf-8"))
    shutil.copytree(KEPT / "config", config_home())
    (paths.root / "logs").mkdir()
    (paths.root / "logs" / "redis-1.log").write_text("ready\n")
    return paths


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Every file and directory below `root`: mode, time of the last change, and content."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in [root, *root.rglob("*")]
    }


def verbs() -> set[str]:
    """Every verb of the command line, with what it is about."""
    found = set()
    subparsers = next(
        a for a in _parser(VERBS)._actions if isinstance(a, argparse._SubParsersAction)
    )
    for verb, parser in subparsers.choices.items():
        whats = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        found |= {f"{verb} {what}" for what in whats[0].choices} if whats else {verb}
    return found


def test_every_verb_either_looks_or_changes() -> None:
    # An import makes a profile, which is no part of a stack: tests/unit/test_profile_import.py.
    assert {*LOOKS, "tune import"} == running.LOOKING
    assert set(CHANGES) | ELSEWHERE == verbs() - running.LOOKING
    assert {verb.partition(" ")[0] for verb in verbs()} == set(VERBS)


@pytest.mark.parametrize("words", [*LOOKS.values(), *PLANS])
def test_a_look_changes_nothing_and_names_what_needs_healing(
    words: str, kept: StackPaths, room: Path, capsys: Capture
) -> None:
    before = snapshot(room)
    with contextlib.suppress(SystemExit):
        main(["--stack", NAME, *words.split()])
    assert snapshot(room) == before
    assert len(Journal(kept.journal).pending()) == 2
    err = capsys.readouterr().err
    for what in ("drill.run of redis.failover", "drill.freeze of redis-4"):
        assert f"needs healing: an interrupted {what}  → {REMEDY}\n" in err


@pytest.mark.parametrize("words", [*LOOKS.values(), *PLANS])
def test_a_look_at_a_stack_that_was_never_started_makes_nothing(words: str, room: Path) -> None:
    before = snapshot(room)
    with contextlib.suppress(SystemExit):
        main(words.split())
    assert snapshot(room) == before


@pytest.mark.usefixtures("kept")
def test_what_needs_healing_is_a_field_of_the_status(capsys: Capture) -> None:
    main(["--stack", NAME, "status", "--json"])
    status = json.loads(capsys.readouterr().out)
    assert status["needs_healing"] == [
        {
            "action": "drill.run",
            "what": "an interrupted drill.run of redis.failover",
            "remedy": REMEDY,
        },
        {
            "action": "drill.freeze",
            "what": "an interrupted drill.freeze of redis-4",
            "remedy": REMEDY,
        },
    ]
    assert len(status["notes"]) == 2


@pytest.mark.parametrize(
    ("action", "subject", "remedy"),
    [
        ("wipe", NAME, "down --wipe"),
        ("restart", "redis,rabbitmq", "up vault postgres mongodb redis rabbitmq"),
        ("certs.rotate", "redis", "up vault postgres mongodb redis"),
        ("tune", "postgres", "up vault postgres mongodb redis"),
    ],
)
def test_the_remedy_starts_no_service_that_did_not_run(
    action: str, subject: str, remedy: str, kept: StackPaths
) -> None:
    kept.journal.unlink()
    Journal(kept.journal).begin(action, subject)
    (repair,) = Stack(NAME).needs_healing()
    assert repair.remedy == f"devstack-tui --stack {NAME} {remedy}"


def test_of_a_stack_without_processes_the_remedy_starts_what_it_needs(kept: StackPaths) -> None:
    shutil.rmtree(kept.run)
    assert {one.action: one.remedy for one in Stack(NAME).needs_healing()} == {
        "drill.run": f"devstack-tui --stack {NAME} up redis",  # it wrote into that
        "drill.freeze": f"devstack-tui --stack {NAME} down",
    }


@pytest.mark.parametrize(("action", "subject"), [("bench", "redis.get"), ("throttle", "redis")])
def test_what_a_benchmark_left_is_removed_by_a_change_once_it_has_ended(
    action: str, subject: str, kept: StackPaths
) -> None:
    kept.journal.unlink()
    Journal(kept.bench_journal).begin(action, subject)
    (repair,) = Stack(NAME).needs_healing()
    assert repair.remedy == REMEDY
    with StackLock(kept.root / "bench.lock", "bench") as lock:
        lock.try_acquire()
        assert Stack(NAME).needs_healing() == ()


def test_what_a_verb_works_on_now_needs_no_healing(kept: StackPaths) -> None:
    with StackLock(kept.lock, "up") as lock:
        lock.try_acquire()
        assert Stack(NAME).needs_healing() == ()
    with StackLock(kept.root / "drill.lock", "drill run") as lock:
        lock.try_acquire()
        assert Stack(NAME).needs_healing() == ()
    assert len(Stack(NAME).needs_healing()) == 2


@pytest.mark.parametrize("words", CHANGES.values())
def test_every_other_verb_heals_first(words: str, kept: StackPaths, capsys: Capture) -> None:
    kept.journal.unlink()
    parameter_apply.intend(kept, {"postgres": ["work_mem"]})
    with (
        StackLock(kept.root / "bench.lock", "bench") as measuring,
        contextlib.suppress(SystemExit),
    ):
        measuring.try_acquire()
        main(["--stack", NAME, *words.split()])
    assert "taking back an interrupted `tune`: postgres" in capsys.readouterr().err
    assert Journal(kept.journal).pending() == []


def test_a_damaged_stack_may_still_be_planned_to_go(kept: StackPaths, capsys: Capture) -> None:
    kept.instance.write_text("{")
    assert main(["--stack", NAME, "down", "--wipe", "--plan"]) == 0
    assert "down kept" in capsys.readouterr().out
