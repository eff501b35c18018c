"""A/B: does B make the workload faster than A? Interleaved pairs of runs, A B B A and so on.

How many pairs there are is for `verdicts` to say: at least what an interval takes, and once more
where those do not decide. It ends early only when it is decided and no outcome of the pairs to come
could change that (`verdicts.settled`), or when a run fails twice in succession.
Afterwards the stack has its previous values again, unless one side is to be kept.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from devstack_tui.contracts import sizes
from devstack_tui.core import stats
from devstack_tui.core.errors import DevstackError, command
from devstack_tui.core.event_stream import task_events
from devstack_tui.core.history import History
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning import reports, verdicts
from devstack_tui.tuning.ab_arms import Arm, ArmRunner
from devstack_tui.tuning.ab_sides import Sides, relaxed_of, sides
from devstack_tui.tuning.apply import apply
from devstack_tui.tuning.events import (
    AbDone,
    Ablation,
    AbPlanned,
    AbReport,
    Change,
    Emit,
    Events,
    Note,
    TuneDone,
)
from devstack_tui.tuning.lease import leased, runner_of
from devstack_tui.tuning.measure import Measurer, MeasureRequest, Sample
from devstack_tui.tuning.reports import Pair
from devstack_tui.tuning.show import DEVELOPMENT_ONLY

VERB = "tune ab"
PAIRS = stats.fewest_pairs()
MOST = 3 * PAIRS
"""Pairs, where the user fixed no number and the first ones do not decide."""
MARGIN = 0.05
BEFORE = "before"
LOOK_AFTER = 2
"""Pairs after which the spread is known well enough to say what can be detected."""


class AbRequest(MeasureRequest, frozen=True, kw_only=True):
    """What is to be compared: profiles `a` and `b`. `keep` is `a`, `b` or `before`. `pairs` is how
    many the user asked for: as many are run, but never fewer than an interval takes."""

    a: str
    b: str
    pairs: int | None = None
    margin: float = MARGIN
    keep: str = BEFORE
    ablate: bool = False
    only: tuple[str, ...] = ()


def ab(stack: Stack, measurer: Measurer, order: AbRequest) -> Events:
    """Run it. The first event is `AbPlanned`, the last `AbDone`.

    Raises `UsageError`, `UnreachableError` or `DevstackError` before anything is changed. Closing
    the generator gives the stack back what it had.
    """
    return task_events(lambda emit: _ab(stack, measurer, order, emit))


async def _ab(stack: Stack, measurer: Measurer, order: AbRequest, emit: Emit) -> None:
    started = time.time()
    runner = runner_of(stack, measurer, order, VERB)
    found = await asyncio.to_thread(
        sides, stack, runner.service, order.a, order.b, only=order.only, force=order.force
    )
    plan = _planned(stack, order, found, runner)
    ran: CompletedPairs | None = None
    ablation: tuple[Ablation, ...] = ()
    kept, trouble = BEFORE, None
    try:
        async with leased(stack, VERB, runner.service, found.a.values, emit):
            emit(plan)
            for note in _warnings(order, plan):
                emit(Note(note))
            ran = await compare(runner, found, plan, emit)
            if order.ablate:
                ablation = await ablate(runner, found, plan.pairs, emit)
        kept = await _keep(stack, order, found, emit)
    except DevstackError as error:
        trouble = error
    if ran is None:
        assert trouble is not None
        emit(AbDone(None, trouble.exit_code, trouble.message, trouble.remedy))
        return
    seconds = time.time() - started
    report = reports.ab_report(
        plan, ran.pairs, order=ran.order, seconds=seconds, fingerprint=runner.fingerprint
    )
    history = History.of(stack.paths)
    report = msgspec.structs.replace(
        report,
        stopped=ran.stopped,
        timing=runner.timing(found.restart),
        ablation=ablation,
        kept=kept,
        costs=_costs(stack, history, found, report),
    )
    reports.keep(history, report, started)
    if trouble is not None:
        emit(AbDone(report, trouble.exit_code, trouble.message, trouble.remedy))
    else:
        emit(AbDone(report, verdicts.EXIT[report.verdict]))


# -- before ----------------------------------------------------------------------------------


def _planned(stack: Stack, order: AbRequest, found: Sides, runner: ArmRunner) -> AbPlanned:
    runs = 2 + (_ablation_runs(found.changes) if order.ablate else 0)
    pairs, most = pairs_of(order.pairs, order.size)
    plan = runner.plan(
        order.a,
        order.b,
        found.changes,
        pairs,
        # Once more for giving back what was.
        expected_s=pairs * runs * runner.run_s(found.restart)
        + runner.timing(found.restart).applying_s,
        margin=order.margin,
        most_pairs=most,
    )
    words = ["--margin", f"{order.margin:g}"] if order.margin != MARGIN else []
    words += [word for name in order.only for word in ("--only", name)]
    words += ["--ablate"] if order.ablate else []
    return msgspec.structs.replace(plan, command=reports.ab_command(stack.name, plan, *words))


def pairs_of(asked: int | None, size: str) -> tuple[int, int]:
    """How many pairs to begin with, and how many at most. Runs that are too short for a verdict
    need no interval: there are as many as were asked for."""
    if sizes.no_verdict(size):
        return asked or PAIRS, asked or PAIRS
    return max(asked or PAIRS, PAIRS), max(asked or MOST, PAIRS)


def _warnings(order: AbRequest, plan: AbPlanned) -> list[str]:
    found = []
    if order.pairs is not None and order.pairs < plan.pairs:
        found.append(f"{order.pairs} pairs give no interval at 95 %: there will be {plan.pairs}")
    if reason := sizes.no_verdict(plan.size):
        found.append(f"{reason}: the verdict will be {verdicts.INCONCLUSIVE}")
    for change in plan.changes:
        if change.durability:
            found.append(_warning(change))
    return found


def _warning(change: Change) -> str:
    value = change.after or "default"
    return f"{change.parameter}={value} is {DEVELOPMENT_ONLY}: {change.durability}"


# -- the runs --------------------------------------------------------------------------------


@dataclass
class CompletedPairs:
    """The pairs that were completed, in which order their runs were, and why no more were."""

    pairs: list[Pair] = field(default_factory=list)
    order: str = ""
    stopped: str = ""


async def compare(runner: ArmRunner, found: Sides, plan: AbPlanned, emit: Emit) -> CompletedPairs:
    """Run the pairs: A B, then B A, and so on. Raises what `ArmRunner.run` raises."""
    ran = CompletedPairs()
    started = time.time()
    pairs = plan.pairs
    while (number := len(ran.pairs) + 1) <= pairs:
        arms = (found.a, found.b) if number % 2 else (found.b, found.a)
        samples: dict[str, Sample] = {}
        for arm in arms:
            samples[arm.key] = await runner.run(arm, number, pairs, found.restart, emit)
            ran.order += arm.key.upper()
        ran.pairs.append((samples["a"], samples["b"]))
        ratios = _ratios(ran.pairs)
        if number == plan.pairs and not reports.too_short(plan.size, ran.pairs):
            pairs = verdicts.pairs_in_all(ratios, plan.most_pairs, plan.margin)
        left = pairs - number
        ends = time.time() + left * (time.time() - started) / number
        emit(reports.pair_done(ran.pairs, ends))
        if number == LOOK_AFTER and plan.detectable is None and left:
            _note_detectable(ratios, plan, emit)
        if number == plan.pairs < pairs:
            emit(Note(f"{number} pairs do not decide: by their spread {pairs} may"))
        if verdict := verdicts.settled(ratios, pairs, plan.margin):
            rest = "the last pair" if left == 1 else f"the last {left} pairs"
            ran.stopped = f"{verdict} is settled: {rest} could not change it"
            emit(Note(ran.stopped))
            break
    return ran


def _ratios(pairs: Sequence[Pair]) -> list[float]:
    return reports.ratios_of((a.throughput, b.throughput) for a, b in pairs)


def _note_detectable(ratios: Sequence[float], plan: AbPlanned, emit: Emit) -> None:
    found = verdicts.detectable(stats.spread(ratios), plan.pairs, plan.margin)
    if found is not None:
        text = f"by the spread of {len(ratios)} pairs, {plan.pairs} pairs can show a gain of about"
        emit(Note(f"{text} {found:.0%} or more, four times out of five"))


# -- which parameter it was ------------------------------------------------------------------


def _ablation_runs(changes: Sequence[Change]) -> int:
    """Runs of one block: B, and B without each change."""
    return len(changes) + 1 if len(changes) > 1 else 0


async def ablate(runner: ArmRunner, found: Sides, blocks: int, emit: Emit) -> tuple[Ablation, ...]:
    """What each changed parameter carries: B with it as in A, against B.

    A block has one run of B and one of B without each change; the next block has them in the
    opposite order. So a drift within a block cancels over two of them. The most telling first.
    """
    if not _ablation_runs(found.changes):
        emit(Note("there is only one change: it carries all of the difference"))
        return ()
    without = {
        change.parameter: Arm(
            f"b-{change.parameter}",
            f"{found.b.title} without {change.parameter}",
            {**found.b.values, change.parameter: change.before},
        )
        for change in found.changes
    }
    ratios: dict[str, list[float]] = {name: [] for name in without}
    arms = [found.b, *without.values()]
    for number in range(1, blocks + 1):
        got: dict[str, float] = {}
        for arm in arms if number % 2 else reversed(arms):
            sample = await runner.run(arm, number, blocks, found.restart, emit)
            got[arm.key] = sample.throughput
        for name, arm in without.items():
            ratios[name].append(got[arm.key] / got[found.b.key])
    return _ablations(ratios)


def _ablations(ratios: Mapping[str, Sequence[float]]) -> tuple[Ablation, ...]:
    rows = []
    for name, values in ratios.items():
        estimate = stats.paired(values)
        rows.append(Ablation(name, estimate.ratio, estimate.low, estimate.high, len(values)))
    return tuple(sorted(rows, key=lambda row: -abs(math.log(row.ratio))))


# -- afterwards ------------------------------------------------------------------------------


def _costs(stack: Stack, history: History, found: Sides, report: AbReport) -> tuple[str, ...]:
    """What B can lose beside what it gains, as far as it was measured."""
    warned = [_warning(change) for change in found.changes if change.durability]
    if not warned:
        return ()
    relaxed = relaxed_of(found.show, found.service, found.b.values)
    gain = f"{report.ratio - 1:+.0%} {report.unit}"
    if cost := reports.last_cost(history, found.service, relaxed):
        return (*warned, f"{gain}, {cost.sentence}")
    words = ("tune", "cost", found.service, "--profile", found.b.title)
    return (*warned, f"{gain}; not measured: `{command(stack.name, *words)}`")


async def _keep(stack: Stack, order: AbRequest, found: Sides, emit: Emit) -> str:
    """Apply the side that is to stay; returns which configuration the stack has now."""
    if order.keep == BEFORE:
        return BEFORE
    arm = found.a if order.keep == "a" else found.b
    wanted = {found.service: dict(arm.values)}
    async for event in apply(stack, wanted, by=f"{VERB}: {arm.title}", force=order.force):
        emit(event)
        if isinstance(event, TuneDone) and event.exit_code:
            raise DevstackError(event.message, event.remedy)
    return order.keep
