"""Writing the report's files: all of them or none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from devstack_tui.core.errors import UsageError

MODE = 0o666
"""Less the user's umask: a report is made to be passed on."""


def write(texts: Mapping[Path, str]) -> None:
    """Make or replace each file; where one cannot be, none is touched.

    Their directories are made. Raises `UsageError` that names the path and the reason.
    """
    made: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            if path.exists() and not path.is_file():
                raise UsageError(f"{path} is no regular file", "name a file that can be replaced")
            path.parent.mkdir(parents=True, exist_ok=True)
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
