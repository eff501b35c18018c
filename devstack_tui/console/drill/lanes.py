"""The lanes of a drill: a sign for every 50 ms of every shard, and what happened when."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.drill.model import RepeatTimeline
from devstack_tui.present.text import plain, shorten

LABEL = 14
SIGNS = {"o": ("━", "$text-success"), "x": ("×", "$text-error"), ".": ("·", "$text-warning")}
WORST = "x.o"
"""Of several cells behind one sign the first of these is shown."""
MARKS = {
    "fault": "F",
    "suspected": "S",
    "failed": "D",
    "promoted": "P",
    "agreed": "A",
    "covered": "C",
    "back": "B",
    "healed": "H",
    "rejoined": "R",
    "resynced": "Y",
}
LEGEND = (
    "━ answered  × error  · silent │ F fault S suspected D declared failed P promoted A agreed "
    "C covered B back H healed R rejoined Y resynced"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which cells are drawn: from `first` on, `per_sign` of them behind each of `width` signs."""

    first: int
    per_sign: int
    width: int

    def place(self, cell: int) -> int | None:
        """The column of a cell, or None when it is out of view."""
        column = (cell - self.first) // self.per_sign
        return column if 0 <= column < self.width else None


def window(timeline: RepeatTimeline, width: int, whole: bool) -> Window:
    """The whole timeline, or its end with one sign for each cell."""
    width = max(width, 1)
    if whole:
        return Window(0, max(-(-timeline.cells // width), 1), width)
    return Window(max(timeline.cells - width, 0), 1, width)


def lane_text(lane: str, view: Window) -> str:
    """The cells in view, a character each."""
    shown = lane[view.first : view.first + view.per_sign * view.width]
    groups = (shown[at : at + view.per_sign] for at in range(0, len(shown), view.per_sign))
    return "".join(next((c for c in WORST if c in group), group[0]) for group in groups)


def axis_text(timeline: RepeatTimeline, view: Window) -> str:
    """Seconds after the fault, as many as have room."""
    line = [" "] * view.width
    free = 0
    per_second = 1000 / timeline.cell_ms
    first = -timeline.zero / per_second
    last = first + view.per_sign * view.width / per_second + view.first / per_second
    for second in range(int(first) - 1, int(last) + 2):
        column = view.place(timeline.zero + round(second * per_second))
        label = f"{second:+d} s" if second else "0"
        if column is None or column < free or column + len(label) > view.width:
            continue
        line[column : column + len(label)] = label
        free = column + len(label) + 2
    return "".join(line)


def marks_text(timeline: RepeatTimeline, view: Window) -> str:
    """A letter for each marker, where it happened; the first one keeps its place."""
    line = [" "] * view.width
    for marker in timeline.markers:
        column = view.place(timeline.zero + int(marker.ms // timeline.cell_ms))
        if column is None or marker.kind not in MARKS:
            continue
        while column < view.width - 1 and line[column] != " ":
            column += 1
        line[column] = MARKS[marker.kind]
    return "".join(line)


def _coloured(cells: str) -> Content:
    parts: list[Content] = []
    at = 0
    while at < len(cells):
        end = at
        while end < len(cells) and cells[end] == cells[at]:
            end += 1
        sign, style = SIGNS.get(cells[at], SIGNS["."])
        parts.append(Content.styled(sign * (end - at), style))
        at = end
    return Content.assemble(*parts)


class DrillLanes(Static):
    """Equal content is not drawn again. `whole` shows the timeline from its start to its end."""

    def __init__(self) -> None:
        super().__init__(id="drill-lanes", classes="chart")
        self.border_title = "Lanes"
        self._timeline: RepeatTimeline | None = None
        self._whole = False
        self._drawn: Content | None = None

    def show(self, timeline: RepeatTimeline | None, whole: bool, empty: str) -> None:
        """Show `timeline`, or the sentence `empty` instead."""
        self._timeline, self._whole = timeline, whole
        self.border_subtitle = Content(self._subtitle()).markup
        drawn = (
            Content.styled(empty, "$foreground 60%") if timeline is None else self._lines(timeline)
        )
        if self._drawn is None or not drawn.is_same(self._drawn):
            self._drawn = drawn
            self.update(drawn)

    def on_resize(self) -> None:
        if self._timeline is not None:
            self.show(self._timeline, self._whole, "")

    def _subtitle(self) -> str:
        timeline = self._timeline
        if timeline is None:
            return ""
        view = window(timeline, self._room, self._whole)
        return f"{view.per_sign * timeline.cell_ms} ms a sign"

    @property
    def _room(self) -> int:
        return max(self.content_size.width - LABEL - 1, 10)

    def _lines(self, timeline: RepeatTimeline) -> Content:
        view = window(timeline, self._room, self._whole)
        pad = " " * (LABEL + 1)
        lines = [
            Content.styled(pad + axis_text(timeline, view), "$foreground 60%"),
            Content.styled(pad + marks_text(timeline, view), "bold $text-accent"),
        ]
        for name, lane in timeline.lanes.items():
            label = shorten(plain(name), LABEL).ljust(LABEL + 1)
            lines.append(Content.assemble(Content(label), _coloured(lane_text(lane, view))))
        if len(lines) < self.content_size.height:
            lines.append(Content.styled(LEGEND, "$foreground 60%"))
        return Content("\n").join(lines)
