"""Writing what a user asked for as files: all of them or none. `-` is stdout, which is the command
line's."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from devstack_tui.core.errors import UsageError

STDOUT = Path("-")
MODE = 0o666
"""Less the user's umask: a report is made to be passed on."""


def require_possible(paths: Iterable[Path]) -> None:
    """Raise `UsageError` for the first path where no file can be made or replaced. The directory
    that a file lies in may be made with it; more that is missing is rather a slip."""
    for path in paths:
        if path == STDOUT:
            continue
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no regular file", "name a file that can be replaced")
        folder = path.parent if path.parent.exists() else path.absolute().parent.parent
        if not folder.is_dir():
            raise UsageError(
                f"{path} cannot be written: there is no directory {path.parent}",
                f"make it: mkdir -p {shlex.quote(str(path.parent))}",
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(
                f"{path} cannot be written: no right to make a file in {folder.absolute()}",
                "name a file in a directory of yours",
            )


def write(texts: Mapping[Path, str]) -> None:
    """Make or replace each file; where one cannot be, none is touched. What is for stdout is left
    out. Raises `UsageError` that names the path and the reason.
    """
    require_possible(texts)
    made: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            if path != STDOUT:
                path.parent.mkdir(exist_ok=True)
                made.append((_temporary(path, text), path))
        for temporary, path in made:
            temporary.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", "nothing was changed there"
        ) from None
    finally:
        for temporary, _ in made:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _temporary(path: Path, text: str) -> Path:
    """The text in a new file beside `path`, on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), MODE & ~_umask())
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
