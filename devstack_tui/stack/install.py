"""Finding server programs, and saying how to get the ones that are missing."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.stack.parts import Hint


def not_installed(name: str) -> NotInstalledError:
    """The error for service `name`: its remedy is the command that installs it."""
    from devstack_tui.stack.registry import service

    found = service(name)
    return NotInstalledError(
        f"{found.title} is not on this machine", " ".join(remedy([found.hint])) or found.hint.text
    )


def remedy(hints: Iterable[Hint]) -> list[str]:
    """One command line that brings everything that `hints` name, or an empty list."""
    hints = list(hints)
    apt = sorted({package for hint in hints for package in hint.apt})
    pip = sorted({package for hint in hints for package in hint.pip})
    parts: list[str] = []
    if apt and shutil.which("apt-get"):
        parts.append(shlex.join([*_sudo(), "apt-get", "install", "-y", *apt]))
    elif apt:
        parts.append(f"install {', '.join(apt)} with your package manager")
    if pip:
        parts.append(shlex.join([sys.executable, "-m", "pip", "install", *pip]))
    return [" && ".join(parts)] if parts else []


def _sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def find_program(*names: str) -> Path | None:
    """The first of `names` on PATH, or in the system directories that users lack there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    return None


@functools.lru_cache(maxsize=64)
def _ask(program: Path, flag: str, modified: float) -> str:  # noqa: ARG001 - part of the key
    return subprocess.run(
        [str(program), flag], capture_output=True, errors="replace", timeout=20, check=False
    ).stdout


def version_of(program: Path, flag: str, pattern: str) -> str:
    """What `program flag` prints, by the first group of `pattern`.

    Raises `DevstackError` when the program does not run or says something else.
    """
    try:
        output = _ask(program, flag, program.stat().st_mtime)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DevstackError(f"{program} does not run: {error}") from None
    found = re.search(pattern, output)
    if found is None:
        raise DevstackError(
            f"{program} {flag} printed no version",
            "its package may be broken: install it again",
        )
    return found[1]
