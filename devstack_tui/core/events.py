"""The events of a capability: every face (console, CLI, JSON) consumes these.

An event is one JSON object; its `event` key names its kind. `at` is Unix time in seconds.
"""

from __future__ import annotations

import enum
import time
from typing import Annotated

import msgspec


class Phase(enum.StrEnum):
    """Where one service is on its way up or down."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    PROBING = "probing"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will come for this service."""
        return self in (Phase.READY, Phase.STOPPED, Phase.SKIPPED, Phase.FAILED)


Now = Annotated[float, msgspec.Meta(description="Unix time, seconds")]


class Timed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """The base of events that say when they were emitted."""

    at: Now = msgspec.field(default_factory=time.time)


class Planned(Timed, frozen=True, tag="planned"):
    """The steps that will be taken, for each service in order, before the first is taken."""

    verb: str
    stack: str
    services: tuple[str, ...]
    disturbs: tuple[str, ...] = ()
    """Who works on the stack now and would suffer from it, in sentences."""


class Progress(Timed, frozen=True, tag="progress"):
    """`service` entered `phase` at `since`; `detail` is what it waits for or what went wrong."""

    service: str
    phase: Phase
    detail: str = ""
    remedy: str = ""
    since: Now = msgspec.field(default_factory=time.time)


class Note(Timed, frozen=True, tag="note"):
    """A sentence for the user: a repair that was made, a lock that is waited for."""

    text: str


class Rotated(Timed, frozen=True, tag="rotated"):
    """A service has another certificate. `how` its server took it: `reloaded`, `restarted`, or `at
    its next start`; `listeners` were seen to serve it. `held` reports the connection that was open
    before: `still works`, or why there was none."""

    service: str
    before: str
    after: str
    not_after: float
    how: str
    listeners: tuple[str, ...] = ()
    held: str = ""
    seconds: float = 0.0


class Done(Timed, frozen=True, tag="done"):
    """The last event: `exit_code` follows the CLI contract; `seconds` is the whole duration."""

    verb: str
    exit_code: int
    seconds: float
    message: str = ""
    remedy: str = ""


Event = Planned | Progress | Note | Rotated | Done
