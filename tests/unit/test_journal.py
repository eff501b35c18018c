"""The intent log: what was begun and not ended is known to whoever opens the stack next."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.core.journal import Journal

BEGIN = """
import sys
from pathlib import Path
from devstack_tui.core.journal import Journal
Journal(Path(sys.argv[1])).begin("stop", "redis-2", signal="TERM")
print("written")
sys.stdin.readline()
"""


@pytest.fixture
def path(room: Path) -> Path:
    return room / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path)


def subjects(journal: Journal) -> list[str]:
    return [intent.subject for intent in journal.pending()]


def test_a_journal_that_was_never_written_has_nothing_pending(journal: Journal, path: Path) -> None:
    assert journal.pending() == []
    assert not path.exists()


def test_what_was_begun_is_pending_with_its_undo_for_whoever_reads_it_next(
    journal: Journal, path: Path
) -> None:
    begun = journal.begin("set", "postgres.work_mem", before="4MB")
    (found,) = Journal(path).pending()
    assert found == begun
    assert (found.action, found.subject, found.undo) == (
        "set",
        "postgres.work_mem",
        {"before": "4MB"},
    )


def test_what_was_ended_is_not_pending_and_the_rest_keeps_its_order(journal: Journal) -> None:
    one, _, _ = (journal.begin("stop", name) for name in ("one", "two", "three"))
    journal.end(one)
    assert subjects(journal) == ["two", "three"]


def test_the_journal_is_gone_when_nothing_is_pending(journal: Journal, path: Path) -> None:
    one, two = journal.begin("stop", "one"), journal.begin("stop", "two")
    journal.end(one)
    assert path.exists()
    journal.end(two)
    assert not path.exists()


def test_ending_twice_is_harmless(journal: Journal) -> None:
    one, _ = journal.begin("stop", "one"), journal.begin("stop", "two")
    journal.end(one)
    journal.end(one)
    assert subjects(journal) == ["two"]


def test_the_journal_is_private(journal: Journal, path: Path) -> None:
    before = os.umask(0)
    try:
        journal.begin("stop", "one")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_had_begun_is_pending(
    path: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    process = python(BEGIN, str(path))
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (found,) = Journal(path).pending()
    assert (found.subject, found.undo) == ("redis-2", {"signal": "TERM"})


def test_a_line_cut_short_by_a_crash_is_passed_over_wherever_it_was_cut(path: Path) -> None:
    kept = Journal(path)
    kept.begin("stop", "one")
    whole = path.read_bytes()
    kept.begin("set", "grüße", value="ü")
    last = path.read_bytes().removeprefix(whole).rstrip(b"\n")
    for length in range(len(last)):
        path.write_bytes(whole + last[:length])
        assert subjects(Journal(path)) == ["one"], last[:length]


def test_a_journal_is_written_on_after_a_line_cut_short(path: Path) -> None:
    Journal(path).begin("stop", "one")
    with path.open("ab") as file:
        file.write(b'{"begin":{"id":"x","act')
    journal = Journal(path)
    two = journal.begin("stop", "two")
    assert subjects(journal) == ["one", "two"]
    journal.end(two)
    assert subjects(journal) == ["one"]


@pytest.mark.parametrize(
    "rubbish",
    [b"\0" * 64, b'{"end": 3}', b'{"end":"\xff\xfe"}', b'{"begin":{"id":"\xc3"}}', b"[]", b"null"],
)
def test_a_line_that_a_crash_of_the_machine_spoiled_is_passed_over(
    rubbish: bytes, path: Path
) -> None:
    journal = Journal(path)
    journal.begin("stop", "one")
    with path.open("ab") as file:
        file.write(b"\n" + rubbish + b"\n")
    journal.begin("stop", "two")
    assert subjects(Journal(path)) == ["one", "two"]


def test_many_threads_may_share_a_journal(journal: Journal) -> None:
    kept: list[str] = []

    def work(number: int) -> None:
        for step in range(20):
            intent = journal.begin("stop", f"{number}.{step}")
            if step % 2:
                journal.end(intent)
            else:
                kept.append(intent.subject)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 80
    assert sorted(subjects(journal)) == sorted(kept)
