"""One stack's identity card: made at its first `up`, kept until it is wiped."""

from __future__ import annotations

import time
import uuid
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
    """The instance of a stack, or None when it was never started.

    Raises `DevstackError` for a file that cannot be read: it is never guessed at.
    """
    try:
        raw = paths.instance.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.explain(error, f"reading the stack {paths.name!r}") from None
    try:
        found = codec.decode(raw, Instance)
    except ValueError as error:  # also what is not UTF-8
        raise DevstackError(
            f"{paths.instance} is damaged: {error}",
            f"its data cannot be trusted: `devstack-tui --stack {paths.name} down --wipe`",
        ) from None
    if found.schema != SCHEMA:
        raise DevstackError(
            f"the stack {paths.name!r} was made by another version of devstack-tui",
            "use that version, or wipe the stack with `devstack-tui down --wipe`",
        )
    return found


def write(paths: StackPaths, instance: Instance) -> Instance:
    """Keep `instance`; returns it."""
    files.write_private(paths.instance, msgspec.json.format(msgspec.json.encode(instance)))
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
