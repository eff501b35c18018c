"""A process of ours that crashes leaves where it was, and whoever started it says so."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.core import children, files
from devstack_tui.core.children import Child
from devstack_tui.services.redis.workloads import _Loaders
from tests.unit.fake_acks import TARGET

CRASH = "import ctypes; ctypes.string_at(0)"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "crash.log"
    files.make_crash_log(path)
    monkeypatch.setenv(files.CRASH_LOG, str(path))
    return path


async def test_a_child_that_crashes_is_reported_with_the_file_that_says_where(log: Path) -> None:
    code = f"from devstack_tui.core import files; files.dump_crashes(); {CRASH}"
    child = await Child.start([sys.executable, "-c", code], "the benchmark")
    error = await child.ended()
    await child.close()
    assert error.message == f"the benchmark crashed (SIGSEGV); where it was is in {log}"
    assert error.remedy
    assert "Segmentation fault" in log.read_text()
    assert "string_at" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_verb_of_the_command_line_leaves_it_in_the_directory_of_its_stack(
    tmp_path: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    logs = tmp_path / "devstack-tui" / "default" / "logs"
    logs.mkdir(parents=True)
    files.make_crash_log(logs / "crash.log")
    code = f"""
import os, sys
os.environ["XDG_STATE_HOME"] = {str(tmp_path)!r}
from devstack_tui.cli import main
from devstack_tui.cli.verbs import status
def run(options):
    {CRASH}
status.run = run
main.main(["status"])
"""
    verb = python(code)
    _, err = verb.communicate(timeout=60)
    assert verb.returncode == -signal.SIGSEGV
    assert err == ""
    assert "in run" in (logs / "crash.log").read_text()


def test_without_a_log_it_goes_to_standard_error(
    python: Callable[..., subprocess.Popen[str]],
) -> None:
    code = f"from devstack_tui.core import files; files.dump_crashes(); {CRASH}"
    ended = python(code)
    _, err = ended.communicate(timeout=60)
    assert ended.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in err


def test_a_long_log_is_put_aside_once(log: Path) -> None:
    log.write_bytes(b"x" * (files.CRASH_LOG_KEPT + 1))
    for _ in range(2):
        files.make_crash_log(log)
    assert log.read_bytes() == b""
    assert [path.name for path in log.parent.iterdir()] == ["crash.log", "crash.old"]


def test_looking_does_not_make_one(
    tmp_path: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    code = (
        "import sys, pathlib; from devstack_tui.core import files;"
        "files.dump_crashes(pathlib.Path(sys.argv[1]))"
    )
    ended = python(code, str(tmp_path / "crash.log"))
    assert ended.wait(60) == 0
    assert not list(tmp_path.iterdir())


def test_a_pipe_in_its_place_keeps_nobody_waiting(
    tmp_path: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    log = tmp_path / "crash.log"
    os.mkfifo(log)
    code = (
        "import sys, pathlib; from devstack_tui.core import files;"
        "files.make_crash_log(pathlib.Path(sys.argv[1]));"
        "files.dump_crashes(pathlib.Path(sys.argv[1]))"
    )
    assert python(code, str(log)).wait(60) == 0


def test_an_end_by_another_signal_is_no_crash() -> None:
    assert files.crash(-signal.SIGKILL, "it") is None
    assert files.crash(1, "it") is None
    assert files.crash(None, "it") is None
    assert "signal 9" in children.failure(b"", -signal.SIGKILL, "it").message


def opened(pid: int) -> set[Path]:
    """The files that a process has open."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has just closed it
            found.add(fd.readlink())
    return found


def test_the_redis_load_that_crashes_says_so(log: Path, until: Callable[..., None]) -> None:
    # Without clients it is ready at once, and waits for the word to begin.
    with _Loaders(TARGET, [{"clients": []}]) as loaders:
        load = loaders._processes[0]
        until(lambda: log in opened(load.pid), "its log")
        loaders._frames.get(timeout=60)
        load.send_signal(signal.SIGSEGV)
        _, _, body = loaders._frames.get(timeout=60)
    assert b"crashed (SIGSEGV)" in body
    assert str(log).encode() in body
    assert "Segmentation fault" in log.read_text()
