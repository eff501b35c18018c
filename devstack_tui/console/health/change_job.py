"""Changes to the stack as jobs: up, down, restart, and the rotation of a certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from devstack_tui.console.pane_jobs import Jobs, PaneJob
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Done, Event, Note, Planned, Progress
from devstack_tui.jobs.files import JobStarted


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """`verb` on `services`; none of them: on the whole stack. `force` is its option, if given."""

    verb: str
    services: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    outlives: ClassVar[bool] = True

    @classmethod
    def of(cls, started: JobStarted) -> ChangeRequest:
        """The change that a job was started with."""
        services = tuple(word for word in started.words if not word.startswith("-"))
        return cls(started.verb, services)

    @property
    def words(self) -> tuple[str, ...]:
        """The command line behind the verb."""
        return (*self.services, "--yes", *self.force)

    @property
    def title(self) -> str:
        """`up`."""
        return self.verb


@dataclass(slots=True)
class ChangeJob(PaneJob[ChangeRequest]):
    """A change that runs or has ended; `done` is a `Done` then, also when the verb died."""

    planned: Planned | None = None
    progress: dict[str, Progress] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    EVENTS: ClassVar[Any] = Event

    def fold(self, event: Event, now: float) -> bool:  # noqa: ARG002
        """Fold one event in."""
        match event:
            case Planned():
                self.planned = event
            case Progress():
                self.progress[event.service] = event
            case Note():
                self.notes.append(event.text)
            case Done():
                self.done = event
        return True

    def end(self, exit_code: int | None, error: DevstackError, now: float) -> None:
        """It has ended; without a result it gets one from what it wrote on stderr."""
        self.ended_at = now
        if self.done is None:
            self.done = Done(
                verb=self.request.verb,
                exit_code=exit_code or 1,
                seconds=self.elapsed(now),
                message=error.message,
                remedy=error.remedy,
            )


class ChangeJobs(Jobs[ChangeRequest, ChangeJob]):
    """One change at a time."""

    REQUEST, JOB = ChangeRequest, ChangeJob
    VERBS = frozenset({"up", "down", "restart", "certs rotate"})
    BUSY = ("{title} is running", "wait for its end")
