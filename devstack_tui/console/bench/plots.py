"""What the Bench pane's two charts show."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devstack_tui.bench.events import RunResult
from devstack_tui.console.bench.model import Baseline, Group, RunSeries
from devstack_tui.console.widgets.time_chart import FIRST, SECOND, THIRD
from devstack_tui.core.plot import Band, Mark, Plot, Series
from devstack_tui.present.text import plain

WAITING = "the first second is still to come"
NO_RUNS = "no run yet: choose with space, start with g"
_PERCENTILES = (("p50", FIRST), ("p95", SECOND), ("p99", THIRD))


@dataclass(frozen=True, slots=True)
class BenchPlots:
    """The two charts: of the throughput and of the latency."""

    throughput: Plot
    latency: Plot


def nothing(scale: str) -> BenchPlots:
    """Before anything was ever run."""
    return BenchPlots(
        Plot(title="Throughput", scale=scale, empty=NO_RUNS),
        Plot(title="Latency", scale=scale, empty=NO_RUNS),
    )


def series_scene(
    series: RunSeries, baseline: Baseline | None, scale: str, about: str = ""
) -> BenchPlots:
    """Second by second."""
    name = plain(" · ".join(filter(None, [series.workload, about])))
    marks = tuple(_marks(series))
    rate = Series("now", FIRST, tuple((x, tick.throughput) for x, tick in series.ticks))
    latency = tuple(
        Series(percentile, look, tuple((x, getattr(tick, percentile)) for x, tick in series.ticks))
        for percentile, look in _PERCENTILES
    )
    return BenchPlots(
        Plot(
            title=f"Throughput · {name}",
            unit=plain(series.unit),
            series=(rate,),
            band=_band(baseline),
            marks=marks,
            scale=scale,
            empty=WAITING,
        ),
        Plot(
            title=f"Latency · {name}",
            unit="ms",
            series=latency,
            marks=marks,
            scale=scale,
            empty=WAITING,
        ),
    )


def trend_scene(
    groups: Sequence[Group],
    baseline: Baseline | None,
    scale: str,
    selected: RunResult | None = None,
) -> BenchPlots:
    """Benchmark after benchmark: medians of the throughput, percentiles of the latency."""
    if not groups:
        return nothing(scale)
    first = groups[0].first
    names = tuple(_day(group.first.started) for group in groups)
    chosen = next((n for n, group in enumerate(groups) if selected in group.runs), None)
    marks = () if chosen is None else (Mark(float(chosen), "selected"),)
    medians = tuple((float(n), group.median) for n, group in enumerate(groups))
    shares = (0.5, 0.95, 0.99)
    latency = tuple(
        Series(name, look, tuple((float(n), g.latency(share)) for n, g in enumerate(groups)))
        for (name, look), share in zip(_PERCENTILES, shares, strict=True)
    )
    about = plain(f"{first.workload} · {first.size}")
    return BenchPlots(
        Plot(
            title=f"Trend of the throughput · {about}",
            unit=plain(first.unit),
            series=(Series("last median", FIRST, medians),),
            band=_band(baseline),
            marks=marks,
            scale=scale,
            names=names,
            empty="no run is a measurement",
        ),
        Plot(
            title=f"Trend of the latency · {about}",
            unit="ms",
            series=latency,
            marks=marks,
            scale=scale,
            names=names,
            empty="no run is a measurement",
        ),
    )


def _marks(series: RunSeries) -> Iterator[Mark]:
    for place, run in series.starts:
        if place > 0:
            yield Mark(place - 0.5, f"run {run}", breaks=True)
    before = False
    for x, tick in series.ticks:
        failing = any(tick.errors.values())
        if failing and not before:
            yield Mark(x, "errors")
        before = failing


def _band(baseline: Baseline | None) -> Band | None:
    return Band("baseline", baseline.low, baseline.high) if baseline is not None else None


def _day(at: float) -> str:
    return time.strftime("%m-%d %H:%M", time.localtime(at))
