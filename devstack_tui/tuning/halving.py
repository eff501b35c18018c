"""Successive halving: many candidates with few runs each, the better half with more.

A candidate is measured beside the best so far, the reference: one run of the reference stands
before and one after every few candidates, and a candidate's ratio is to the reference as it would
have been at that moment, interpolated between the two. So a drift of the machine, which would
favour whoever ran early, falls out, and one run of the reference serves several candidates. The
order turns round with every pass. Nothing here is a proof: the winner of many is flattered by
chance, so what is found is confirmed afterwards with fresh runs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devstack_tui.contracts.tunable import DEFAULT
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning.ab_arms import Arm, ArmRunner, Settings
from devstack_tui.tuning.events import AutoCandidate, AutoRound, Emit

GROUP = 3
"""Candidates between two runs of the reference."""
REFERENCE = "a"
CANDIDATE = "b"


@dataclass
class Candidate:
    """Changes to the reference, why they are tried, and how they do: a ratio for each run."""

    changes: dict[str, str | None]
    why: str
    ratios: list[float] = field(default_factory=list)
    dropped: str = ""
    """Why it is out."""

    @property
    def ratio(self) -> float | None:
        """The geometric mean of its runs."""
        return math.exp(statistics.fmean(map(math.log, self.ratios))) if self.ratios else None

    @property
    def ahead(self) -> bool:
        """Whether it beats the reference so far."""
        return not self.dropped and (self.ratio or 0.0) > 1

    @property
    def labelled_changes(self) -> dict[str, str]:
        """Its changes, for an event."""
        return {name: value or DEFAULT for name, value in self.changes.items()}


class Rounds:
    """Runs rounds of candidates until there is no time left.

    `restarts` are the parameters that need a restart. `time_left` is asked before each group.
    """

    def __init__(
        self, runner: ArmRunner, restarts: frozenset[str], time_left: Callable[[], float]
    ) -> None:
        self._runner = runner
        self._restarts = restarts
        self.time_left = time_left
        self._number = 0
        self._tried: set[tuple[tuple[str, str | None], ...]] = set()

    @property
    def configurations_measured(self) -> int:
        """How many different configurations were measured."""
        return len(self._tried)

    def affords(self, candidates: int, restart: bool) -> bool:
        """Whether so many candidates can be measured once, with their reference."""
        return self.cost(candidates, restart) <= self.time_left()

    def cost(self, candidates: int, restart: bool) -> float:
        """About how long measuring so many candidates once takes, seconds."""
        runs = candidates + math.ceil(candidates / GROUP) + 1
        return runs * self._runner.run_s(restart)

    def needs_restart(self, candidate: Candidate) -> bool:
        """Whether a restart lies between it and the reference."""
        return bool(self._restarts & candidate.changes.keys())

    async def round(
        self, reference: Settings, pool: Sequence[Candidate], passes: int, detail: str, emit: Emit
    ) -> None:
        """Measure every candidate of the pool `passes` times; then report how each stands.

        Those that live changes suffice for go first and cost no restart. A candidate that cannot
        be put into effect is out. Raises `DevstackError` when the reference itself fails.
        """
        self._number += 1
        emit(AutoRound(self._number, len(pool), detail))
        for turn in range(passes):
            for restart in (False, True):
                part = [
                    one for one in pool if not one.dropped and self.needs_restart(one) == restart
                ]
                await self._pass(reference, part[:: -1 if turn % 2 else 1], restart, emit)
        for one in pool:
            reason = one.dropped or ("" if one.ratios else "no time was left") or one.why
            emit(
                AutoCandidate(
                    self._number,
                    one.labelled_changes,
                    one.ratio,
                    len(one.ratios),
                    one.ahead,
                    reason,
                )
            )

    async def _pass(
        self, reference: Settings, pool: Sequence[Candidate], restart: bool, emit: Emit
    ) -> None:
        """One run of each candidate; neighbouring groups share the reference between them."""
        before: float | None = None
        for at in range(0, len(pool), GROUP):
            group = pool[at : at + GROUP]
            if not self.affords(len(group), restart):
                return
            if before is None:
                before = await self._reference(reference, restart, emit)
            found = [await self._candidate(reference, one, restart, emit) for one in group]
            after = await self._reference(reference, restart, emit)
            _settle(group, found, before, after)
            before = after

    async def _reference(self, values: Settings, restart: bool, emit: Emit) -> float:
        arm = Arm(REFERENCE, "the best so far", dict(values))
        return await self._measure(arm, restart, emit)

    async def _candidate(
        self, reference: Settings, one: Candidate, restart: bool, emit: Emit
    ) -> float | None:
        """Its throughput, or None when it is out."""
        arm = Arm(CANDIDATE, one.why, merged(reference, one))
        try:
            return await self._measure(arm, restart, emit)
        except DevstackError as error:
            one.dropped = error.message
            return None

    async def _measure(self, arm: Arm, restart: bool, emit: Emit) -> float:
        self._tried.add(tuple(sorted(arm.values.items(), key=lambda item: item[0])))
        sample = await self._runner.run(arm, self._number, 0, restart, emit)
        return sample.throughput


def _settle(
    group: Sequence[Candidate], found: Sequence[float | None], before: float, after: float
) -> None:
    """Give each candidate its ratio to the reference as it was at its place between two runs."""
    for place, (one, throughput) in enumerate(zip(group, found, strict=True), start=1):
        if throughput is not None:
            share = place / (len(group) + 1)
            there = (1 - share) * math.log(before) + share * math.log(after)
            one.ratios.append(throughput / math.exp(there))


def best_half(pool: Sequence[Candidate], at_least: int = 1) -> list[Candidate]:
    """The better half of those that beat the reference, the best first."""
    ahead = [one for one in pool if one.ahead]
    ahead.sort(key=lambda one: one.ratio or 0, reverse=True)
    return ahead[: max(at_least, math.ceil(len(pool) / 2))]


def merged(reference: Settings, candidate: Candidate) -> dict[str, str | None]:
    """The reference with a candidate's changes."""
    return {**reference, **candidate.changes}
