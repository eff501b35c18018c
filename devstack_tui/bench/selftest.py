"""The gate's test of itself: it stays quiet when nothing changed, and sees a real slowdown.

Twenty times the same is measured twice and judged: a FAIL is a false alarm. Then the servers are
held still, by SIGSTOP and SIGCONT, for as much of the time as takes 30 % (and 50 %) off what they
count themselves, and the gate must FAIL. Its runs are not kept: they are shorter than the workload,
and some of them are slow on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Sequence

import msgspec

from devstack_tui.bench import baseline, canary, gate, thresholds
from devstack_tui.bench.adjust import WITHIN, Adjusted, adjust
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import BenchEvent, RegressDone, RunEnded, RunResult, RunStarted
from devstack_tui.bench.hold import Hold, Pulse
from devstack_tui.bench.regress import SELF_TEST, keep
from devstack_tui.bench.runner import Runner
from devstack_tui.core.check import Result, Status, exit_code, verdict
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import to_end
from devstack_tui.stack.basis import look
from devstack_tui.stack.stack import Stack

GATES = 20
QUIET = 15
"""So many of the gates must PASS when nothing changed, and none may FAIL."""
SECONDS = {"full": 3.0, "quick": 1.0, "smoke": 1.0}
"""How long a run lasts at most, by its size: the verdict is on the gate, not on a server."""
CUTS = {"selftest.caught": 0.30, "selftest.caught_half": 0.50}
"""What is taken off the servers' rate, by the check."""
EMPTIED_S = 2.0
ADJUSTING_S = 300.0
"""The run under which the hold is adjusted ends when it is."""


async def self_test(stack: Stack, size: str) -> AsyncGenerator[BenchEvent | RegressDone, None]:
    """The events of its runs, then the verdict on the gate itself.

    Raises `DevstackError` when the workload cannot be measured.
    """
    started = time.monotonic()
    test = SelfTest(stack, size)
    rests = await asyncio.to_thread(look, stack)
    before = await asyncio.to_thread(canary.measure, stack.paths.root)
    async with contextlib.aclosing(test.measure()) as events:
        async for event in events:
            yield event
    after = await asyncio.to_thread(canary.measure, stack.paths.root)
    results = test.results(before, after)
    found = verdict(results)
    done = RegressDone(found, results, exit_code(found), time.monotonic() - started, size)
    keep(stack, SELF_TEST, size, done, rests)
    yield done


class SelfTest:
    """Its measurements, and what they say. `workload` is that of another check than declared."""

    def __init__(self, stack: Stack, size: str, workload: str = "", gates: int = GATES) -> None:
        self._stack = stack
        self._size = size
        self._gates = gates
        self._rules = thresholds.load()
        self.check = self._rules.throughput_of(workload) if workload else self._rules.self_tested
        (entry,) = Catalogue().choose([self.check.workload])
        self._entry = _lasting(entry, size, SECONDS[size])
        self._prints = baseline.fingerprints(stack, [entry], size)
        self.samples: list[float] = []
        self.held: dict[str, tuple[Adjusted, list[float]]] = {}
        self.problems: dict[str, str] = {}

    async def measure(self) -> AsyncGenerator[BenchEvent, None]:
        """The events of all runs."""
        total = (self._gates + 1) * self._rules.runs
        async with contextlib.aclosing(self._runs(self._entry, total)) as events:
            async for event in events:
                if isinstance(event, RunEnded):
                    self.samples.append(good(event).throughput)
                    yield event
        with Hold(self._stack, self._entry.service) as hold:
            for id, cut in CUTS.items():
                async with contextlib.aclosing(self._cut(hold, id, cut)) as events:
                    async for event in events:
                        yield event

    async def _cut(self, hold: Hold, id: str, cut: float) -> AsyncGenerator[BenchEvent, None]:
        """As many runs as a gate makes, with so much taken off the servers' rate."""
        entry, service = _lasting(self._entry, self._size, ADJUSTING_S), self._entry.service
        found: Adjusted | None = None
        async with contextlib.aclosing(self._runs(entry, 1)) as events:
            async for event in events:
                if isinstance(event, RunEnded):
                    good(event)  # it ended by itself, which it does only with a problem
                if isinstance(event, RunStarted) and event.phase == "running":
                    yield event
                    counter = self.check.counter
                    try:
                        found = await to_end(adjust(hold, self._stack, service, counter, cut))
                    except DevstackError as error:
                        self.problems[id] = error.message
                    break
        if found is None:
            hold.pulse = None
            return
        hold.pulse = Pulse.of_share(found.share)
        samples: list[float] = []
        async with contextlib.aclosing(self._runs(self._entry, self._rules.runs)) as events:
            async for event in events:
                if isinstance(event, RunEnded):
                    samples.append(good(event).throughput)
                    yield event
        hold.pulse = None
        self.held[id] = (found, samples)

    def _runs(self, entry: Entry, runs: int) -> AsyncGenerator[BenchEvent, None]:
        return Runner(self._stack, self._prints, keep=False).run([entry], self._size, runs)

    def results(self, before: canary.Canary, after: canary.Canary) -> tuple[Result, ...]:
        """What the gate says of what was measured, and whether that is right."""
        runs, limits = self._rules.runs, self._rules.canary
        sets = [self.samples[i : i + runs] for i in range(0, len(self.samples), runs)]
        moved = after.moved(before, limits.cpu, limits.fsync)
        results = [judge_quiet([self._judge(a, b) for a, b in itertools.pairwise(sets)], moved)]
        for id in CUTS:
            if id in self.held:
                adjusted, samples = self.held[id]
                found = self._judge(sets[-1], samples)
                results.append(judge_caught(id, adjusted, found, moved, self.check.counter))
            else:
                why = self.problems.get(id, "it was not run")
                results.append(Result(id, title_of(id), Status.INCONCLUSIVE, why))
        made = f" (size {self._size}, runs of {SECONDS[self._size]:g} s of {self.check.workload})"
        return tuple(msgspec.structs.replace(one, evidence=one.evidence + made) for one in results)

    def _judge(self, before: Sequence[float], after: Sequence[float]) -> Result:
        return gate.throughput(
            self.check,
            before=before,
            after=after,
            unit=self._entry.workload.unit,
            tolerance=self._rules.tolerance,
            confidence=self._rules.confidence,
        )


