"""The search for a better configuration of one service: which candidates meet, in which rounds.

First whole sets (what the machine calls for, a profile) against the baseline; the best of them is
the reference. Then single changes to it, by successive halving; the winners are put together one
after another, as long as that helps; at last what does not carry is dropped. Whoever calls
confirms the result with fresh runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core import stats
from devstack_tui.core.units import canonical
from devstack_tui.tuning.ab_arms import Settings
from devstack_tui.tuning.events import AutoCandidate, Emit, Note
from devstack_tui.tuning.halving import GROUP, Candidate, Rounds, best_half, merged

SINGLES_SHARE = 0.35
"""Of the time that is left: for trying each single change once."""
PRUNE_SHARE = 0.15
"""Of the time for the search: for dropping what does not carry."""
FINALISTS = 4
TINY = 0.01
"""A set that loses no more than this by dropping changes is better without them."""

Admit = Callable[[Settings], str]
"""Why values may not be tried: they would not fit or not start. Empty: they may."""


def single_changes(
    parameters: Iterable[Parameter], allowed: Callable[[Parameter, str], bool]
) -> list[Candidate]:
    """One candidate for each value worth a try: the first of every parameter before any second."""
    columns = [
        [
            Candidate({parameter.name: text}, f"{parameter.name} = {text}")
            for raw in parameter.candidates
            if allowed(parameter, text := canonical(parameter.kind, raw))
        ]
        for parameter in parameters
    ]
    return [one for row in zip_longest(*columns) for one in row if one is not None]


class Search:
    """One search. `base` has a value for every parameter that any candidate changes; `sets` and
    `singles` are changes to it. `time_left` is what is left for searching, seconds."""

    def __init__(
        self,
        rounds: Callable[[Callable[[], float]], Rounds],
        base: Settings,
        *,
        sets: Sequence[Candidate],
        singles: Sequence[Candidate],
        admit: Admit,
        time_left: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._base = dict(base)
        self._sets = list(sets)
        self._singles = list(singles)
        self._admit = admit
        self._emit = emit
        self._time_left = time_left
        self._reserve = 0.0
        self._rounds = rounds(lambda: time_left() - self._reserve)

    @property
    def configurations_measured(self) -> int:
        """How many different configurations were measured."""
        return self._rounds.configurations_measured

    async def run(self) -> dict[str, str | None]:
        """The best configuration found, over the parameters of `base`."""
        self._reserve = PRUNE_SHARE * self._time_left()
        best = self._base
        sets = self._admitted(best, self._sets)
        await self._round(best, sets, 1, "whole sets against the baseline")
        sets = best_half(sets)
        await self._round(best, sets, 1, "the better half of them again")
        best = _winner(best, sets)
        while self._singles and self._rounds.affords(GROUP, restart=False):
            best = await self._sweep(best)
        self._reserve = 0.0
        return await self._prune(best)

    async def _sweep(self, best: dict[str, str | None]) -> dict[str, str | None]:
        """Single changes to the best so far, halved; then the winners together."""
        pool = self._next_singles(best)
        if not pool:
            return best
        await self._round(best, pool, 1, "single changes to the best so far")
        pool = best_half(pool)[: FINALISTS + 2]
        await self._round(best, pool, 2, "the better half, two runs more")
        winners = best_half(pool)[:FINALISTS]
        together = self._admitted(best, _cumulative(winners))
        await self._round(best, together, 2, "the winners together")
        winners += together
        return _winner(best, winners)

    def _next_singles(self, best: Settings) -> list[Candidate]:
        """As many as there is time for; those that are left wait for a next sweep. What the best
        so far leaves alone comes before other values of what it sets."""
        fresh = self._admitted(best, self._singles)
        fresh.sort(key=lambda one: any(best[name] != self._base[name] for name in one.changes))
        seconds = SINGLES_SHARE * self._rounds.time_left()
        fitting: list[Candidate] = []
        for one in fresh:
            live = [c for c in [*fitting, one] if not self._rounds.needs_restart(c)]
            cold = len(fitting) + 1 - len(live)
            cost = self._rounds.cost(len(live), False) + self._rounds.cost(cold, True)
            if cost > seconds and fitting:
                break
            fitting.append(one)
        self._singles = fresh[len(fitting) :]
        if self._singles:
            self._emit(Note(f"{len(self._singles)} single changes wait: time for the rest first"))
        return fitting

    async def _prune(self, best: dict[str, str | None]) -> dict[str, str | None]:
        """Without the changes that do not carry: each is left out once, then all such together."""
        changed = [name for name in best if best[name] != self._base[name]]
        without = [
            Candidate({name: self._base[name]}, f"without {name} = {best[name]}")
            for name in changed
        ]
        without = self._admitted(best, without)
        if len(changed) < 2 or not self._rounds.affords(len(without), restart=True):
            return best
        await self._round(best, without, 1, "each change left out")
        idle = [one for one in without if one.ahead]
        if not idle:
            return best
        changes = {name: value for one in idle for name, value in one.changes.items()}
        together = self._admitted(best, [Candidate(changes, "without what does not carry")])
        await self._round(best, together, 2, "without all that does not carry")
        for one in together:
            if (one.ratio or 0.0) > 1 - TINY and len(changes) < len(changed):
                return merged(best, one)
        return best

    def _admitted(self, reference: Settings, pool: Iterable[Candidate]) -> list[Candidate]:
        """Those that change something and fit; the others are reported with the reason."""
        kept = []
        for one in pool:
            changes = {k: v for k, v in one.changes.items() if reference.get(k) != v}
            if not changes:
                continue
            fresh = Candidate(changes, one.why)
            if reason := self._admit(merged(reference, fresh)):
                self._emit(AutoCandidate(0, fresh.labelled_changes, None, 0, False, reason))
                continue
            kept.append(fresh)
        return kept

    async def _round(
        self, best: Settings, pool: Sequence[Candidate], passes: int, detail: str
    ) -> None:
        if pool:
            await self._rounds.round(best, pool, passes, detail, self._emit)


def _winner(best: dict[str, str | None], pool: Sequence[Candidate]) -> dict[str, str | None]:
    """The best with the changes of the candidate that beats it by most, if one does by more than
    the standard error of its runs: of many that change nothing, one is always ahead."""
    noise = stats.pooled_spread(one.ratios for one in pool) or 0.0
    for one in best_half(pool):
        if math.log(one.ratio or 1.0) > noise / math.sqrt(len(one.ratios)):
            return merged(best, one)
    return best


def _cumulative(winners: Sequence[Candidate]) -> list[Candidate]:
    """The first two winners together, the first three, and so on; one value a parameter."""
    found = []
    changes: dict[str, str | None] = {}
    for count, one in enumerate(winners, start=1):
        changes = {**one.changes, **changes}
        expected = math.prod(w.ratio or 1.0 for w in winners[:count])
        if count > 1:
            why = f"{count} winners together, × {expected:.2f} if each keeps its gain"
            found.append(Candidate(dict(changes), why))
    return found
