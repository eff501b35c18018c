"""`report`: its files, its exit status, what it imports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.core.errors import UsageError
from devstack_tui.core.exports import write
from devstack_tui.stack.basis import NOTHING_RUNS

from .report_kit import Filled

MODULES = 600
"""What a report imports of everybody's, and a little more: that is what it takes time for."""

# -- files -----------------------------------------------------------------------------------


def test_files_are_readable_as_the_user_wants(tmp_path: Path) -> None:
    path = tmp_path / "build" / "r.md"
    path.parent.mkdir()
    old = os.umask(0o027)
    try:
        write({path: "text\n"})
    finally:
        os.umask(old)
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("bad", ["folder", "file/below", "pipe"])
def test_where_one_file_cannot_be_written_none_is_touched(tmp_path: Path, bad: str) -> None:
    good = tmp_path / "good.md"
    good.write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / bad))):
        write({good: "new", tmp_path / bad: "new"})
    assert good.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    good = tmp_path / "good.md"
    good.write_text("old")
    with pytest.raises(UsageError, match="/dev/full is no regular file"):
        write({good: "new", Path("/dev/full"): "new"})
    assert good.read_text() == "old"


# -- the verb --------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A state directory whose default stack has a history."""
    root = tmp_path / "state" / "devstack-tui" / "default"
    root.mkdir(parents=True)
    Filled(root / "history.db").everything()
    return {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The verb as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "devstack_tui", "report", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_verb_prints_markdown_json_and_writes_files(
    environment: dict[str, str], tmp_path: Path
) -> None:
    shown = call(environment)
    assert shown.returncode == 4
    assert shown.stdout.startswith("# devstack-tui report: default\n")
    document = json.loads(call(environment, "--json").stdout)
    assert len(document["coverage"]["core"]) == 77
    written = call(environment, "--out", str(tmp_path / "out"), "--md", str(tmp_path / "x.md"))
    assert written.returncode == 4
    assert written.stdout == ""
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["report.html", "report.json", "report.md"]
    assert (tmp_path / "x.md").read_text().startswith("# devstack-tui report")
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()


def test_nothing_runs_so_all_is_stale_and_a_bad_path_is_a_usage_error(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert call(environment, "--strict").returncode == 4
    found = json.loads(call(environment, "--json").stdout)
    assert (found["verdict"], len(found["coverage"]["core"])) == ("INCOMPLETE", 77)
    assert {row["stale"] for row in found["coverage"]["core"]} == {"", NOTHING_RUNS}
    refused = call(environment, "--html", str(tmp_path))
    assert refused.returncode == 2
    assert "is no regular file" in refused.stderr
    twice = call(environment, "--html", str(tmp_path / "r"), "--md", str(tmp_path / "r"))
    assert twice.returncode == 2
    assert not (tmp_path / "r").exists()
    missing = call(environment, "--md", str(tmp_path / "no" / "such" / "r.md"))
    assert missing.returncode == 2
    assert "there is no directory" in missing.stderr
    shown = call(environment, "--md", "-", "--html", str(tmp_path / "r"))
    assert shown.stdout.startswith("# devstack-tui report: default\n")
    assert shown.stderr == f"wrote {tmp_path / 'r'}\n"


def test_the_report_imports_little_and_no_driver(environment: dict[str, str]) -> None:
    code = (
        "import sys; from devstack_tui.cli.main import main; main(['report', '--json']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    modules = ran.stderr.split()
    assert len(modules) < MODULES, len(modules)
    for driver in ("psycopg", "pymongo", "redis", "hvac", "pika", "httpx", "docker", "textual"):
        assert driver not in modules


def test_a_newer_history_is_refused_in_words(environment: dict[str, str]) -> None:
    path = Path(environment["XDG_STATE_HOME"]) / "devstack-tui/default/history.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    refused = call(environment)
    assert refused.returncode == 1
    assert "newer release" in refused.stderr
