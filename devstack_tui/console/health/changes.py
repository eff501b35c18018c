"""What changed from one snapshot to the next: the console's own memory of recent events."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from devstack_tui.contracts.model import ServiceStatus, StackStatus, State


@dataclass(frozen=True, slots=True)
class Change:
    """`subject` (a node, or empty for the service) became `now` at Unix time `at`."""

    at: float
    subject: str
    now: str
    state: State
    why: str = ""


class Recent:
    """The last changes of each service, newest first."""

    def __init__(self, kept: int = 50) -> None:
        self._kept = kept
        self._changes: dict[str, deque[Change]] = {}
        self._last: StackStatus | None = None

    def observe(self, status: StackStatus) -> None:
        """Compare `status` with the snapshot before it."""
        before, self._last = self._last, status
        if before is None:
            return
        for service in status.services:
            old = before.get(service.name)
            if old is not None:
                self._compare(old, service, status.at)

    def of(self, service: str) -> tuple[Change, ...]:
        """The changes of `service`, newest first."""
        return tuple(self._changes.get(service, ()))

    def _compare(self, old: ServiceStatus, new: ServiceStatus, at: float) -> None:
        if new.state is not old.state:
            self._add(new.name, Change(at, "", new.state.value, new.state, new.reason))
        nodes = {node.name: node for node in old.nodes}
        for node in new.nodes:
            was = nodes.get(node.name)
            if was is None:
                continue
            if node.state is not was.state:
                change = Change(at, node.name, node.state.value, node.state, node.detail)
                self._add(new.name, change)
            if node.role != was.role and node.role:
                self._add(new.name, Change(at, node.name, f"now {node.role}", node.state))

    def _add(self, service: str, change: Change) -> None:
        self._changes.setdefault(service, deque(maxlen=self._kept)).appendleft(change)


class Changed(enum.Enum):
    """What of a stack differs from before: nothing; its state, or what is recorded of it; which
    stack it is."""

    NOTHING = 0
    STATE = 1
    IDENTITY = 2


class Followed:
    """What was last followed of a stack. What a verb changes is followed when the verb has ended;
    that the stack is another one, at once."""

    def __init__(self) -> None:
        self._instance: str | None = None
        self._state: object = None

    def observe(self, status: StackStatus) -> Changed:
        """What has changed since the last time that something was followed."""
        before, self._instance = self._instance, status.instance
        if before and before != status.instance:
            self._state = None
            return Changed.IDENTITY
        state = (
            status.instance,
            status.recorded,
            *((s.name, s.state, *(unit.start_id for unit in s.units)) for s in status.services),
        )
        if status.busy or state == self._state:
            return Changed.NOTHING
        self._state = state
        return Changed.STATE
