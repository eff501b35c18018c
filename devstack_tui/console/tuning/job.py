"""The tuning as jobs, one at a time, and the parameters that they change.

An apply or a revert goes on when the console closes; an A/B, a cost or a search is cancelled then,
and restores what it changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from devstack_tui.console.bench.model import Listing, Workload
from devstack_tui.console.pane_jobs import Jobs, PaneJob, ask
from devstack_tui.console.tuning.argv import (
    TuningRequest,
    dropping,
    importing,
    planning,
    saving,
    setting,
)
from devstack_tui.contracts.tunable import DEFAULT
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning.events import (
    AbDone,
    AbPair,
    AbPlanned,
    AbReport,
    AbRun,
    AbTick,
    AutoDone,
    CostDone,
    CostReport,
    ImportedProfile,
    Show,
    TuneDone,
    TuneEvent,
    TunePlanned,
)

SHOW_S = 30.0
_LAST: dict[str, type] = {
    "apply": TuneDone,
    "revert": TuneDone,
    "ab": AbDone,
    "cost": CostDone,
    "auto": AutoDone,
}
Done = TuneDone | AbDone | CostDone | AutoDone


@dataclass(slots=True)
class TuningJob(PaneJob[TuningRequest]):
    """One job: what its events so far amount to."""

    events: list[TuneEvent] = field(default_factory=list)
    """All of them but the seconds of the runs."""
    ab: AbPlanned | None = None
    """The A/B that runs, or ran last."""
    run: AbRun | None = None
    phase_since: float = 0.0
    pairs: list[AbPair] = field(default_factory=list)
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """The last run of arm `a` and of arm `b`: second and throughput."""
    report: AbReport | None = None
    EVENTS: ClassVar[Any] = TuneEvent

    @property
    def failed(self) -> bool:
        """Whether it ended without doing what it was for; an open verdict is no failure."""
        if self.error is not None or self.done is None:
            return not self.running and not self.stopping
        report = self.report if self.request.what == "ab" else None
        return self.done.exit_code != 0 and report is None and not self.stopping

    def fold(self, event: TuneEvent, now: float) -> bool:
        """Fold one event in; another second of the same run need not be shown at once."""
        if isinstance(event, AbTick):
            line_of_arm = self.seconds.setdefault(event.arm, [])
            line_of_arm.append((float(event.second), event.throughput))
            return len(line_of_arm) == 1
        self.events.append(event)
        match event:
            case AbPlanned():
                self.ab, self.report = event, None
                self.pairs, self.seconds = [], {}
            case AbRun():
                self.run, self.phase_since = event, now
                self.seconds[event.arm] = []
            case AbPair():
                self.pairs.append(event)
            case AbDone():
                self.report = event.report
        if isinstance(event, _LAST[self.request.what]):
            self.done = event
        return True


class TuningJobs(Jobs[TuningRequest, TuningJob]):
    """The one place that changes parameters."""

    REQUEST, JOB = TuningRequest, TuningJob
    VERBS = frozenset(f"tune {what}" for what in _LAST)
    GRACE_S = 60.0
    last_ab: TuningJob | None = None
    """The last A/B or search since the console opened."""
    show: Show | None = None
    trouble: DevstackError | None = None
    """Why the parameters could not be read the last time."""
    costs: dict[str, CostReport]
    """The last cost of each service since the console opened."""
    putting = 0
    put_at = 0.0
    """When the last value was put, Unix time in seconds: an older status may call that busy."""
    """How many times values are on their way into pending."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.costs = {}
        self._reading = asyncio.Lock()
        self._waiting = False
        """Whether somebody waits to read the parameters: who comes then need not."""

    def keep(self, job: TuningJob) -> None:
        """Keep the last A/B, and the costs that were found."""
        if job.request.what in ("ab", "auto"):
            self.last_ab = job
        if isinstance(job.done, CostDone):
            self.costs |= {report.service: report for report in job.done.reports}

    def forget(self) -> None:
        """No value of it, no A/B, no cost."""
        super().forget()
        self.show, self.trouble, self.last_ab, self.costs = None, None, None, {}

    # --- the parameters ------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the parameters; what is asked while one reading waits for another is one more."""
        if self._waiting:
            return
        self._waiting = True
        async with self._reading:
            self._waiting = False
            try:
                self.show = await ask(self.cli, Show, "tune", "show", timeout=SHOW_S)
                self.trouble = None
            except DevstackError as error:
                self.trouble = error
        self.on_change(None, True)

    async def put(self, service: str, values: Mapping[str, str]) -> None:
        """Put values of one service into pending; `load` then reads them.

        Errors: `DevstackError`, which names the value; nothing is pending then that was not.
        """
        async with self.together():
            await self.cli.ask(*setting(service, values))
            self._expect(service, values)

    @contextlib.asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Values are on their way into pending: nothing is to be applied before the last one."""
        self.putting += 1
        self.on_change(None, True)
        try:
            yield
        finally:
            self.putting -= 1
            self.put_at = time.time()
            self.on_change(None, True)

    async def drop_all(self) -> None:
        """Take all that is pending away. Errors: `DevstackError`."""
        await self.cli.ask(*dropping())

    async def save(self, name: str, source: str) -> None:
        """Save what is `current` or `pending` as profile `name`. Errors: `DevstackError`."""
        await self.cli.ask(*saving(name, source))

    async def import_profile(self, path: str, name: str) -> ImportedProfile:
        """Make the profile `name` of a configuration file. Errors: `DevstackError`."""
        return await ask(self.cli, ImportedProfile, *importing(path, name))

    def _expect(self, service: str, values: Mapping[str, str]) -> None:
        """What is pending now, before it is read again: the screen need not wait for that."""
        if self.show is None:
            return
        rows = []
        for row in self.show.parameters:
            if row.service != service or row.name not in values:
                rows.append(row)
                continue
            text = values[row.name]
            pending = None if text == (row.tuned or DEFAULT) else text
            real = row.default if pending == DEFAULT else pending
            restart = row.apply == "restart" and real not in (None, row.effective)
            rows.append(msgspec.structs.replace(row, pending=pending, restart=restart))
        self.show = msgspec.structs.replace(self.show, parameters=tuple(rows))
        self.on_change(None, True)

    async def plan(self, order: TuningRequest) -> TunePlanned:
        """The dry run of an apply or a revert. Errors: `DevstackError`."""
        answer = await self.cli.ask(*planning(order))
        for line in answer.splitlines():
            with contextlib.suppress(ValueError):
                event = codec.decode(line, TuneEvent)
                if isinstance(event, TunePlanned):
                    return event
                if isinstance(event, TuneDone) and event.message:
                    raise DevstackError(event.message, event.remedy)
        raise DevstackError(f"{order.title} gave no plan")

    async def workloads(self) -> tuple[Workload, ...]:
        """What an A/B can be measured with. Errors: `DevstackError`."""
        return (await ask(self.cli, Listing, "bench", "list")).workloads
