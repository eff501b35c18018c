"""`bench list|run|record|show|compare|export` and `regress`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import io
import statistics
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from devstack_tui.bench import baseline, canary, compare, regress, selftest
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import BenchDone, BenchEvent, RegressDone, RunResult
from devstack_tui.bench.runner import Runner
from devstack_tui.cli.exports import asked, write
from devstack_tui.cli.output import narrate, print_json, say, show
from devstack_tui.cli.running import chosen, existing, follow, run_to_end, size_of
from devstack_tui.cli.text.bench import document_of, run_line, show_event
from devstack_tui.contracts.sizes import SIZES, beside, no_verdict
from devstack_tui.core import codec, junit
from devstack_tui.core.check import Result, strict
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.fingerprint import host
from devstack_tui.core.history import History
from devstack_tui.stack.stack import Stack

LISTED = 200
RECORD_RUNS = 5


def run(options: argparse.Namespace) -> int:
    """Run `bench WHAT`, or `regress`."""
    stack = existing(options)
    if options.verb == "regress":
        return run_to_end(_regress(stack, options))
    verbs = (_list, _run, _record, _show, _compare, _export)
    return chosen(options, *verbs)(stack, options)


# -- looking -------------------------------------------------------------------------------


def _list(stack: Stack, options: argparse.Namespace) -> int:
    entries = Catalogue().choose([])
    here, absent = regress.available(stack, entries)
    for entry in here:
        units = stack.engine().units(entry.service)
        if not any(unit.running for unit in units):
            absent[entry.name] = f"{entry.service.name} is {'down' if units else 'stopped'}"
    workloads = [
        {
            "name": entry.name,
            "title": entry.sizes.title,
            "service": entry.service.name,
            "unit": entry.workload.unit,
            "available": entry.name not in absent,
            "reason": absent.get(entry.name, ""),
            "sizes": list(SIZES),
        }
        for entry in entries
    ]
    bands, refused = _bands(stack, here)
    history = History.of(stack.paths)
    runs = [
        msgspec.structs.replace(codec.decode(row.document, RunResult), ticks=())
        for row in history.list("bench", limit=LISTED)
    ]
    if options.json:
        print_json(
            {
                **{"workloads": workloads, "runs": runs, "baseline": bands},
                **{"not_comparable": refused, "published": baseline.published("minimum")},
                "notes": history.notes,
            }
        )
        return 0
    for one in workloads:
        reason = f"  ({one['reason']})" if one["reason"] else ""
        say(f"{one['name']:<24} {one['title']}{reason}")
    for note in history.notes:
        narrate(note)
    for name, reason in refused.items():
        narrate(f"baseline of {name}: {reason}")
    if refused:
        narrate("`devstack-tui bench record` records what this host gives now")
    if runs:
        say()
    for result in runs[:20]:
        say(run_line(result))
    return 0


def _bands(
    stack: Stack, here: list[Entry]
) -> tuple[dict[str, dict[str, float | str]], dict[str, str]]:
    """The baseline to draw, and why the rest of it cannot be compared with what runs now; a damaged
    one counts as none here, and `regress` reports it."""
    with contextlib.suppress(DevstackError):
        if found := baseline.read(host()):
            return _comparable(stack, here, found)
    return {}, {}


def _comparable(
    stack: Stack, here: list[Entry], found: baseline.Baseline
) -> tuple[dict[str, dict[str, float | str]], dict[str, str]]:
    bands: dict[str, dict[str, float | str]] = {}
    refused = {}
    for entry in here:
        for name, one in found.workloads.items():
            if name not in (entry.name, beside(entry.name, one.size)):
                continue
            now = baseline.fingerprints(stack, [entry], one.size)[entry.name]
            if reason := one.incomparable(now):
                # Smoke figures beside longer ones are never compared: nothing has to be done.
                if name == entry.name or not no_verdict(one.size):
                    refused[name] = reason
                continue
            bands[name] = {
                **{"median": statistics.median(one.samples), "size": one.size},
                **{"low": min(one.samples), "high": max(one.samples)},
            }
    return bands, refused


def _stored_run(stack: Stack, options: argparse.Namespace) -> RunResult:
    row = History.of(stack.paths).get(options.run, "bench")
    return codec.decode(row.document, RunResult)


def _show(stack: Stack, options: argparse.Namespace) -> int:
    result = _stored_run(stack, options)
    settings = (f"  {name} = {value}" for name, value in sorted(result.settings.items()))
    show(options, result, [run_line(result), *settings])
    return 0


def _export(stack: Stack, options: argparse.Namespace) -> int:
    result = _stored_run(stack, options)
    if options.format == "json":
        say(msgspec.json.format(msgspec.json.encode(result)).decode())
        return 0
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ["second", f"throughput ({result.unit})", "p50_ms", "p95_ms", "p99_ms", "errors"]
    )
    for tick in result.ticks:
        errors = sum(tick.errors.values())
        table.writerow([tick.second, tick.throughput, tick.p50, tick.p95, tick.p99, errors])
    print(out.getvalue(), end="")
    return 0


def _compare(stack: Stack, options: argparse.Namespace) -> int:
    found = compare.compare(stack, options.a, options.b, options.force)
    if options.json:
        print_json(found)
        return compare.exit_code(found)
    for row in found.rows:
        interval = "{:.2f} to {:.2f}".format(*row.interval) if row.interval else "no interval"
        say(
            f"{row.workload:<24} {row.a:>12,.0f} → {row.b:>12,.0f} {row.unit:<10} "
            f"× {row.ratio:.3f} ({interval})  {row.verdict}"
        )
    if found.warning:
        narrate(f"warning: {found.warning}")
    return compare.exit_code(found)


# -- measuring -----------------------------------------------------------------------------


def _run(stack: Stack, options: argparse.Namespace) -> int:
    entries = Catalogue().choose(options.workloads)
    runs = options.runs or Catalogue().runs.get(size_of(options), 3)
    return run_to_end(_measure(stack, options, entries, runs))


async def _measure(
    stack: Stack, options: argparse.Namespace, entries: list[Entry], runs: int
) -> int:
    done = await _bench(stack, options, entries, runs)
    if options.json:
        print_json(document_of(done))
    return done.exit_code


async def _bench(
    stack: Stack, options: argparse.Namespace, entries: list[Entry], runs: int
) -> BenchDone:
    """Run workloads and show their events; those that cannot run here are reported and left out."""
    here, absent = regress.available(stack, entries)
    for name, reason in absent.items():
        narrate(f"{name}: {reason}")
    if not here:
        raise DevstackError("none of these workloads can run here", "see `devstack-tui doctor`")
    size = size_of(options)
    runner = Runner(stack, baseline.fingerprints(stack, here, size))
    narrator = partial(show_event, options=options)
    done = await follow(runner.run(here, size, runs), options, narrator)
    if not isinstance(done, BenchDone):
        raise asyncio.CancelledError
    return done


def _record(stack: Stack, options: argparse.Namespace) -> int:
    return run_to_end(_recorded(stack, options))


async def _recorded(stack: Stack, options: argparse.Namespace) -> int:
    entries = Catalogue().choose(options.workloads)
    seen = await asyncio.to_thread(canary.measure, stack.paths.root)
    done = await _bench(stack, options, entries, options.runs or RECORD_RUNS)
    for one in done.summaries:
        if one.steady is False:
            narrate(f"{one.workload}: most of its runs were not steady: record it again")
    here, _ = regress.available(stack, entries)
    prints = baseline.fingerprints(stack, here, size_of(options))
    path = baseline.write(seen, done.summaries, prints)
    if options.json:
        print_json({**document_of(done), "baseline": str(path)})
    else:
        narrate(f"recorded in {path}")
    return 0


async def _regress(stack: Stack, options: argparse.Namespace) -> int:
    files = asked(options, "junit")
    size = size_of(options)
    facts = {"size": size, "decides": SIZES[size].decides}
    events = (selftest.self_test if options.self_test else regress.regress)(stack, size)
    started = time.monotonic()
    try:
        done = await _judged(events, options)
    except asyncio.CancelledError:
        checks = regress.interrupted(self_test=options.self_test)
        _put_junit(files, checks, time.monotonic() - started, facts)
        raise
    _put_junit(files, done.checks, done.seconds, facts)
    if options.json:
        nothing = {"error": done.message, "remedy": done.remedy, "exit_code": done.exit_code}
        print_json(
            {
                **{"verdict": done.verdict, "seconds": done.seconds, **facts},
                "checks": done.checks,
                **(nothing if done.message else {}),
            }
        )
    return strict(done.exit_code, done.checks) if options.strict else done.exit_code


async def _judged(
    events: AsyncGenerator[BenchEvent | RegressDone, None], options: argparse.Namespace
) -> RegressDone:
    done = await follow(events, options, partial(show_event, options=options))
    if not isinstance(done, RegressDone):
        raise asyncio.CancelledError
    return done


def _put_junit(
    files: Mapping[str, Path], checks: Sequence[Result], seconds: float, facts: Mapping[str, str]
) -> None:
    text = junit.document("regress", checks, seconds, properties=facts)
    write(dict.fromkeys(files.values(), text))
