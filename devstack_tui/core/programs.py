"""Finding server programs, and saying how to get the ones that are missing."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devstack_tui.core import environment
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.redact import brief, redact

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Hint:
    """How to get a missing server program. `apt` and `pip` are package names."""

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    text: str = ""


class NotRunnableError(DevstackError):
    """A program that is here and does not run; `hint` has the packages that would repair it."""

    def __init__(self, message: str, hint: Hint | None = None) -> None:
        self.hint = hint or Hint()
        fallback = "its package may be broken: install it again"
        super().__init__(message, " ".join(remedy([self.hint])) or fallback)


def remedy(hints: Iterable[Hint]) -> list[str]:
    """One command line that brings everything that `hints` name, or an empty list.

    Where no command of ours can bring the system packages, a sentence names them.
    """
    hints = list(hints)
    apt = sorted({package for hint in hints for package in hint.apt})
    pip = sorted({package for hint in hints for package in hint.pip})
    ours = shlex.join([sys.executable, "-m", "pip", "install", *pip]) if pip else ""
    if apt and not has_apt():
        sentence = f"install with your package manager (by Debian's names): {', '.join(apt)}"
        return [f"{sentence}; then run: {ours}" if ours else sentence]
    command = " && ".join(part for part in (apt_command(apt) if apt else "", ours) if part)
    return [command] if command else []


def has_apt() -> bool:
    """Whether this machine installs its packages with apt."""
    return shutil.which("apt-get") is not None


def apt_command(packages: Iterable[str]) -> str:
    """The command line that installs `packages` as it stands, for the user who runs us."""
    update, install = ["apt-get", "update"], ["apt-get", "install", "-y", *packages]
    if os.geteuid() == 0:
        return f"{shlex.join(update)} && {shlex.join(install)}"
    if shutil.which("sudo"):
        return f"sudo {shlex.join(update)} && sudo {shlex.join(install)}"
    return shlex.join(["su", "-c", f"{shlex.join(update)} && {shlex.join(install)}"])


def find_program(*names: str) -> Path | None:
    """The first of `names` on PATH, or in the system directories that users lack there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    return None


def version_of(program: Path, flag: str, pattern: str) -> str:
    """What `program flag` prints, by the first group of `pattern`.

    Raises `NotRunnableError` in the loader's or the program's own words when it does not run, and
    `DevstackError` when it prints something else.
    """
    output = _ask(program, flag, _modified(program))
    found = re.search(pattern, output)
    if found is None:
        printed = _last_line(output)
        raise DevstackError(
            f"{program} {flag} printed no version" + (f", but: {printed}" if printed else ""),
            "its package may be broken: install it again",
        )
    return found[1]


@functools.lru_cache(maxsize=64)
def _ask(program: Path, flag: str, modified: float) -> str:  # noqa: ARG001 - part of the key
    """Both outputs of `program flag`. A failure is raised, and so it is not kept in the cache."""
    try:
        ended = subprocess.run(
            [str(program), flag],
            capture_output=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
            env=environment.of_child({}),
        )
    except subprocess.TimeoutExpired:
        raise NotRunnableError(f"{program} {flag} did not end within {TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise NotRunnableError(f"{program} does not run: {_refusal(program, error)}") from None
    if ended.returncode == 0:
        return f"{ended.stdout}\n{ended.stderr}"
    from devstack_tui.core.shared_libraries import library_packages, missing_libraries

    packages = library_packages(missing_libraries(program))
    words = _last_line(ended.stderr) or _last_line(ended.stdout) or _ending(ended.returncode)
    words = words.removeprefix(f"{program}: ")
    raise NotRunnableError(f"{program} does not run: {words}", Hint(apt=packages))


def _modified(program: Path) -> float:
    try:
        return program.stat().st_mtime
    except OSError as error:
        raise NotRunnableError(f"{program} does not run: {error.strerror}") from None


def _refusal(program: Path, error: OSError) -> str:
    """Why the kernel did not start it. A file that is there and not found has no interpreter."""
    if isinstance(error, FileNotFoundError) and program.exists():
        return "the interpreter or loader that it names is not on this machine"
    return error.strerror or str(error)


def _ending(returncode: int) -> str:
    """How a program ended that printed nothing."""
    if returncode == -signal.SIGILL:
        return "it was built for another processor (illegal instruction)"
    if returncode < 0:
        return f"it was ended by signal {-returncode} ({signal.strsignal(-returncode)})"
    return f"it ended with status {returncode} and printed nothing"


def _last_line(text: str) -> str:
    """The last line that is not empty, without a secret, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return brief(redact(lines[-1])) if lines else ""
