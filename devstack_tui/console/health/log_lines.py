"""The lines of a log: only those in view are rendered."""

from __future__ import annotations

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from devstack_tui.console.health.log_buffer import Line, LogBuffer
from devstack_tui.console.ink import ink
from devstack_tui.present.looks import LOOKS, QUIET


class LogLines(ScrollView, can_focus=True):
    """Shows a `LogBuffer`; `follow` keeps the newest line in view."""

    COMPONENT_CLASSES = LOOKS | {"log--match", "log--current"}

    def __init__(self, buffer: LogBuffer) -> None:
        super().__init__(id="log-lines")
        self._buffer = buffer
        self._widest = 0
        self._unit_width = 0
        self.follow = True
        self.current: int | None = None
        """The line of `shown` on which the search stands."""

    def added(self, lines: list[Line], dropped: int) -> None:
        """Report that the buffer grew by `lines` and lost `dropped` shown ones."""
        units = {line.unit for line in lines if line.unit}
        if units:
            self._unit_width = max(self._unit_width, *(len(unit) for unit in units))
        self._widest = max(self._widest, *(len(line.text) for line in lines))
        if self.current is not None:
            self.current = self.current - dropped if self.current >= dropped else None
        self._measure()
        if not self.follow and dropped:
            self.scroll_to(y=max(self.scroll_offset.y - dropped, 0), animate=False)

    def changed(self) -> None:
        """Report that the buffer was emptied, filtered or searched."""
        self._measure()

    def forget(self) -> None:
        """Report that another log begins."""
        self._widest = self._unit_width = 0
        self.current = None
        self._measure()
        self.scroll_home(animate=False)

    def go_to(self, place: int) -> None:
        """Bring line `place` of `shown` into view and mark it."""
        self.current = place
        height = max(self.scrollable_content_region.height, 1)
        top = self.scroll_offset.y
        if not top <= place < top + height:
            self.scroll_to(y=max(place - height // 2, 0), animate=False)
        self.refresh()

    @property
    def top(self) -> int:
        """The first line in view."""
        return self.scroll_offset.y

    def _measure(self) -> None:
        prefix = self._unit_width + 2 if self._unit_width else 0
        self.virtual_size = Size(self._widest + prefix, len(self._buffer.shown))
        self._keep_up()
        self.refresh()

    def on_resize(self) -> None:
        self._keep_up()

    def _keep_up(self) -> None:
        # After the next layout: only then is the height known of which this is the end.
        if self.follow:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True, x_axis=False)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        x, top = self.scroll_offset
        width = self.scrollable_content_region.width
        base = self.rich_style
        place = top + y
        if place >= len(self._buffer.shown):
            return Strip.blank(width, base)
        line = self._buffer.shown[place]
        if place == self.current:
            base += self.get_component_rich_style("log--current", partial=True)
        segments: list[Segment] = []
        if self._unit_width:
            unit = line.unit.ljust(self._unit_width) + "  "
            segments.append(Segment(unit, base + ink(self, QUIET)))
        match = base + self.get_component_rich_style("log--match", partial=True)
        done = 0
        for start, end in self._buffer.matches(line):
            segments.append(Segment(line.text[done:start], base))
            segments.append(Segment(line.text[start:end], match))
            done = end
        segments.append(Segment(line.text[done:], base))
        return Strip(segments).crop_extend(x, x + width, base)
