"""One line about the whole stack: name, engine, how many are healthy, who changes it, how old."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widgets import Static

from devstack_tui.contracts.model import StackStatus, State
from devstack_tui.present.text import ago, clock_time, plain

STALE_S = 6.0
"""From this age on a figure is old: grey, with its age."""
QUIET = "$foreground 60%"


class StatusLine(Static):
    """Shows the last snapshot's summary; it turns old, and stale if none came, after `STALE_S`."""

    def __init__(self, stack: str, now: Callable[[], float]) -> None:
        super().__init__(id="status-line")
        self._stack = stack
        self._now = now
        self._status: StackStatus | None = None
        self._came_at = 0.0
        self._shown: Content | None = None
        self._resting = False

    def on_mount(self) -> None:
        self.set_interval(1.0, self._draw)
        self._draw()

    def show(self, status: StackStatus) -> None:
        """A snapshot has just come."""
        self._status = status
        self._came_at = self._now()
        self._draw()

    def rest(self, resting: bool) -> None:
        """Snapshots rest, or come again: then the next one is on its way."""
        self._resting = resting
        self._came_at = self._now()
        self._draw()

    @property
    def age(self) -> float:
        """Seconds since the last look; 0 before the first."""
        return 0.0 if self._status is None else max(self._now() - self._status.at, 0.0)

    def _draw(self) -> None:
        line = self._line()
        if self._shown is None or not line.is_same(self._shown):
            self._shown = line
            self.update(line)

    def _line(self) -> Content:
        status = self._status
        name = Content.styled(f" {self._stack}", "bold")
        if status is None:
            return Content.assemble(name, Content.styled("  looking at the stack…", QUIET))
        wanted = [s for s in status.services if s.required or s.state is not State.ABSENT]
        good = sum(s.state is State.HEALTHY for s in wanted)
        mark, style = ("●", "$text-success") if good == len(wanted) else ("▲", "$text-warning")
        if good == 0 and all(s.state is State.STOPPED for s in wanted):
            mark, style = "○", QUIET
        old = self.age > STALE_S
        count = f"{mark} {good}/{len(wanted)} healthy"
        parts = [
            name,
            Content.styled(f"  {plain(status.engine)}", QUIET),
            Content.styled(
                f"  {count} · {ago(self.age)}" if old else f"  {count}", QUIET if old else style
            ),
        ]
        if status.busy:
            busy = f"  ↑ {plain(status.busy)} is running (pid {status.busy_pid})"
            parts.append(Content.styled(busy, "$text-accent"))
        if not old:
            parts.append(Content.styled(f"  as of {clock_time(status.at)}", QUIET))
        if self._resting:
            parts.append(Content.styled("  probes rest" if old else ", probes rest", QUIET))
        elif self._now() - self._came_at > STALE_S:
            parts.append(Content.styled("  ▲ stale: no look since", "bold $text-warning"))
        return Content.assemble(*parts)
