"""The advisor's search: a better profile for one workload, within a time, and the proof of it.

The time for the proof is set aside first. What the search finds is then run anew beside the
baseline and the shipped `optimized`, in blocks of one run each; every six blocks have the six
possible orders, so that no place in a block favours anybody. How many there are is decided by the
time that is left before the first of them: more of them show smaller gains. Each A/B is judged on
the ratios within the blocks: the two share the runs of what was found, not their verdicts.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devstack_tui.contracts import sizes
from devstack_tui.contracts.tunable import DEFAULT, Apply
from devstack_tui.core.errors import DevstackError, UsageError, command
from devstack_tui.core.event_stream import task_events
from devstack_tui.core.history import History
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning import profiles, reports, verdicts
from devstack_tui.tuning.ab_arms import Arm, ArmRunner, Settings
from devstack_tui.tuning.ab_sides import differences
from devstack_tui.tuning.events import (
    AbPlanned,
    AbReport,
    AutoDone,
    AutoPlanned,
    AutoReport,
    Emit,
    Events,
)
from devstack_tui.tuning.halving import Rounds
from devstack_tui.tuning.lease import leased, runner_of
from devstack_tui.tuning.measure import Measurer, MeasureRequest, Sample
from devstack_tui.tuning.profiles import BASELINE, OPTIMIZED
from devstack_tui.tuning.search import Search
from devstack_tui.tuning.search_space import Space, admission, space_of

VERB = "tune auto"
BLOCKS = 6
"""Of the proof at least: they bound a ratio at 95 %, and there are six orders of three runs."""
MOST = 4
"""Times so many at most: the interval narrows with the root of their number only."""
PROOF_SHARE = 0.4
"""Of the budget, that the proof may take when it is more than the least."""
MARGIN = 0.05
SEARCHED = 12
"""Runs that a search needs at least to be one."""


class NothingFoundError(DevstackError):
    """The search ended where it began; that there is nothing better is not shown by that."""

    exit_code = 4


class AutoRequest(MeasureRequest, frozen=True, kw_only=True):
    """What is searched for: `budget_s` in seconds, `save` the profile's name (empty: ours)."""

    budget_s: float = 900.0
    durable: bool = False
    save: str = ""


def auto(stack: Stack, measurer: Measurer, order: AutoRequest) -> Events:
    """Search, prove, save. The first event is `AutoPlanned`, the last `AutoDone`.

    Raises `UsageError` for wrong names and for a budget that is too small, and
    `UnreachableError` for a service that is down, before anything is changed. Closing the
    generator gives the stack back what it had.
    """
    return task_events(lambda emit: _auto(stack, measurer, order, emit))


async def _auto(stack: Stack, measurer: Measurer, order: AutoRequest, emit: Emit) -> None:
    started, begun = time.time(), time.monotonic()
    runner = runner_of(stack, measurer, order, VERB)
    service = runner.service
    name = order.save or f"auto-{service}"
    profiles.require_name(name, taken=profiles.SHIPPED)
    space = await asyncio.to_thread(space_of, stack, service, order.durable, order.force)
    proof = Proof(stack=stack, runner=runner, space=space, order=order)
    _require_time(order, runner)
    report: AutoReport | None = None
    trouble: DevstackError | None = None
    try:
        async with leased(stack, VERB, service, space.base, emit):
            emit(
                AutoPlanned(
                    order.workload,
                    order.size,
                    len(space.sets) + len(space.singles),
                    order.budget_s,
                    proof.reserve_s(),
                    order.durable,
                )
            )
            search = Search(
                lambda left: Rounds(runner, space.restarts, left),
                space.base,
                sets=space.sets,
                singles=space.singles,
                admit=admission(space),
                time_left=lambda: begun + order.budget_s - proof.reserve_s() - time.monotonic(),
                emit=emit,
            )
            best = await search.run()
            _require_found(best, space, search.configurations_measured)
            left = begun + order.budget_s - time.monotonic()
            blocks = proof_blocks(left, runner.run_s(restart=True))
            against = await proof.run(best, name, blocks, emit)
        report = _report(stack, order, name, space, best, search.configurations_measured, against)
        report = msgspec.structs.replace(report, seconds=time.time() - started)
        reports.keep(History.of(stack.paths), report, started)
    except DevstackError as error:
        trouble = error
    if trouble is not None:
        emit(AutoDone(report, trouble.exit_code, trouble.message, trouble.remedy))
    elif report is not None and report.against_baseline is not None:
        found = [report.against_baseline, report.against_optimized]
        code = exit_of([one.verdict for one in found if one is not None])
        emit(AutoDone(report, code, "" if report.path else _unsaved(report)))


def exit_of(proofs: Sequence[str]) -> int:
    """The exit status of a proof: against the baseline, and against `optimized` where that is
    something else. What is worse than either is no find, whatever it gains on the other."""
    decisive = verdicts.REGRESSED if verdicts.REGRESSED in proofs else proofs[0]
    return verdicts.EXIT[decisive]


def _require_found(best: Settings, space: Space, tried: int) -> None:
    if best == space.base:
        raise NothingFoundError(
            f"nothing of what was tried beats {BASELINE!r}: no profile was written",
            f"{tried} configurations were tried; a larger --budget tries more",
        )


def proof_s(budget_s: float, run_s: float) -> float:
    """How much of the budget is kept for the proof: its share, but no less than the least number
    of blocks takes, and no more than the most."""
    least = 3 * BLOCKS * run_s
    return min(max(PROOF_SHARE * budget_s, least), MOST * least)


