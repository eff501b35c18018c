"""One line about the whole stack: name, engine, how many are healthy, who changes it, how old."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widgets import Static

from devstack_tui.contracts.model import StackStatus, State
from devstack_tui.present.text import clock_time, plain

STALE_S = 6.0


class StatusLine(Static):
    """Shows the last snapshot's summary; it turns stale `STALE_S` seconds after it came."""

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
    def age(self) -> float | None:
        """Seconds since the last snapshot came; None before the first."""
        return None if self._status is None else self._now() - self._came_at

    def _draw(self) -> None:
        line = self._line()
        if self._shown is None or not line.is_same(self._shown):
            self._shown = line
            self.update(line)

    def _line(self) -> Content:
        status = self._status
        name = Content.styled(f" {self._stack}", "bold")
        if status is None:
            return Content.assemble(
                name, Content.styled("  looking at the stack…", "$foreground 60%")
            )
        wanted = [s for s in status.services if s.required or s.state is not State.ABSENT]
        good = sum(s.state is State.HEALTHY for s in wanted)
        mark, style = ("●", "$text-success") if good == len(wanted) else ("▲", "$text-warning")
        if good == 0 and all(s.state is State.STOPPED for s in wanted):
            mark, style = "○", "$foreground 60%"
        parts = [
            name,
            Content.styled(f"  {plain(status.engine)}", "$foreground 60%"),
            Content.styled(f"  {mark} {good}/{len(wanted)} healthy", style),
        ]
        if status.busy:
            busy = f"  ↑ {plain(status.busy)} is running (pid {status.busy_pid})"
            parts.append(Content.styled(busy, "$text-accent"))
        age = self.age or 0.0
        if self._resting:
            text = f"  as of {clock_time(status.at)}, probes rest"
            parts.append(Content.styled(text, "$foreground 60%"))
        elif age > STALE_S:
            parts.append(Content.styled(f"  ▲ stale: {age:.0f} s old", "bold $text-warning"))
        else:
            parts.append(Content.styled(f"  as of {clock_time(status.at)}", "$foreground 60%"))
        return Content.assemble(*parts)
