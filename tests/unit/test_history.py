"""The history: what was added stays, whatever happens to the process or to the file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.history import SCHEMA, History
from devstack_tui.core.paths import StackPaths

DOCUMENT = b'{"throughput":2870.4,"unit":"TPS"}'


@pytest.fixture
def history(room: Path) -> History:
    return History(room / "history.db")


def add(
    history: History, id: str, *, name: str = "redis.get", at: float = 1.0, **more: Any
) -> None:
    kind, size = more.get("kind", "bench"), more.get("size", "quick")
    history.add(kind, id, name, size, at, "f00d", more.get("document", DOCUMENT))


def add_many(history: History, prefix: str) -> None:
    for number in range(20):
        add(history, f"{prefix}-{number}")


def ids(history: History, kind: str = "bench", **more: Any) -> list[str]:
    return [row.id for row in history.list(kind, **more)]


def fill(history: History, count: int = 400) -> None:
    """Enough for the file to have pages that can be damaged; in one transaction, to be quick."""
    add(history, "first")
    rows = [
        (f"run-{n:04}", "bench", "x", "quick", n, "", '"' + "x" * 500 + '"') for n in range(count)
    ]
    database = sqlite3.connect(history.path)
    with database:
        database.executemany("INSERT INTO runs VALUES (?,?,?,?,?,?,?)", rows)
    database.close()


def aside(history: History) -> list[Path]:
    return sorted(history.path.parent.glob("history.db.corrupt-*"))


def test_a_run_that_was_added_is_read_back_as_it_was(history: History) -> None:
    history.add("bench", "a1", "postgres.tpcb", "full", 1700000000.5, "f00d", DOCUMENT)
    row = History(history.path).get("a1")
    assert (row.kind, row.id, row.name, row.size) == ("bench", "a1", "postgres.tpcb", "full")
    assert (row.started, row.fingerprint, row.document) == (1700000000.5, "f00d", DOCUMENT)
    assert history.notes == []


def test_runs_are_listed_newest_first_and_no_more_than_asked_for(history: History) -> None:
    for number in (2, 0, 3, 1):
        add(history, f"run{number}", at=float(number))
    assert ids(history) == ["run3", "run2", "run1", "run0"]
    assert ids(history, limit=2) == ["run3", "run2"]
    assert ids(history, limit=0) == ids(history, limit=-1) == []


def test_runs_are_listed_by_kind_and_by_name(history: History) -> None:
    add(history, "a", name="redis.get")
    add(history, "b", name="redis.set")
    add(history, "c", name="redis", kind="drill")
    assert ids(history, name="redis.set") == ["b"]
    assert ids(history, "drill") == ["c"]
    assert ids(history, "tune") == []


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(history: History) -> None:
    add(history, "abc1")
    add(history, "abd2")
    assert history.get("abc").id == "abc1"
    with pytest.raises(UsageError, match="more than one") as error:
        history.get("ab")
    assert "abc1" in error.value.remedy
    assert "abd2" in error.value.remedy


def test_an_id_that_is_the_beginning_of_another_is_found(history: History) -> None:
    add(history, "ab")
    add(history, "abc")
    assert history.get("ab").id == "ab"


@pytest.mark.parametrize("id", ["", "%", "_", "zz", "' OR 1=1 --", "ab\x00"])
def test_an_unknown_id_is_a_usage_error(history: History, id: str) -> None:
    add(history, "abc")
    with pytest.raises(UsageError, match="no run"):
        history.get(id)


def test_an_id_of_another_kind_is_not_found(history: History) -> None:
    add(history, "abc", kind="drill")
    assert history.get("abc", "drill").id == "abc"
    with pytest.raises(UsageError, match="no run"):
        history.get("abc", "bench")


def test_an_id_cannot_be_added_twice(history: History) -> None:
    add(history, "abc")
    with pytest.raises(DevstackError, match="already"):
        add(history, "abc")
    assert ids(history) == ["abc"]


def test_a_document_that_is_no_json_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="JSON"):
        add(history, "abc", document=b"{")
    assert ids(history) == []


def test_looking_at_a_stack_without_history_makes_nothing(room: Path) -> None:
    history = History.of(StackPaths("nobody", room / "nobody"))
    assert history.list("bench") == []
    history.check()
    with pytest.raises(UsageError):
        history.get("abc")
    assert not (room / "nobody").exists()


def test_the_file_is_private_and_lies_alone(history: History) -> None:
    fill(history, 3)
    assert history.path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in history.path.parent.iterdir() if p.is_file()] == ["history.db"]


def test_threads_and_processes_may_add_at_the_same_time(
    history: History, python: Callable[..., Any]
) -> None:
    code = (
        "import sys; from pathlib import Path; from devstack_tui.core.history import History\n"
        "h = History(Path(sys.argv[1]))\n"
        "for n in range(20): h.add('bench', f'{sys.argv[2]}-{n}', 'x', 'quick', n, '', b'{}')\n"
    )
    others = [python(code, str(history.path), f"p{n}") for n in range(3)]
    threads = [
        threading.Thread(target=add_many, args=(history, f"t{number}")) for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        _, errors = other.communicate(timeout=60)
        assert other.returncode == 0, errors
    assert len(ids(history, limit=1000)) == 120
    assert history.notes == []


def test_what_was_added_before_a_kill_is_there_and_nothing_is_corrupt(
    history: History, python: Callable[..., Any]
) -> None:
    code = (
        "import sys, itertools; from pathlib import Path\n"
        "from devstack_tui.core.history import History\n"
        "h = History(Path(sys.argv[1]))\n"
        "for n in itertools.count():\n"
        "    h.add('bench', f'{sys.argv[2]}-{n}', 'x', 'quick', n, '', b'[' + b' ' * 3000 + b']')\n"
        "    print(n)\n"
    )
    for turn in range(6):
        writer = python(code, str(history.path), f"w{turn}")
        for _ in range(turn * 7 + 1):
            told = int(writer.stdout.readline())
        writer.kill()
        told = max([told, *(int(line) for line in writer.stdout.read().split())])
        history.check()
        found = {row.id for row in history.list("bench", limit=100000)}
        assert {f"w{turn}-{n}" for n in range(told + 1)} <= found
    assert history.notes == []


def test_a_transaction_that_was_cut_short_is_rolled_back(
    history: History, python: Callable[..., Any]
) -> None:
    """The journal of a killed writer is there, and pages of the database are overwritten."""
    fill(history)
    code = (
        "import os, sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "d.execute('PRAGMA cache_size = 2'); d.execute('BEGIN')\n"
        "d.execute(\"UPDATE runs SET document = 'lost'\"); os.kill(os.getpid(), 9)\n"
    )
    writer = python(code, str(history.path))
    writer.wait(timeout=60)
    left = {path: path.read_bytes() for path in history.path.parent.iterdir()}
    assert history.path.with_name("history.db-journal") in left
    assert b"lost" not in {row.document for row in history.list("bench", limit=1000)}
    assert {path: path.read_bytes() for path in history.path.parent.iterdir()} == left
    history.check()
    assert not history.path.with_name("history.db-journal").exists()
    assert b"lost" not in {row.document for row in history.list("bench", limit=1000)}
    assert history.notes == []


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 500)


def cut_in_half(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def scribble(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096 : len(raw) - 4096] = b"\xa5" * (len(raw) - 8192)
    path.write_bytes(raw)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (cake TEXT)")
        other.execute(f"PRAGMA user_version = {SCHEMA}")
    other.close()


@pytest.mark.parametrize("damage", [garbage, cut_in_half, scribble, foreign])
def test_a_corrupt_file_is_set_aside_and_told_of(
    history: History, damage: Callable[[Path], None]
) -> None:
    fill(history)
    damage(history.path)
    broken = history.path.read_bytes()
    look = History(history.path)
    assert len(ids(look, limit=1000)) < 400
    assert look.notes == [f"{look.path} is corrupt: the next run that is kept sets it aside"]
    assert (aside(look), look.path.read_bytes()) == ([], broken)
    history.check()
    [kept] = aside(history)
    assert kept.read_bytes() == broken
    assert len(history.notes) == 1
    assert str(kept) in history.notes[0]
    add(history, "new")
    assert ids(history) == ["new"]
    assert history.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [garbage, cut_in_half, foreign])
def test_a_run_is_kept_although_the_file_turns_out_corrupt(
    history: History, damage: Callable[[Path], None]
) -> None:
    fill(history)
    damage(history.path)
    add(history, "new")
    assert history.get("new").document == DOCUMENT
    assert len(aside(history)) == len(history.notes) == 1


def test_every_corrupt_file_is_kept(history: History) -> None:
    for _ in range(3):
        add(history, "a")
        garbage(history.path)
        add(history, "b")
        assert ids(history) == ["b"]
    assert len(aside(history)) == len(history.notes) == 3


def test_the_journal_of_a_corrupt_file_is_not_rolled_into_the_new_one(history: History) -> None:
    garbage(history.path)
    journal = history.path.with_name("history.db-journal")
    journal.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\x00" * 600)
    add(history, "new")
    assert ids(history) == ["new"]


def test_only_one_of_many_sets_the_corrupt_file_aside(history: History) -> None:
    fill(history, 5)
    garbage(history.path)
    many = [History(history.path) for _ in range(8)]
    threads = [threading.Thread(target=add, args=(one, f"n{n}")) for n, one in enumerate(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(aside(history)) == 1
    assert sum(len(one.notes) for one in many) == 1
    assert len(ids(history)) == 8


def test_an_empty_file_is_a_history_without_runs(history: History) -> None:
    history.path.touch()
    assert ids(history) == []
    assert history.notes == []
    assert history.path.stat().st_size == 0


def test_a_file_of_a_newer_release_is_refused_and_left_alone(history: History) -> None:
    add(history, "a")
    database = sqlite3.connect(history.path)
    database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    database.close()
    before = history.path.read_bytes()
    for use in (lambda: ids(history), lambda: add(history, "b"), history.check):
        with pytest.raises(DevstackError, match="newer release"):
            use()
    assert history.path.read_bytes() == before
    assert aside(history) == []


def test_a_file_of_an_older_schema_is_brought_up_to_date(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    from devstack_tui.core import history as module

    add(history, "a")
    steps = (*module.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT ''",))
    monkeypatch.setattr(module, "MIGRATIONS", steps)
    monkeypatch.setattr(module, "SCHEMA", len(steps))
    before = history.path.read_bytes()
    assert ids(history) == ["a"]
    assert history.path.read_bytes() == before
    add(history, "b")
    assert sorted(ids(history)) == ["a", "b"]
    database = sqlite3.connect(history.path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(steps),)
    assert database.execute("SELECT DISTINCT note FROM runs").fetchall() == [("",)]
    database.close()


def test_a_migration_that_fails_changes_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    from devstack_tui.core import history as module

    add(history, "a")
    steps = (*module.MIGRATIONS, ("DROP TABLE runs", "INSERT INTO runs (id) VALUES (NULL)"))
    with monkeypatch.context() as patched:
        patched.setattr(module, "MIGRATIONS", steps)
        patched.setattr(module, "SCHEMA", len(steps))
        with pytest.raises(DevstackError):
            add(history, "b")
    assert ids(history) == ["a"]
    assert aside(history) == []


def test_a_history_that_somebody_keeps_locked_is_told_of(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(history, "a")
    monkeypatch.setattr("devstack_tui.core.history.BUSY_S", 0.05)
    other = sqlite3.connect(history.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DevstackError, match="locked"):
        add(history, "b")
    other.close()
    add(history, "b")
    assert aside(history) == []


def test_a_directory_in_the_place_of_the_file_is_told_of(history: History) -> None:
    history.path.mkdir()
    with pytest.raises(DevstackError):
        add(history, "a")


def test_of_a_kind_and_a_name_only_the_newest_stay(history: History) -> None:
    for at in (1.0, 3.0, 2.0):
        add(history, f"audit-{at:.0f}", name="audit", at=at, kind="check")
    add(history, "other", name="other", kind="check")
    add(history, "bench", name="audit")
    history.add("check", "audit-4", "audit", "", 4.0, "", DOCUMENT, newest=2)
    assert ids(history, "check") == ["audit-4", "audit-3", "other"]
    assert ids(history) == ["bench"]