def proof_blocks(left_s: float, run_s: float) -> int:
    """How many blocks of three runs fit into the time that is left, in whole sets of the orders."""
    sets = int(left_s / (3 * BLOCKS * run_s))
    return BLOCKS * min(max(sets, 1), MOST)


def least_budget_s(run_s: float) -> float:
    """What a search takes that is one, with the shortest proof."""
    return (3 * BLOCKS + SEARCHED) * run_s


def _require_time(order: AutoRequest, runner: ArmRunner) -> None:
    run_s = runner.run_s(restart=True)
    proof = 3 * BLOCKS * run_s
    least = least_budget_s(run_s)
    if order.budget_s < least:
        raise UsageError(
            f"{order.budget_s / 60:.0f} min are too few: the proof alone takes about "
            f"{proof / 60:.0f} min with {order.workload} at size {order.size}",
            f"give --budget {least / 60 + 1:.0f}m or more"
            + (", or --quick" if order.size == sizes.DEFAULT else ""),
        )


# -- the proof ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Fresh runs of what was found beside the baseline and `optimized`."""

    stack: Stack
    runner: ArmRunner
    space: Space
    order: AutoRequest

    def reserve_s(self) -> float:
        """The time for it, by how long runs lasted so far with the restart that it may need."""
        return proof_s(self.order.budget_s, self.runner.run_s(restart=True))

    async def run(
        self, best: Settings, name: str, blocks: int, emit: Emit
    ) -> tuple[AbReport, AbReport | None]:
        """Against the baseline, and against `optimized` where that is something else."""
        a = Arm("a", BASELINE, dict(self.space.base))
        b = Arm("b", name, dict(best))
        c = Arm("c", OPTIMIZED, dict(self.space.optimized))
        arms = [a, b, *([c] if c.values not in (a.values, b.values) else [])]
        changes = [
            differences(self.space.parameters, one.values, b.values) for one in arms if one != b
        ]
        restart = any(change.apply == Apply.RESTART for found in changes for change in found)
        plan = self.runner.plan(
            BASELINE,
            name,
            differences(self.space.parameters, a.values, b.values),
            blocks,
            expected_s=len(arms) * blocks * self.runner.run_s(restart),
            margin=MARGIN,
        )
        emit(plan)
        orders = list(itertools.permutations(arms))
        samples: list[dict[str, Sample]] = []
        started = time.time()
        places = ""
        for number in range(1, blocks + 1):
            block: dict[str, Sample] = {}
            for arm in orders[order_of(number, len(orders))]:
                block[arm.key] = await self.runner.run(arm, number, blocks, restart, emit)
                places += arm.key.upper()
            samples.append(block)
            emit(reports.pair_done(_pairs(samples, "a")))
        seconds = time.time() - started
        baseline = self._judge(plan, samples, "a", places, seconds)
        if c not in arms:
            return baseline, None
        other = msgspec.structs.replace(plan, a=OPTIMIZED, changes=changes[-1])
        return baseline, self._judge(other, samples, "c", places, seconds)

    def _judge(
        self,
        plan: AbPlanned,
        blocks: Sequence[Mapping[str, Sample]],
        key: str,
        places: str,
        seconds: float,
    ) -> AbReport:
        plan = msgspec.structs.replace(
            plan, pairs=len(blocks), command=reports.ab_command(self.stack.name, plan)
        )
        return reports.ab_report(
            plan,
            _pairs(blocks, key),
            order=places,
            seconds=seconds,
            fingerprint=self.runner.fingerprint,
        )


def order_of(number: int, orders: int) -> int:
    """Which order the block has: each once in every six, and every second one reversed to the
    one before."""
    return (number // 2 if number % 2 else orders - number // 2) % orders


def _pairs(blocks: Sequence[Mapping[str, Sample]], key: str) -> list[reports.Pair]:
    return [(block[key], block["b"]) for block in blocks]


# -- the end -----------------------------------------------------------------------------------


def _report(  # noqa: PLR0917 - what a report is made of
    stack: Stack,
    order: AutoRequest,
    name: str,
    space: Space,
    best: Settings,
    tried: int,
    against: tuple[AbReport, AbReport | None],
) -> AutoReport:
    """The report; the profile is written unless the proof shows that it is worse."""
    chosen = profile_of(space, best)
    worse = any(one is not None and one.verdict == verdicts.REGRESSED for one in against)
    path: Path | None = None
    if not worse:
        title = f"found by `{VERB} {order.workload}`: {against[0].sentence}"
        path = profiles.save(stack.engine(), name, {space.service: chosen}, title)
    words = ["tune", "auto", order.workload, *sizes.words(order.size)]
    words += ["--budget", f"{order.budget_s:.0f}s", *(["--durable"] if order.durable else [])]
    words += ["--save", order.save] if order.save else []
    return AutoReport(
        workload=order.workload,
        profile="" if worse else name,
        path=str(path) if path else "",
        values=chosen,
        tried=tried,
        against_baseline=against[0],
        against_optimized=against[1],
        seconds=0.0,
        durable=order.durable,
        command=command(stack.name, *words),
    )


def profile_of(space: Space, best: Settings) -> dict[str, str]:
    """What the profile says: every value that is set, and `default` where the baseline or
    `optimized` set one and this does not."""
    named = {name for name in best if space.base[name] or space.optimized[name]}
    return {
        name: DEFAULT if text is None else text
        for name, text in best.items()
        if text is not None or name in named
    }


def _unsaved(report: AutoReport) -> str:
    found = [report.against_baseline, report.against_optimized]
    worse = next(one for one in found if one is not None and one.verdict == verdicts.REGRESSED)
    return f"no profile was written: {worse.sentence}"
