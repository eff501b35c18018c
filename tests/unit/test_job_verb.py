"""`job follow`: the events of a job, whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack_tui.core.children import Cli
from devstack_tui.jobs.runner import Job, Runner

from .test_job_runner import HELD


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of its own; the file `go` lets a held job end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    return tmp_path


def begin(code: str) -> Job:
    """A job whose verb is a few lines of Python."""
    runner = Runner(Cli("default", (sys.executable, "-c", code)))
    return runner.start("bench run", (), "a benchmark")


def follow(*words: str) -> subprocess.Popen[str]:
    """The verb."""
    argv = [sys.executable, "-m", "devstack_tui", "job", "follow", *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait(job: Job) -> None:
    """Until it has ended."""
    deadline = time.monotonic() + 60
    while job.running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_runs_is_followed_to_its_end_and_has_its_exit_status(home: Path) -> None:
    job = begin(HELD.replace('"exit_code":0', '"exit_code":4'))
    verb = follow()
    assert verb.stdout is not None
    assert job.started.id in verb.stdout.readline()
    assert "begun" in verb.stdout.readline()
    (home / "go").touch()
    assert verb.stdout.read().splitlines() == [
        '{"event":"note","text":"ready"}', '{"event":"done","exit_code":4}'
    ]  # fmt: skip
    assert verb.communicate(timeout=60)[1] == ""
    assert verb.returncode == 4
    wait(job)
    job.close()


def test_interrupted_it_leaves_the_job_alone(home: Path) -> None:
    job = begin(HELD)
    verb = follow("--jsonl")
    assert verb.stdout is not None
    assert job.started.id in verb.stdout.readline()
    verb.terminate()
    verb.communicate(timeout=60)
    assert verb.returncode == 130
    assert job.running
    (home / "go").touch()
    wait(job)
    job.close()


def test_an_ended_job_is_shown_by_its_id_and_one_that_died_says_why() -> None:
    job = begin("import sys; sys.exit('devstack-tui: it broke\\n  → mend it')")
    wait(job)
    verb = follow(job.started.id)
    out, err = verb.communicate(timeout=60)
    assert out.count("\n") == 1
    assert (verb.returncode, err) == (1, "devstack-tui: it broke\n  → mend it\n")
    verb = follow(job.started.id[:-2])
    out, err = verb.communicate(timeout=60)
    assert verb.returncode == 2
    assert f"did you mean {job.started.id}?" in err
    job.close()


def test_without_a_job_it_says_so() -> None:
    verb = follow()
    out, err = verb.communicate(timeout=60)
    assert (verb.returncode, out) == (2, "")
    assert "no job of the stack 'default' runs" in err


def test_a_reader_that_goes_away_ends_it_and_not_the_job(home: Path) -> None:
    job = begin(
        "import os, pathlib, time\n"
        "while not pathlib.Path(os.environ['GO']).exists():\n"
        '    print(\'{"event":"note","text":"more"}\', flush=True); time.sleep(0.01)'
    )
    verb = follow()
    assert verb.stdout is not None
    verb.stdout.readline()
    verb.stdout.close()
    assert verb.wait(timeout=60) == 0
    assert verb.stderr is not None
    assert verb.stderr.read() == ""
    verb.stderr.close()
    assert job.running
    (home / "go").touch()
    wait(job)
    job.close()
