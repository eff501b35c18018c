"""What a stack's parameters are set to: one file, from which its configurations are written.

`values` is what the stack sets, `pending` what the user is about to set, `history` what was
applied before. A parameter that is not in `values` is as its server comes.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import StackPaths

FILE = "tuning.json"
SCHEMA = 1
KEPT = 200
"""Entries of the history that are kept."""

Table = dict[str, dict[str, str]]
"""Canonical texts by service and parameter."""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One applied change: `values` are before and after by `service.parameter` (None: as the
    server comes), `set_by` who had set them, and what was set anew to the value that it had,
    `sources` which source won afterwards."""

    number: int
    at: float
    by: str
    values: dict[str, tuple[str | None, str | None]]
    set_by: dict[str, str] = {}
    sources: dict[str, str] = {}
    undone: bool = False


class StoredParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`set_by` is what set a value, by `service.parameter`; `pending` may hold `default`, and
    `written` what somebody wrote for it, by `service.parameter`, where that is another text."""

    schema: int = SCHEMA
    values: Table = {}
    set_by: dict[str, str] = {}
    pending: Table = {}
    written: dict[str, str] = {}
    history: tuple[HistoryEntry, ...] = ()

    def with_entry(self, entry: HistoryEntry) -> StoredParameters:
        """The same with `entry` as the newest of the history."""
        return msgspec.structs.replace(self, history=(*self.history, entry)[-KEPT:])

    @property
    def next_number(self) -> int:
        return self.history[-1].number + 1 if self.history else 1


def path_of(paths: StackPaths) -> Path:
    """Where the store of a stack is."""
    return paths.root / FILE


def read(paths: StackPaths) -> StoredParameters:
    """The store of a stack; an empty one where nothing was ever set.

    Raises `DevstackError` for a file that cannot be read: it is never guessed at.
    """
    path = path_of(paths)
    try:
        return decode(files.read_bytes(path))
    except FileNotFoundError:
        return StoredParameters()
    except OSError as error:
        raise files.explain(error, f"reading the tuning of {paths.name!r}") from None
    except ValueError as error:  # also what is not UTF-8
        raise DevstackError(
            f"{path} is damaged: {error}",
            f"`rm {shlex.quote(str(path))}`: every parameter is then as its server comes",
        ) from None


def tuned(paths: StackPaths) -> frozenset[str]:
    """The services that start with values of the user's; none where that cannot be read."""
    try:
        return frozenset(read(paths).values)
    except DevstackError:
        return frozenset()


def undo_command(service: str) -> str:
    """The command that replaces the values of a service that cannot start with them."""
    return f"devstack-tui tune apply baseline --service {service}"


def write(paths: StackPaths, tuned: StoredParameters) -> None:
    """Keep `tuned`, in one step. Services without a value are left out."""
    waiting = {f"{service}.{name}" for service, given in tuned.pending.items() for name in given}
    clean = msgspec.structs.replace(
        tuned,
        values=_filled(tuned.values),
        pending=_filled(tuned.pending),
        written={key: text for key, text in tuned.written.items() if key in waiting},
    )
    if clean == StoredParameters():
        path_of(paths).unlink(missing_ok=True)
        return
    files.write_private(path_of(paths), msgspec.json.format(msgspec.json.encode(clean)))


def encode(tuned: StoredParameters) -> str:
    """One line, for the journal."""
    return msgspec.json.encode(tuned).decode()


def decode(raw: bytes | str) -> StoredParameters:
    """What `encode` or `write` wrote. Raises `ValueError`."""
    found = codec.decode(raw, StoredParameters)
    if found.schema != SCHEMA:
        raise ValueError(f"its schema is {found.schema}, this release knows {SCHEMA}")
    return found


def entry(
    before: StoredParameters,
    after: StoredParameters,
    by: str,
    values: dict[str, tuple[str | None, str | None]],
    sources: dict[str, str],
) -> HistoryEntry:
    """The next entry of the history, of a change from one store to another."""
    return HistoryEntry(
        number=before.next_number,
        at=time.time(),
        by=by,
        values=values,
        set_by={k: who for k, who in before.set_by.items() if after.set_by.get(k) != who},
        sources=sources,
    )


def as_written(tuned: StoredParameters) -> Table:
    """What is pending, in the words of who put it there."""
    return {
        service: {name: tuned.written.get(f"{service}.{name}", text) for name, text in own.items()}
        for service, own in tuned.pending.items()
    }


def _filled(table: Table) -> Table:
    return {service: dict(values) for service, values in table.items() if values}
