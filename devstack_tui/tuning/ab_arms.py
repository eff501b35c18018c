"""Arms of a comparison, and what runs them one after another.

The run is the sample. Before every run its arm is put into effect; when the arms differ in a
parameter that needs a restart, the service is restarted before every run, whichever arm it is, so
that none of them ever meets a warmer server. The workload makes its data anew for each.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from devstack_tui.contracts.workload import Tick
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning import verdicts
from devstack_tui.tuning.events import AbPlanned, AbRun, AbTick, Change, Emit, Note, RunTiming
from devstack_tui.tuning.measure import Measurer, Sample
from devstack_tui.tuning.reports import EarlierRuns

Settings = Mapping[str, str | None]
"""Canonical texts by parameter of one service; None is the server's default."""

OVERHEAD_S = 0.3
"""What a run takes beside its measurer's own estimate, about: locks, and what it depends on."""
APPLY_S = 0.7
"""What an arm takes about that is put into effect while the server runs."""
RESTART_S = (2.5, 1.2)
"""What one takes about that needs a restart: of the first unit, of each further one. All of this is
for the first plan alone: what was measured before takes its place."""


class Applier(Protocol):
    """What puts parameters of one service into effect."""

    async def apply(self, values: Settings, restart: bool) -> None:
        """Make `values` effective and read back; with `restart` the service was restarted when
        this returns. Raises `DevstackError` when they did not take; the last good configuration
        is then back."""


class Arm(msgspec.Struct, frozen=True):
    """One side: `key` is how its events call it (`a`, `b`), `title` what a user calls it."""

    key: str
    title: str
    values: dict[str, str | None]


class FailedRunError(DevstackError):
    """A run that failed twice in succession."""


class ArmRunner:
    """Runs arms of one workload; `past` is what earlier runs of it showed."""

    def __init__(
        self,
        measurer: Measurer,
        applier: Applier,
        workload: str,
        size: str,
        *,
        past: EarlierRuns = EarlierRuns(),  # noqa: B008 - frozen
        units: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workload = workload
        self.size = size
        self._measurer = measurer
        self._applier = applier
        self.service = measurer.service(workload)
        self.fingerprint = measurer.fingerprint(workload, size)
        self._past = past
        self._clock = clock
        first, further = RESTART_S
        usual = {False: APPLY_S, True: first + further * (units - 1)}
        self._usual = usual | past.applying_s
        self._applying: dict[bool, list[float]] = {True: [], False: []}
        self._measuring: list[float] = []

    def run_s(self, restart: bool) -> float:
        """About how long one run takes, its arm and the restart included; seconds."""
        timing = self.timing(restart)
        return timing.applying_s + timing.measuring_s

    def timing(self, restart: bool) -> RunTiming:
        """The same in its parts: of this runner's own runs, else of earlier ones, else a guess."""
        applying = statistics.fmean(self._applying[restart] or [self._usual[restart]])
        measuring = self._past.measuring_s
        if measuring is None or self._measuring:
            own = self._measurer.seconds(self.workload, self.size) + OVERHEAD_S
            measuring = statistics.fmean(self._measuring or [own])
        return RunTiming(restart, applying, measuring)

    def plan(
        self,
        a: str,
        b: str,
        changes: tuple[Change, ...],
        pairs: int,
        *,
        expected_s: float,
        margin: float,
        command: str = "",
        most_pairs: int | None = None,
    ) -> AbPlanned:
        """What an A/B of the profiles `a` and `b` in so many pairs will be."""
        return AbPlanned(
            workload=self.workload,
            size=self.size,
            unit=self._measurer.unit(self.workload),
            a=a,
            b=b,
            changes=changes,
            pairs=pairs,
            expected_s=expected_s,
            detectable=verdicts.detectable(self._past.spread, pairs, margin),
            margin=margin,
            command=command,
            most_pairs=most_pairs or pairs,
        )

    async def run(self, arm: Arm, pair: int, pairs: int, restart: bool, emit: Emit) -> Sample:
        """One run of `arm`, reported as number `pair` of `pairs`; repeated once if it fails.

        Raises `FailedRunError` when that fails as well, and `DevstackError` when the arm cannot
        be put into effect.
        """
        problem = ""
        for _ in range(2):
            sample = await self._once(arm, pair, pairs, restart, emit)
            if not sample.problem:
                return sample
            problem = sample.problem
            emit(Note(f"a run of {arm.title} failed: {problem}"))
        raise FailedRunError(
            f"two runs of {arm.title} failed one after the other: {problem}",
            f"`devstack-tui bench run {self.workload}` shows it alone",
        )

    async def _once(self, arm: Arm, pair: int, pairs: int, restart: bool, emit: Emit) -> Sample:
        emit(AbRun(pair, arm.key, "applying", pairs, arm.title))
        began = self._clock()
        await self._applier.apply(arm.values, restart)
        applied = self._clock()
        self._applying[restart].append(applied - began)
        sample = Sample(0.0, None, "", problem="it ended without a measurement")
        try:
            runs = self._measurer.run(self.workload, self.size)
            async with contextlib.aclosing(runs) as events:
                async for event in events:
                    if isinstance(event, Sample):
                        sample = event
                    elif isinstance(event, Tick):
                        second = msgspec.structs.asdict(event)
                        emit(AbTick(pair=pair, arm=arm.key, **second))
                    else:
                        emit(AbRun(pair, arm.key, event, pairs, arm.title))
        except DevstackError as error:
            return Sample(0.0, None, "", problem=str(error))
        if not sample.problem and sample.throughput <= 0:
            return msgspec.structs.replace(sample, problem="nothing was measured")
        if not sample.problem:
            self._measuring.append(self._clock() - applied)
        return sample
