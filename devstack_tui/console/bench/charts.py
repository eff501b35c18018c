"""Throughput and latency: both where there is room, or one at a time."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from devstack_tui.console.bench.plots import BenchPlots
from devstack_tui.console.widgets.time_chart import TimeChart
from devstack_tui.core.plot import Plot

BOTH, THROUGHPUT, LATENCY = "both", "throughput", "latency"
BOTH_FROM = 18
"""The rows that two charts need."""


class BenchCharts(Vertical):
    """Two charts; `turn` goes through throughput, latency and, with enough rows, both."""

    def __init__(self) -> None:
        super().__init__(id="bench-charts")
        self._wanted = BOTH

    def compose(self) -> ComposeResult:
        yield TimeChart("throughput-chart")
        yield TimeChart("latency-chart")

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self, _event: events.Resize) -> None:
        self._arrange()

    @property
    def plots(self) -> tuple[Plot, ...]:
        """The plots of the charts in view."""
        return tuple(chart.plot for chart in self.query(TimeChart) if chart.display)

    def show(self, scene: BenchPlots) -> None:
        """Show `scene` from now on; an equal chart is not drawn again."""
        throughput, latency = self.query(TimeChart)
        throughput.show(scene.throughput)
        latency.show(scene.latency)

    def turn(self) -> None:
        """The next view."""
        views = (BOTH, THROUGHPUT, LATENCY) if self._roomy else (THROUGHPUT, LATENCY)
        self._wanted = views[(views.index(self._view) + 1) % len(views)]
        self._arrange()

    @property
    def _roomy(self) -> bool:
        return self.size.height >= BOTH_FROM

    @property
    def _view(self) -> str:
        return THROUGHPUT if self._wanted == BOTH and not self._roomy else self._wanted

    def _arrange(self) -> None:
        throughput, latency = self.query(TimeChart)
        view = self._view
        throughput.display, latency.display = view != LATENCY, view != THROUGHPUT
        after = {BOTH: "one", THROUGHPUT: LATENCY, LATENCY: "both" if self._roomy else THROUGHPUT}
        hint = f"v {after[view]} · l scale"
        throughput.border_subtitle = hint
        latency.border_subtitle = "" if throughput.display else hint
