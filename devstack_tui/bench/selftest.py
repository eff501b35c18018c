"""The gate's test of itself: it stays quiet when nothing changed, and sees a real slowdown.

Twenty times the same is measured twice and judged: each FAIL is a false alarm. Then the servers are
held still for half of the time, by SIGSTOP and SIGCONT, and the gate must FAIL. Its runs are not
kept: they are shorter than the workload, and some of them are slow on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Iterator, Sequence

import msgspec

from devstack_tui.bench import baseline, gate, thresholds
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import BenchEvent, RegressDone, RunEnded, RunResult
from devstack_tui.bench.regress import SELF_TEST, keep
from devstack_tui.bench.runner import Runner
from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.core.check import Result, Status, exit_code, verdict
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.stack.basis import look
from devstack_tui.stack.stack import Stack

GATES = 20
SECONDS = {"full": 3, "quick": 1, "smoke": 1}
FALSE_ALARMS = 0.05
"""The stated rate: at most this share of gates may FAIL when nothing changed."""
HELD = 0.5
"""The share of the time that the servers are held still. A third is too little to be surely 30 %
slower: servers that waited for their clients before have that much to spare."""
PERIOD_S = 0.03


async def self_test(stack: Stack, size: str) -> AsyncGenerator[BenchEvent | RegressDone, None]:
    """The events of its runs, then the verdict on the gate itself."""
    started = time.monotonic()
    rules = thresholds.load()
    check = rules.self_tested
    (entry,) = Catalogue().choose([check.workload])
    entry = _shortened(entry, size)
    prints = baseline.fingerprints(stack, [entry], size)
    rests = await asyncio.to_thread(look, stack)
    total = (GATES + 1) * rules.runs
    samples: list[float] = []
    held: list[float] = []
    runs = Runner(stack, prints, keep=False).run([entry], size, total)
    async with contextlib.aclosing(runs) as events:
        async for event in events:
            if isinstance(event, RunEnded):
                samples.append(_good(event).throughput)
                yield event
    with _slowed(stack, entry):
        events = Runner(stack, prints, keep=False).run([entry], size, rules.runs)
        async with contextlib.aclosing(events):
            async for event in events:
                if isinstance(event, RunEnded):
                    held.append(_good(event).throughput)
                    yield event
    sets = [samples[i : i + rules.runs] for i in range(0, total, rules.runs)]

    def judge(before: Sequence[float], after: Sequence[float]) -> Result:
        return gate.throughput(
            check,
            before=before,
            after=after,
            unit=entry.workload.unit,
            tolerance=rules.tolerance,
            confidence=rules.confidence,
        )

    quiet = [judge(a, b) for a, b in itertools.pairwise(sets)]
    results = [_quiet(quiet), _caught(judge(sets[-1], held))]
    found = verdict(results)
    seconds = time.monotonic() - started
    done = RegressDone(found, tuple(results), exit_code(found), seconds)
    keep(stack, SELF_TEST, size, done, rests)
    yield done


def _shortened(entry: Entry, size: str) -> Entry:
    params = dict(entry.sizes.params(size))
    params["seconds"] = min(float(params["seconds"]), SECONDS[size])
    return msgspec.structs.replace(
        entry, sizes=msgspec.structs.replace(entry.sizes, **{size: params})
    )


def _good(event: RunEnded) -> RunResult:
    if event.result.problem:
        raise DevstackError(
            f"the self-test could not measure: {event.result.problem}",
            "look at `devstack-tui status`",
        )
    return event.result


def _quiet(found: Sequence[Result]) -> Result:
    alarms = [result for result in found if result.status is Status.FAIL]
    passed = sum(result.status is Status.PASS for result in found)
    evidence = (
        f"{len(alarms)} of {len(found)} gates failed although nothing changed, {passed} passed, "
        f"{len(found) - passed - len(alarms)} were inconclusive (allowed: {FALSE_ALARMS:.0%} fail)"
    )
    status = Status.PASS if len(alarms) <= FALSE_ALARMS * len(found) else Status.FAIL
    return Result("selftest.quiet", "A/A gates stay quiet", status, evidence)


def _caught(found: Result) -> Result:
    status = Status.PASS if found.status is Status.FAIL else Status.FAIL
    evidence = f"servers held still {HELD:.0%} of the time: the gate said {found.status}: "
    return Result("selftest.caught", "a real slowdown is caught", status, evidence + found.evidence)


@contextlib.contextmanager
def _slowed(stack: Stack, entry: Entry) -> Iterator[None]:
    """Hold the service's processes still for a part of each moment; then let them go."""
    engine = stack.engine()
    running = [unit.unit for unit in engine.units(entry.service) if unit.running]
    held = engine.aim(entry.service, running, Fault.FREEZE)
    journal = Journal(stack.paths.bench_journal)
    intent = journal.begin("throttle", entry.service.name, **held.undo)
    task = asyncio.create_task(_throttle(engine, held))
    try:
        yield
    finally:
        task.cancel()
        engine.undo(held)
        journal.end(intent)


async def _throttle(engine: Engine, held: Handle) -> None:
    while True:
        engine.inject(held)
        await asyncio.sleep(PERIOD_S * HELD)
        engine.undo(held)
        await asyncio.sleep(PERIOD_S * (1 - HELD))
