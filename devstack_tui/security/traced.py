"""Which of our files run while a check decides, or while a sabotage breaks and mends.

A proof is about that code: it says nothing of a file that has changed since.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from devstack_tui.core import paths

T = TypeVar("T")
_PACKAGE = Path(paths.__file__).resolve().parent.parent
_PREFIX = f"{_PACKAGE}/"
_CONFIGS = "configs/"
_SHIPPED = {paths.shipped.__code__, paths.resource.__code__}


class Tracer:
    """Collects what runs inside `running`, in any number of threads at once. What a thread of
    theirs runs is not seen."""

    def __init__(self) -> None:
        self._code: set[str] = set()
        self._read: set[str] = set()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """What this thread does inside belongs to it."""
        before = sys.getprofile()
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(before)

    def of(self, work: Callable[..., T]) -> Callable[..., T]:
        """`work`, with whatever it runs."""

        @functools.wraps(work)
        def seen(*args: Any) -> T:
            with self.running():
                return work(*args)

        return seen

    def files(self) -> tuple[str, ...]:
        """Our modules that ran, and what they read of `configs/`: names that `digest` takes."""
        code = {name for name in list(self._code) if name.startswith(_PREFIX)} - {__file__}
        modules = {getattr(one, "__file__", None): one for one in list(sys.modules.values())}
        # What is read once for all was read before any check ran: a module names what it reads.
        named = {
            value
            for name in code & modules.keys()
            for value in vars(modules[name]).values()
            if isinstance(value, str) and value.startswith(_CONFIGS)
        }
        found = {name for name in named | self._read if paths.shipped(name).is_file()}
        return tuple(sorted(found | {name.removeprefix(f"{_PACKAGE.parent}/") for name in code}))

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            self._code.add(code.co_filename)
            if code in _SHIPPED:
                self._read.add(str(frame.f_locals["relative"]))


def digest(name: str) -> str:
    """Of a file as `Tracer.files` names it; empty where there is none any more."""
    try:
        return hashlib.sha256(_path(name).read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def written(name: str) -> float:
    """When the file was written last, Unix time."""
    try:
        return _path(name).stat().st_mtime
    except OSError:
        return math.inf


def _path(name: str) -> Path:
    return paths.shipped(name) if name.startswith(_CONFIGS) else _PACKAGE.parent / name
