"""One stack's identity card: made at its first `up`, kept until it is wiped."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import StackPaths

SCHEMA = 1


class Instance(msgspec.Struct, frozen=True):
    """`id` marks every process of this stack; `selected` are the
    services that it consists of.

    `series` is what each data directory was made by. `overrides` are settings given on the
    command line when the stack was made (a topology), by service.
    """

    id: str
    stack: str
    engine: str
    port_offset: int
    created: float
    schema: int = SCHEMA
    selected: tuple[str, ...] = ()
    overrides: dict[str, dict[str, Any]] = {}


def read(paths: StackPaths) -> Instance | None:
    """The instance of a stack, or None when it was never started. Where its file is damaged or
    gone, its copy is read.

    Raises `DevstackError` when neither can be read: it is never guessed at.
    """
    try:
        return _read(paths, paths.instance) or _read(paths, paths.instance_copy)
    except DevstackError:
        with contextlib.suppress(DevstackError):
            if found := _read(paths, paths.instance_copy):
                return found
        raise


def damaged(paths: StackPaths) -> bool:
    """Whether the stack is known by the copy only."""
    try:
        return _read(paths, paths.instance) is None and paths.instance_copy.exists()
    except DevstackError:
        return True


def _read(paths: StackPaths, path: Path) -> Instance | None:
    try:
        raw = files.read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.explain(error, f"reading the stack {paths.name!r}") from None
    try:
        found = codec.decode(raw, Instance)
    except ValueError as error:  # also what is not UTF-8
        raise DevstackError(
            f"{path} is damaged, and so is its copy: {error}",
            "put one of both back from a copy of yours; without it the stack's data cannot be "
            f"trusted: `devstack-tui --stack {paths.name} down --wipe`",
        ) from None
    if found.schema != SCHEMA:
        raise DevstackError(
            f"the stack {paths.name!r} was made by another version of devstack-tui",
            "use that version, or `devstack-tui down --wipe` the stack",
        )
    return found


def write(paths: StackPaths, instance: Instance) -> Instance:
    """Keep `instance`, twice; returns it."""
    document = msgspec.json.format(msgspec.json.encode(instance))
    files.write_private(paths.instance, document)
    if paths.secrets.is_dir():
        files.write_private(paths.instance_copy, document)
    return instance


def new(paths: StackPaths, engine: str, port_offset: int, overrides: dict[str, Any]) -> Instance:
    """A fresh identity for a stack that is started for the first time."""
    return Instance(
        id=uuid.uuid4().hex,
        stack=paths.name,
        engine=engine,
        port_offset=port_offset,
        created=time.time(),
        overrides=overrides,
    )
