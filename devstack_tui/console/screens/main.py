"""The screen below all dialogs: tabs, status, the pane in view, the footer."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.widgets import Footer

from devstack_tui.console.health.changes import Recent
from devstack_tui.console.pane import Pane
from devstack_tui.console.registry import CAPABILITIES, Capability
from devstack_tui.console.screens.focus import FocusInSight
from devstack_tui.console.widgets.notice import Notice
from devstack_tui.console.widgets.status_line import StatusLine
from devstack_tui.console.widgets.tab_bar import TabBar
from devstack_tui.contracts.model import StackStatus


class MainScreen(FocusInSight[None]):
    """Mounts a pane when its tab is first shown, and keeps it from then on."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012

    class VisibilityChanged(Message):
        """Whether somebody can see this screen has changed."""

        def __init__(self, visible: bool) -> None:
            super().__init__()
            self.visible = visible

    def __init__(
        self,
        stack: str,
        now: Callable[[], float],
        capabilities: tuple[Capability, ...] = CAPABILITIES,
    ) -> None:
        super().__init__()
        self._stack = stack
        self._now = now
        self._capabilities = capabilities
        self._active = ""

    def compose(self) -> ComposeResult:
        yield TabBar(self._capabilities)
        yield StatusLine(self._stack, self._now)
        yield Notice()
        with Container(id="panes"):
            first = self._capabilities[0]
            yield first.load()(id=first.id)
        yield Footer()

    def on_mount(self) -> None:
        self._active = self._capabilities[0].id
        self.query_one(TabBar).show(self._active)

    def on_screen_suspend(self) -> None:
        self.post_message(self.VisibilityChanged(False))

    def on_screen_resume(self) -> None:
        self.post_message(self.VisibilityChanged(True))

    @property
    def pane(self) -> Pane:
        """The pane in view."""
        return self.query_one(f"#{self._active or self._capabilities[0].id}", Pane)

    @property
    def panes(self) -> list[Pane]:
        """Every pane that was ever shown, once it can show something."""
        return [pane for pane in self.query(Pane) if pane.is_mounted]

    def show_status(self, status: StackStatus, recent: Recent) -> None:
        """Hand a snapshot to the status line and to every pane."""
        self.query_one(StatusLine).show(status)
        if status.instance or status.busy:
            self.query_one(Notice).show(status.notes[0] if status.notes else "")
        else:
            text = f"the stack {status.stack!r} was never started"
            self.query_one(Notice).show(text, "u in Health starts it")
        for pane in self.panes:
            pane.show_status(status, recent)

    def show_notice(self, message: str, remedy: str = "") -> None:
        """One sentence under the status line until the next snapshot."""
        self.query_one(Notice).show(message, remedy)

    def show_resting(self, resting: bool) -> None:
        """Say that there are no snapshots for a while, and why they are old."""
        self.query_one(StatusLine).rest(resting)

    async def show_pane(self, name: str) -> None:
        """Bring the pane of capability `name` into view."""
        capability = next((c for c in self._capabilities if c.id == name), None)
        if capability is None or name == self._active:
            return
        if not self.query(f"#{name}"):
            await self.query_one("#panes").mount(capability.load()(id=name))
        self._active = name
        for pane in self.panes:
            pane.display = pane.id == name
        self.query_one(TabBar).show(name)
        self.screen.focus_next()
