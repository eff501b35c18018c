"""Comparing two measurements: runs, this host's baseline, published figures."""

from __future__ import annotations

import statistics

import msgspec

from devstack_tui.bench import baseline
from devstack_tui.bench.events import RunResult
from devstack_tui.contracts.sizes import beside
from devstack_tui.core import codec, stats
from devstack_tui.core.errors import UsageError
from devstack_tui.core.fingerprint import Fingerprint, host
from devstack_tui.core.history import History
from devstack_tui.stack.stack import Stack

MARGIN = 0.05
"""Less than this is no difference that matters."""


class Side(msgspec.Struct, frozen=True):
    """What stands on one side: throughputs of runs, and what they depend on, where it is known."""

    samples: tuple[float, ...]
    unit: str
    depends: Fingerprint | None = None
    size: str = ""
    """Of the runs, where it is known."""


class Row(msgspec.Struct, frozen=True):
    """One workload of a comparison: `ratio` is B ÷ A, `interval` its 95 % interval."""

    workload: str
    a: float
    b: float
    unit: str
    ratio: float
    interval: tuple[float, float] | None
    verdict: str
    warning: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """All rows, and what makes them doubtful."""

    a: str
    b: str
    rows: tuple[Row, ...]
    warning: str = ""


def sides(stack: Stack, name: str) -> dict[str, Side]:
    """What `name` stands for: `baseline`, `published:baseline`, `published:optimized`,
    `published:minimum` or the id of a run.

    Raises `UsageError` for anything else.
    """
    if name.startswith("seed:"):
        now = name.replace("seed:", "published:")
        raise UsageError(f"there are no figures {name!r}", f"they are called {now} now")
    if name.startswith("published:"):
        return {
            workload: Side((figure.throughput,), figure.unit)
            for workload, figure in baseline.published(name.removeprefix("published:")).items()
        }
    if name == "baseline":
        found = baseline.read(host())
        if found is None:
            raise UsageError(
                "no baseline is recorded for this host", "`devstack-tui bench record` makes one"
            )
        return {
            workload: Side(recorded.samples, recorded.unit, recorded.fingerprint, recorded.size)
            for workload, recorded in found.workloads.items()
        }
    run = codec.decode(History.of(stack.paths).get(name, "bench").document, RunResult)
    if run.problem:
        raise UsageError(f"run {run.id} is no measurement: {run.problem}")
    return {run.workload: Side((run.throughput,), run.unit, run.depends, run.size)}


def _of_one_size(left: dict[str, Side], right: dict[str, Side]) -> dict[str, Side]:
    """The left side with the figures of the right one's sizes, where it has several."""
    same = {name: left.get(beside(name, side.size)) for name, side in right.items()}
    return left | {name: side for name, side in same.items() if side is not None}


def compare(stack: Stack, a: str, b: str, force: bool) -> Comparison:
    """B against A for every workload that both have.

    Raises `UsageError` when they have none in common, or depend on different things and `force`
    is not given.
    """
    left, right = sides(stack, a), sides(stack, b)
    left, right = _of_one_size(left, right), _of_one_size(right, left)
    common = [name for name in left if name in right]
    if not common:
        raise UsageError(
            f"{a} and {b} have no workload in common",
            f"{a} has {', '.join(left)}; {b} has {', '.join(right)}",
        )
    different = {name: why for name in common if (why := _differ(left[name], right[name]))}
    warning = "; ".join(f"{name}: {why}" for name, why in different.items())
    if warning and not force:
        raise UsageError(
            f"{a} and {b} cannot be compared: {warning}", "--force compares them all the same"
        )
    rows = tuple(_row(name, left[name], right[name], name in different) for name in common)
    return Comparison(a, b, rows, warning)


def _differ(left: Side, right: Side) -> str:
    """Why the two cannot be compared; empty when they can. Two published figures can."""
    if left.depends is None and right.depends is None:
        return ""
    if left.depends is None or right.depends is None:
        return "one of the two does not say on which machine it was measured"
    return ", ".join(left.depends.differences(right.depends))


def _row(name: str, left: Side, right: Side, doubtful: bool) -> Row:
    found = stats.compare(left.samples, right.samples)
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    a, b = statistics.median(left.samples), statistics.median(right.samples)
    warning = "different fingerprints" if doubtful else ""
    return Row(name, a, b, left.unit, found.ratio, interval, verdict(interval), warning)


def verdict(interval: tuple[float, float] | None) -> str:
    """IMPROVED or REGRESSED when the interval clears the margin, else what can be said."""
    if interval is None:
        return "INCONCLUSIVE"
    low, high = interval
    if low > 1 + MARGIN:
        return "IMPROVED"
    if high < 1 - MARGIN:
        return "REGRESSED"
    if low >= 1 - MARGIN and high <= 1 + MARGIN:
        return "NO DIFFERENCE"
    return "INCONCLUSIVE"


def exit_code(found: Comparison) -> int:
    """Of the CLI contract, as of `tune ab`: 1 for a regression, 4 where a row decides nothing."""
    verdicts = {row.verdict for row in found.rows}
    return 1 if "REGRESSED" in verdicts else 4 if "INCONCLUSIVE" in verdicts else 0
