"""The gate as `check prove` runs it: one workload, whose servers are held still by a sabotage."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager

from devstack_tui.bench import baseline, canary, gate, thresholds
from devstack_tui.bench.baseline import Baseline, BaselineWorkload
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import RunEnded, RunResult
from devstack_tui.bench.hold import Hold, Pulse
from devstack_tui.bench.runner import Runner
from devstack_tui.bench.thresholds import GateCheck, LatencyCheck
from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.proof import ProvenRun, RunCheck, RunSabotage, Statuses
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.fingerprint import host
from devstack_tui.stack.stack import Stack

SIZE = "quick"
SHARE = 0.75
"""So much of the time a server is held still whose throughput must be seen to fall: what its
client does meanwhile is not lost."""
BEYOND = 1.5
"""A reply is held back for so many times the limit of its 95th percentile …"""
BETWEEN = 5.0
"""… and then as many go through as take so many times the usual reply: of those that are under way
at any time all wait, so that about one in six is late, and one in twenty would be enough."""
LEAST_S = 0.002
LATENCY_RUNS = 2
"""A limit needs no ratio: so many runs have samples enough."""
ALL = "perf.09"
FILES = (
    *("configs/thresholds.toml", "devstack_tui/core/stats.py", "devstack_tui/core/histogram.py"),
    *(f"devstack_tui/bench/{name}.py" for name in ("gate", "canary", "thresholds", "hold")),
    "devstack_tui/bench/proving.py",
)


def late(limit_ms: float, usual_ms: float) -> Pulse:
    """What pushes a 95th percentile over its limit while every reply comes. Pure."""
    return Pulse(BEYOND * limit_ms / 1000, max(LEAST_S, BETWEEN * usual_ms / 1000))


class GateProof:
    """See `contracts.proof.ProvenRun`. What it compares with is what it measured at first."""

    files = FILES

    def __init__(self) -> None:
        self._rules = thresholds.load()
        every = Catalogue().entries
        self._checks = {check.id: check for check in self._rules.checks}
        self._entries: dict[str, Entry] = {
            check.id: every[check.workload] for check in self._rules.checks
        }
        titles = {check.id: check.title for check in self._rules.checks}
        titles[ALL] = "all of them together"
        self.checks = tuple(
            RunCheck(id, title, "regression", ("regress",)) for id, title in titles.items()
        )
        self.sabotages = tuple(self._sabotage(check) for check in self._rules.checks)
        self._known: dict[str, Baseline] = {}
        self._usual_ms: dict[str, float] = {}

    def _sabotage(self, check: GateCheck) -> RunSabotage:
        service = self._entries[check.id].service
        what = f"the replies of {service.title} are late"
        if not isinstance(check, LatencyCheck):
            what = f"the servers of {service.title} are held still {SHARE:.0%} of the time"
        return RunSabotage(
            id=f"{check.id}.{'late' if isinstance(check, LatencyCheck) else 'slow'}",
            title=what,
            turns=check.id,
            apply=_nothing,
            given={"workload": check.workload},
            expects=(ALL,),
            needs=(service.name,),
        )

    async def run(
        self, stack: str, like: RunSabotage, broken: SabotageStack | None
    ) -> AsyncGenerator[str | Statuses, None]:
        """See the Protocol."""
        made = Stack(stack)
        check = self._checks[like.turns]
        entry = self._entries[like.turns]
        if check.workload not in self._known:
            yield "the baseline"
            await self._record(made, check, entry)
        yield f"{check.workload}, {SIZE}"
        before = await asyncio.to_thread(canary.measure, made.paths.root)
        with self._force(made, check, entry) if broken is not None else contextlib.nullcontext():
            runs = await self._measure(made, check, entry)
        after = await asyncio.to_thread(canary.measure, made.paths.root)
        results = gate.judge(
            self._rules,
            runs={check.workload: runs},
            prints=baseline.fingerprints(made, [entry], SIZE),
            known=self._known[check.workload],
            canaries=(before, after),
            absent={
                other.workload: "it is not what is broken"
                for other in self._rules.checks
                if other.workload != check.workload
            },
            size=SIZE,
        )
        for result in results:
            if result.id in (check.id, ALL):
                yield f"{result.status} {result.id}: {result.evidence}"
        yield {result.id: result.status for result in results}

    async def _record(self, stack: Stack, check: GateCheck, entry: Entry) -> None:
        before = await asyncio.to_thread(canary.measure, stack.paths.root)
        runs = await self._measure(stack, check, entry)
        recorded = BaselineWorkload(
            SIZE,
            entry.workload.unit,
            tuple(run.throughput for run in runs),
            baseline.fingerprints(stack, [entry], SIZE)[entry.name],
        )
        self._known[check.workload] = Baseline(
            host(), time.time(), before, {check.workload: recorded}
        )
        self._usual_ms[check.id] = runs[0].latency_ms.p50

    async def _measure(self, stack: Stack, check: GateCheck, entry: Entry) -> list[RunResult]:
        """Raises `DevstackError` for a run that is no measurement."""
        number = LATENCY_RUNS if isinstance(check, LatencyCheck) else self._rules.runs
        prints = baseline.fingerprints(stack, [entry], SIZE)
        found: list[RunResult] = []
        events = Runner(stack, prints, keep=False).run([entry], SIZE, number)
        async with contextlib.aclosing(events):
            async for event in events:
                if isinstance(event, RunEnded):
                    if event.result.problem:
                        raise DevstackError(f"{entry.name}: {event.result.problem}")
                    found.append(event.result)
        return found

    @contextlib.contextmanager
    def _force(self, stack: Stack, check: GateCheck, entry: Entry) -> Iterator[None]:
        with Hold(stack, entry.service) as hold:
            hold.pulse = (
                late(check.p95_ms, self._usual_ms[check.id])
                if isinstance(check, LatencyCheck)
                else Pulse.of_share(SHARE)
            )
            yield
        if hold.problem:
            raise DevstackError(f"the servers could not be held: {hold.problem}")


def _nothing(_: SabotageStack) -> AbstractContextManager[None]:
    """The hold depends on what was measured before: the run itself puts it on."""
    return contextlib.nullcontext()


def proven_runs() -> tuple[ProvenRun, ...]:
    """The gate. Raises `ConfigError` for a bad thresholds.toml or workloads.toml."""
    return (GateProof(),)
