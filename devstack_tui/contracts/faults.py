"""What may be done to a unit on purpose, and the data by which it is undone."""

from __future__ import annotations

import enum

import msgspec

from devstack_tui.core.journal import Intent


class Fault(enum.StrEnum):
    """A way to hurt a unit. What ends it is followed by a start; the others are undone."""

    KILL = "kill"
    """It ends at once, without a chance to do anything."""
    TERMINATE = "terminate"
    """It is asked to end in good order, as `down` asks it."""
    FREEZE = "freeze"
    """It is held still, and goes on when that is undone."""
    PARTITION = "partition"
    """Its node and the others do not reach each other; clients still reach it."""


class Handle(msgspec.Struct, frozen=True):
    """A fault of these units, as data: it is made before anything is touched, goes into the journal
    (`undo`, which only the engine reads), and whoever finds it there can take the fault back."""

    fault: Fault
    units: tuple[str, ...]
    undo: dict[str, str]


def handle_of(intent: Intent) -> Handle | None:
    """The fault that an entry of the journal names by its action (`drill.freeze`), or None."""
    name = intent.action.rpartition(".")[2]
    if name not in Fault.__members__.values():
        return None
    return Handle(Fault(name), (intent.subject,), intent.undo)