def title_of(id: str) -> str:
    """Of a check of the self-test that takes something off the rate."""
    return f"a real slowdown of {CUTS[id]:.0%} is caught"


def judge_quiet(found: Sequence[Result], moved: str = "") -> Result:
    """Whether gates are quiet while nothing changes. Pure. `moved`: why the machine itself was not
    the same: then neither a FAIL nor a PASS says anything of the gate."""
    alarms = sum(result.status is Status.FAIL for result in found)
    passed = sum(result.status is Status.PASS for result in found)
    evidence = (
        f"{passed} of {len(found)} gates passed while nothing changed (at least {QUIET} of "
        f"{GATES}), {len(found) - passed - alarms} were inconclusive, {alarms} failed (none may)"
    )
    status = Status.PASS
    if moved:
        status, evidence = Status.INCONCLUSIVE, f"{moved}: {evidence}"
    elif alarms:
        status = Status.FAIL
    elif passed * GATES < QUIET * len(found):
        status = Status.INCONCLUSIVE
        evidence += ": something else uses the machine, or its runs are too short"
    return Result("selftest.quiet", "A/A gates stay quiet", status, evidence)


def judge_caught(
    id: str, adjusted: Adjusted, found: Result, moved: str = "", counter: str = ""
) -> Result:
    """Whether the gate saw what the servers' own counter shows. Pure. PASS is missed; what it
    could not decide it did not catch, and did not miss either."""
    evidence = (
        f"held still {adjusted.share:.0%} of the time: the server's own counter ({counter}) shows "
        f"{adjusted.kept - 1:+.1%} (wanted {-CUTS[id]:+.0%} ± {WITHIN:.0%}), and the gate said "
        f"{found.status}: {found.evidence}"
    )
    statuses = {Status.FAIL: Status.PASS, Status.PASS: Status.FAIL}
    status = statuses.get(found.status, Status.INCONCLUSIVE)
    if moved:
        status, evidence = Status.INCONCLUSIVE, f"{moved}: {evidence}"
    return Result(id, title_of(id), status, evidence)


def good(event: RunEnded) -> RunResult:
    """The run. Raises `DevstackError` when it is no measurement."""
    if event.result.problem:
        raise DevstackError(
            f"the self-test could not measure: {event.result.problem}",
            "look at `devstack-tui status`",
        )
    return event.result


def _lasting(entry: Entry, size: str, seconds: float) -> Entry:
    """The same workload for another time; a longer one only where it is to be adjusted under."""
    params = dict(entry.sizes.params(size))
    if seconds == ADJUSTING_S:
        # What is inserted meanwhile is removed so often that it is in each count alike.
        params |= {"seconds": seconds, "window": EMPTIED_S}
    else:
        params["seconds"] = min(float(params["seconds"]), seconds)
    return msgspec.structs.replace(
        entry, sizes=msgspec.structs.replace(entry.sizes, **{size: params})
    )
