"""`regress`: measure what the gate needs, with a canary before and after, and judge it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from functools import partial

import msgspec

from devstack_tui.bench import baseline, canary, gate, thresholds
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import BenchDone, BenchEvent, RegressDone, RunEnded, RunResult
from devstack_tui.bench.runner import Runner
from devstack_tui.contracts import sizes
from devstack_tui.core.check import Result, Status, exit_code, verdict
from devstack_tui.core.errors import NotInstalledError, command
from devstack_tui.core.fingerprint import Fingerprint, host
from devstack_tui.core.history import History
from devstack_tui.stack.basis import Basis, look, stamped
from devstack_tui.stack.stack import Stack

KIND = "regress"
GATE, SELF_TEST = "gate", "self-test"
"""Of the history: its kind, and the names of what is kept."""


async def regress(stack: Stack, size: str) -> AsyncGenerator[BenchEvent | RegressDone, None]:
    """The gate's events: those of its runs, then its verdict."""
    started = time.monotonic()
    rules = thresholds.load()
    known = baseline.read(host())
    entries, absent = available(stack, Catalogue().choose(rules.workloads))
    entries, stopped = started_of(stack, entries)
    absent |= stopped
    prints = baseline.fingerprints(stack, entries, size)
    if lacking := lacks_baseline(rules, prints, known, size):
        # Not kept: a gate that measured nothing takes no other's place.
        results = gate.unjudged(rules, *lacking, absent)
        seconds = time.monotonic() - started
        found = Status.INCONCLUSIVE
        yield RegressDone(found, tuple(results), exit_code(found), seconds, size, *lacking)
        return
    rests = await asyncio.to_thread(look, stack)
    before = await asyncio.to_thread(canary.measure, stack.paths.root)
    runs: dict[str, list[RunResult]] = {}
    events = Runner(stack, prints).run(entries, size, rules.runs)
    async with contextlib.aclosing(events):
        async for event in events:
            if isinstance(event, RunEnded):
                runs.setdefault(event.result.workload, []).append(event.result)
            if not isinstance(event, BenchDone):
                yield event
    after = await asyncio.to_thread(canary.measure, stack.paths.root)
    results = gate.judge(
        rules,
        runs=runs,
        prints=prints,
        known=known,
        canaries=(before, after),
        absent=absent,
        size=size,
        published=baseline.published("minimum"),
    )
    found = verdict(results)
    seconds = time.monotonic() - started
    done = RegressDone(found, tuple(results), exit_code(found), seconds, size)
    keep(stack, GATE, size, done, rests)
    yield done


def lacks_baseline(
    rules: thresholds.Regress,
    prints: Mapping[str, Fingerprint],
    known: baseline.Baseline | None,
    size: str,
) -> tuple[str, str] | None:
    """Why no throughput could be judged, however long it is measured, and what to do about it; None
    where one can. A size that gives no verdict at all needs no baseline."""
    if sizes.no_verdict(size):
        return None
    lacking = gate.uncompared(rules, prints, known)
    if not lacking or any(
        c.workload in prints and c.workload not in lacking for c in rules.throughput
    ):
        return None
    if known is None:
        why = "no baseline is recorded for this host"
    else:
        why = f"nothing of this host's baseline can be compared: {next(iter(lacking.values()))}"
    record = " ".join(["devstack-tui bench record", *sizes.words(size)])
    return f"{why}: nothing was measured", f"`{record}` records what this host gives now"


def keep(stack: Stack, name: str, size: str, done: RegressDone, rests: Basis | None = None) -> None:
    """Put the end of a gate, or of its self-test, into the stack's history, with what it rests on.

    Raises `DevstackError` when the history cannot be written.
    """
    History.of(stack.paths).add(
        KIND,
        uuid.uuid4().hex[:12],
        name,
        size,
        done.at - done.seconds,
        host().digest(),
        stamped(msgspec.json.encode(done), rests),
    )


def available(stack: Stack, entries: list[Entry]) -> tuple[list[Entry], dict[str, str]]:
    """The workloads that can run here, and why the others cannot."""
    here, absent = [], {}
    engine = stack.engine()
    for entry in entries:
        try:
            engine.locate(entry.service)
            entry.workload.engine(partial(engine.client, entry.service))
        except NotInstalledError as error:
            absent[entry.name] = error.message
        else:
            here.append(entry)
    return here, absent


def started_of(stack: Stack, entries: list[Entry]) -> tuple[list[Entry], dict[str, str]]:
    """The workloads of services that should run, and why the others have nothing to measure. One
    that should run and does not stays: that is a result."""
    here, stopped = [], {}
    engine = stack.engine()
    for entry in entries:
        if engine.units(entry.service):
            here.append(entry)
        else:
            up = command(stack.name, "up", entry.service.name)
            stopped[entry.name] = f"{entry.service.name} is stopped: `{up}` starts it"
    return here, stopped


def interrupted(*, self_test: bool) -> list[Result]:
    """The results of a gate, or of its self-test, that was not left to come to its end."""
    why = "interrupted before it was judged"
    if self_test:
        return [Result(SELF_TEST, "the gate's test of itself", Status.INCONCLUSIVE, why)]
    return gate.unjudged(thresholds.load(), why)
