"""A chart of lines over time: rastered once for each new plot or size, drawn row by row."""

from __future__ import annotations

import os
import sys
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from devstack_tui.console.widgets.raster import AXIS, MARK, Cell, Row, raster, sign_of
from devstack_tui.core.plot import LINEAR, Plot, figure
from devstack_tui.present.text import shorten

FIRST, SECOND, THIRD = "chart--first", "chart--second", "chart--third"
BAND = "chart--band"


def signs_only() -> bool:
    """Whether the terminal cannot be trusted with braille: no UTF-8, or Linux' own console."""
    encoding = (getattr(sys.__stdout__, "encoding", "") or "utf-8").lower().replace("-", "")
    return encoding != "utf8" or os.environ.get("TERM") == "linux"


class TimeChart(Widget):
    """Shows a plot: a legend with the current values, the lines, the x axis.

    An equal plot is not drawn again. `plain` draws with ASCII signs.
    """

    COMPONENT_CLASSES = {FIRST, SECOND, THIRD, BAND, AXIS, MARK}  # noqa: RUF012

    def __init__(self, id: str, plain: bool | None = None) -> None:
        super().__init__(id=id, classes="chart")
        self.plain = signs_only() if plain is None else plain
        self.plot = Plot()
        self.frames = 0
        """How often it was rastered."""
        self._strips: list[Strip] = []

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def show(self, plot: Plot) -> None:
        """Show `plot` from now on."""
        if plot == self.plot:
            return
        self.plot = plot
        scale = f" · {plot.scale}" if plot.scale != LINEAR else ""
        self.border_title = Content(f"{plot.title}{scale}").markup
        self._draw_again()

    def on_resize(self, _event: events.Resize) -> None:
        self._draw_again()

    def render_line(self, y: int) -> Strip:
        """One row of the raster."""
        if not self._strips:
            self._strips = self._raster()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def _recolour(self, _theme: object) -> None:
        self.call_after_refresh(self._draw_again)

    def _draw_again(self) -> None:
        self._strips = []
        self.refresh()

    def _raster(self) -> list[Strip]:
        self.frames += 1
        width, height = self.size
        ground = self.rich_style
        strips = [self._legend(width, ground)]
        if not self.plot.values:
            middle = max((height - 1) // 2, 0)
            text = shorten(self.plot.empty, width).center(width)
            blank = Strip([Segment(" " * width, ground)], width)
            evidence = Strip([Segment(text, ground + self._ink(AXIS))], width)
            return [*strips, *(evidence if row == middle else blank for row in range(1, height))]
        tint = Style(bgcolor=self.get_component_rich_style(BAND).bgcolor)
        looks = {look: ground + self._ink(look) for look in (*self.COMPONENT_CLASSES,)}
        looks[""] = ground
        strips += (
            self._strip(row, looks, tint)
            for row in raster(self.plot, width, max(height - 1, 1), self.plain)
        )
        return strips

    def _strip(self, row: Row, looks: dict[str, Style], tint: Style) -> Strip:
        def kind(cell: Cell) -> tuple[str, bool]:
            return cell.look, cell.band

        made = []
        for (look, band), cells in groupby(row, kind):
            style = looks[look] + tint if band else looks[look]
            made.append(Segment("".join(cell.sign for cell in cells), style))
        return Strip(made, len(row))

    def _legend(self, width: int, ground: Style) -> Strip:
        parts: list[Segment] = []
        for number, line in enumerate(self.plot.series):
            sign = sign_of(number, self.plain)
            parts.append(Segment(f"{sign} {line.name} ", ground + self._ink(line.look)))
            last = number == len(self.plot.series) - 1
            unit = f" {self.plot.unit}" if last and self.plot.unit else ""
            parts.append(Segment(f"{figure(line.current)}{unit}  ", ground))
        if self.plot.band is not None:
            band = self.plot.band
            tint = Style(bgcolor=self.get_component_rich_style(BAND).bgcolor)
            parts.append(Segment("..." if self.plain else "   ", ground + tint))
            text = f" {band.name} {figure(band.low)}–{figure(band.high)}"
            parts.append(Segment(text.replace("–", "-") if self.plain else text, ground))
        return Strip(parts).adjust_cell_length(width, ground)

    def _ink(self, look: str) -> Style:
        style = self.get_component_rich_style(look)
        return Style(color=style.color, bold=style.bold)
