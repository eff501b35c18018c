"""One pane per capability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, cast

from textual.containers import Container
from textual.message import Message

from devstack_tui.actions import Action
from devstack_tui.console.health.change_job import ChangeJob, ChangeJobs
from devstack_tui.console.health.changes import Recent
from devstack_tui.console.pane_jobs import Jobs
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli
from devstack_tui.jobs.runner import Runner


class Console(Protocol):
    """What a pane may use of the app."""

    stack: str
    cli: Cli
    runner: Runner
    jobs: ChangeJobs
    job_lists: list[Jobs[Any, Any]]
    status: StackStatus | None

    def now(self) -> float:
        """Unix time."""


class Pane(Container):
    """What every pane understands, and what it may ask of the app."""

    needs_health: ClassVar[bool] = False
    """Whether snapshots of the stack are wanted while it is in view."""

    _outdated = False

    loaded = False
    """Whether what it lists was read once, or cannot be: its keys wait for that."""

    class Loaded(Message):
        """Keys that were typed too early can act."""

    class Change(Message):
        """The user wants `action`, that is `verb` on `services` (none: the whole stack)."""

        def __init__(self, action: Action, verb: str, services: Sequence[str]) -> None:
            super().__init__()
            self.action = action
            self.verb = verb
            self.services = tuple(services)

    class LogWanted(Message):
        """The log of `service` is wanted; None: of no service any more."""

        def __init__(self, service: str | None) -> None:
            super().__init__()
            self.service = service

    @property
    def owner(self) -> Console:
        """The app."""
        return cast("Console", self.app)

    @property
    def on_screen(self) -> bool:
        """Whether somebody can see the pane: it is drawn only then."""
        return self.display and self.screen is self.app.screen

    def has_loaded(self) -> None:
        """What it lists was read, or could not be."""
        if not self.loaded:
            self.loaded = True
            self.post_message(self.Loaded())

    def show_status(self, status: StackStatus, recent: Recent) -> None:
        """A new snapshot has come."""

    def look_again(self) -> None:
        """The user wants what the pane shows of its own to be read anew; snapshots come anyway."""

    def outdate(self) -> None:
        """The stack, or what is recorded of it, has changed: read anew what the pane shows of its
        own, when it is seen next."""
        self._outdated = True
        self.follow()

    def follow(self) -> None:
        """Read anew what is outdated, if somebody can see it and nothing is in its way."""
        if self._outdated and self.on_screen and not self.busy:
            self._outdated = False
            self.look_again()

    @property
    def busy(self) -> bool:
        """Whether what the pane lists is better not read now."""
        return False

    def forget(self) -> None:
        """The stack is gone, or another one has its name: nothing that is known of it counts."""

    def on_show(self) -> None:
        self.follow()

    def show_job(self, job: ChangeJob) -> None:
        """A change of the stack was started, has news, or ended."""

    @property
    def shows_job(self) -> bool:
        """Whether the job's progress is in view, so that its end need not be shown elsewhere."""
        return False

    def show_log_lines(self, lines: list[bytes]) -> None:
        """Lines of the log that was asked for, as the CLI printed them."""

    def show_log_end(self, message: str) -> None:
        """No more lines will come, because of `message`."""
