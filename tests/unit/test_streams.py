"""What is printed: if it cannot be written, if nobody reads it, if it would steer a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.core.redact import brief, inert
from tests.conftest import WAYS, Cli

HOSTILE = "a\x1b]0;title\x07b\x1b[2Jc\rd\x9be\x7ff\u202eg\u2066h\ti\n"
VERBS = {
    "--help": 0,
    "up --plan --jsonl": 0,
    "status": 1,
    "restart nosuch": 2,
}
"""What needs no server, and what it ends with."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("words", VERBS)
def test_the_exit_status_is_the_works_wherever_its_words_go(
    words: str, way: str, tmp_path: Path
) -> None:
    ended = Cli(tmp_path).shell(words, way)
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    assert "internal error" not in said
    # Data that could not be written is a fault; what has none has only narrated.
    silent = words == "restart nosuch"
    lost = way.startswith(">/dev/full") and not silent
    assert ended.returncode == (VERBS[words] or int(lost)), said
    if lost and "2>" not in way:
        assert "devstack-tui: the disk is full while writing the output" in ended.stderr
    if silent:
        assert ended.stdout == ""


@pytest.mark.parametrize("watch", ["status --watch", "status --watch --jsonl"])
def test_a_verb_that_only_shows_ends_with_its_reader(watch: str, tmp_path: Path) -> None:
    for way in ("2>&1 | head -1", ">&-"):
        ended = Cli(tmp_path).shell(watch, way)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert Cli(tmp_path).shell(watch, ">/dev/full").returncode == 1


def test_work_goes_on_when_its_narration_ends(tmp_path: Path) -> None:
    """A fake verb: one whose work is seen, whatever it narrated."""
    seen = tmp_path / "seen"
    code = f"""
import sys, time
from pathlib import Path
from devstack_tui.cli import main
from devstack_tui.cli.output import narrate
from devstack_tui.cli.verbs import changes
def work(options):
    for line in range(1000):
        narrate("a line that fills the pipe" * 10)
    Path({str(seen)!r}).write_text("done")
    return 4
changes.run = work
sys.exit(main.main(["down"]))
"""
    script = tmp_path / "verb.py"
    script.write_text(code)
    for way in ("2>&1 | head -1", "2>/dev/full", "2>&-"):
        command = f"{sys.executable} {script} {way} >/dev/null; exit ${{PIPESTATUS[0]}}"
        assert subprocess.run(["bash", "-c", command], check=False).returncode == 4
        assert seen.read_text() == "done"
        seen.unlink()


# -- nothing steers the terminal -------------------------------------------------------------


def test_control_characters_are_shown() -> None:
    shown = inert(HOSTILE)
    assert shown == ("a\\x1b]0;title\\x07b\\x1b[2Jc\\x0dd\\u009be\\u007ff\\u202eg\\u2066h\ti\n")
    plain = "naïve 日本語 – ▂▃ ✓ 😀\n\ttab"
    assert inert(plain) == plain


def test_a_long_cause_keeps_its_beginning_and_its_reason() -> None:
    cause = brief("connecting to " + "/a" * 400 + ": permission denied")
    assert cause.startswith("connecting to /a")
    assert cause.endswith("/a: permission denied")
    assert " … " in cause
    assert len(cause) == 300
    assert brief("x" * 300) == "x" * 300


def test_a_json_document_keeps_them_as_escapes(tmp_path: Path) -> None:
    ended = Cli(tmp_path).shell("up --plan $'a\\x1b\\xc2\\x9b\\x7f\\xe2\\x80\\xae' --json", "")
    assert json.loads(ended.stdout)["error"] == "unknown service 'a\\x1b\\x9b\\x7f\\u202e'"
