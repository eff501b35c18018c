"""Whatever stands in a journal: no verb fails because of it, and nothing of others is touched."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.cli.main import main
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.engines.embedded import nftables
from devstack_tui.stack import recovery
from devstack_tui.stack.stack import Stack
from tests.unit.test_old_state import KEPT, NAME

MUTATIONS, AT_ONCE = 10_000, 250
STORE = '{"values":{"postgres":{"work_mem":"8MB"}},"schema":1}'
ENTRIES: list[dict[str, Any]] = [
    {
        "action": "tune",
        "subject": "postgres,redis",
        "undo": {"store": STORE, "names": '{"postgres":["work_mem"]}', "strange": "{}"},
    },
    {"action": "tune.kill", "subject": "redis", "undo": {"processes": "[]", "signal": "SIGTERM"}},
    {"action": "certs.rotate", "subject": "postgres", "undo": {"run": "0123456789ab"}},
    {"action": "drill.run", "subject": "redis.failover", "undo": {"run": "0123456789ab"}},
    {"action": "drill.setting", "subject": "redis.failover", "undo": {"setting": "5000"}},
    {
        "action": "drill.freeze",
        "subject": "redis-1",
        "undo": {
            "service": "redis",
            "signal": "SIGTERM",
            "processes": '[{"pid":1,"start_ticks":1,"boot":"x"}]',
        },
    },
    {
        "action": "drill.partition",
        "subject": "redis-1",
        "undo": {"service": "redis", "table": "devstack_tui_0123456789ab", "cut": "{}"},
    },
    {"action": "bench", "subject": "postgres.tpcb", "undo": {}},
    {"action": "throttle", "subject": "redis", "undo": {"processes": "[]"}},
    {"action": "restart", "subject": "postgres", "undo": {}},
    {"action": "vault.init", "subject": "vault", "undo": {}},
]
ODD: list[Any] = [
    *("", "/", "../../../etc/passwd", "a/../../b", "\0", "x" * 5000, "nobody", "postgres,nobody"),
    *("'; DROP TABLE t; --", "\x1b]0;title\x07", "[]", "{}", "null", "1e999", "-1", "grüße"),
    *('[{"pid":1,"start_ticks":1,"boot_id":"x"}]', '{"values":{"nobody":{"x":"y"}},"schema":1}'),
    *("wipe", "drill", "tune.run", "restart.lock", None, 3, [], {}),
]


def mutated(chance: random.Random) -> bytes:
    """One line of a journal, wrong in one to three ways, or an entry of ours with odd values."""
    entry = json.loads(json.dumps(chance.choice(ENTRIES)))
    line = {"begin": {"id": f"{chance.getrandbits(64):x}", "at": 1.7e9, **entry}}
    for _ in range(chance.randint(1, 3)):
        table = chance.choice([line["begin"], line["begin"].get("undo") or {}, line])
        if not isinstance(table, dict) or not table:
            continue
        key = chance.choice(list(table))
        match chance.randrange(4):
            case 0:
                del table[key]
            case 1:
                table[chance.choice(["service", "run", "store", "table", key])] = table.pop(key)
            case _:
                table[key] = chance.choice(ODD)
        if "begin" not in line or not isinstance(line["begin"], dict):
            break
    raw = bytearray(json.dumps(line).encode())
    if chance.random() < 0.2:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    if chance.random() < 0.1:
        del raw[chance.randrange(len(raw)) :]
    return bytes(raw).replace(b"\n", b" ")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> StackPaths:
    """A stack that does not run. Whoever sends a signal, or changes the packet filter, fails."""
    paths = StackPaths.of(NAME)
    shutil.copytree(KEPT / "state", paths.root)
    (paths.root / "logs").mkdir()
    paths.journal.unlink(missing_ok=True)
    paths.bench_journal.unlink(missing_ok=True)
    kill = os.kill

    def nothing(pid: int, number: int) -> None:
        assert number == 0, f"signal {signal.Signals(number).name} to {pid}"
        kill(pid, number)

    monkeypatch.setattr(os, "kill", nothing)
    monkeypatch.setattr(nftables, "nft", lambda *given: pytest.fail(f"packet filter: {given}"))
    return paths


def outside(paths: StackPaths, room: Path) -> dict[str, int]:
    """All that is not the stack's own, with the time of its last change."""
    others = [one for one in room.rglob("*") if not one.is_relative_to(paths.root)]
    return {str(one): one.stat().st_mtime_ns for one in others}


def written(paths: StackPaths, chance: random.Random, count: int) -> None:
    lines = b"\n".join(mutated(chance) for _ in range(count))
    chance.choice([paths.journal, paths.bench_journal]).write_bytes(lines)


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of entries are ended here: what a crash of the machine would take is no matter."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.mark.usefixtures("unsynced")
def test_ten_thousand_damaged_entries_are_undone_kept_or_set_aside(
    kept: StackPaths, room: Path
) -> None:
    chance = random.Random(15)
    engine = Stack(NAME).engine()
    left = {"bench", "certs", "drill.run", *recovery.OF_VERBS, "vault.init"}
    for _ in range(MUTATIONS // AT_ONCE):
        before = outside(kept, room)
        written(kept, chance, AT_ONCE)
        recovery.heal(engine, kept, lambda text: None)
        for path in (kept.journal, kept.bench_journal):
            pending = Journal(path).pending()
            assert {intent.kind for intent in pending} <= {one.partition(".")[0] for one in left}
            assert not Journal(path).damaged
            path.unlink(missing_ok=True)
        assert outside(kept, room) == before


@pytest.mark.usefixtures("unsynced")
def test_no_verb_fails_because_of_the_journal(
    kept: StackPaths, room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(16)
    before = outside(kept, room)
    for number in range(50):
        written(kept, chance, 3)
        verb = ["status", "logs redis", "tune revert --pending", "down", "tune show"][number % 5]
        status = main(["--stack", NAME, *verb.split()])
        shown = capsys.readouterr()
        assert "internal error" not in shown.err.lower()
        assert "Traceback" not in shown.err
        assert verb != "down" or status == 0, shown.err
    assert outside(kept, room) == before


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_in_the_place_of_the_journal_is_set_aside(
    kept: StackPaths, make: Callable[[Path], object]
) -> None:
    make(kept.journal)
    told: list[str] = []
    recovery.heal(Stack(NAME).engine(), kept, told.append)
    assert len(told) == 1
    assert str(Journal(kept.journal).refused) in told[0]
    Journal(kept.journal).begin("restart", "postgres")
