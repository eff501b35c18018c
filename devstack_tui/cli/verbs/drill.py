"""`drill list|plan|run|sweep|history|show|compare`."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.cli.exports import asked, write
from devstack_tui.cli.output import failure, narrate, print_json, say, show, warn
from devstack_tui.cli.running import chosen, confirm_destructive, existing, follow, run_to_end
from devstack_tui.cli.text.drill import (
    Narrator,
    compared_lines,
    listed_line,
    plan_lines,
    report_lines,
    sweep_lines,
)
from devstack_tui.contracts.drill import ConcludingDrill
from devstack_tui.core import codec, junit
from devstack_tui.core.check import strict
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.history import History
from devstack_tui.drill import timeline
from devstack_tui.drill.catalogue import Catalogue
from devstack_tui.drill.compare import compare
from devstack_tui.drill.events import DrillDone, DrillReport, SweepDone
from devstack_tui.drill.runner import KIND, Runner, refused
from devstack_tui.drill.sweep import Sweep
from devstack_tui.stack.stack import Stack

LISTED = 200
UNTOUCHED = "nothing was touched"


def run(options: argparse.Namespace) -> int:
    """Run `drill WHAT`."""
    stack = existing(options)
    verbs = (_list, _plan, _run, _sweep, _history, _show, _compare)
    return chosen(options, *verbs)(stack, options)


# -- looking -------------------------------------------------------------------------------


def _list(stack: Stack, options: argparse.Namespace) -> int:
    engine = stack.engine()
    rows: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "title": entry.drill.title,
            "service": entry.service.name,
            "faults": entry.drill.faults,
            "refused": refused(engine, entry.drill.faults),
            "victims": entry.drill.victims(engine.target(entry.service)),
            "core": isinstance(entry.drill, ConcludingDrill),
            "available": bool(engine.units(entry.service)),
            "reason": ""
            if engine.units(entry.service)
            else f"{entry.service.title} does not run in the stack {stack.name!r}",
        }
        for entry in Catalogue().entries.values()
    ]
    if options.json:
        print_json({"drills": rows})
        return 0
    for row in rows:
        reason = f"  ({row['reason']})" if row["reason"] else ""
        say(f"{row['name']:<24} {row['title']}{reason}")
        for what in ("faults", "victims"):
            say(f"{'':<24} {what}: {', '.join(row[what])}")
        for fault, why in row["refused"].items():
            say(f"{'':<24} {fault} is not possible here: {why}")
    return 0


def _plan(stack: Stack, options: argparse.Namespace) -> int:
    plan = _runner(stack, options).plan()
    show(options, plan, plan_lines(stack.name, plan))
    return 3 if plan.refusal else 0


def _history(stack: Stack, options: argparse.Namespace) -> int:
    history = History.of(stack.paths)
    name = Catalogue().choose(options.drill).name if options.drill else None
    reports = [codec.decode(row.document, DrillReport) for row in history.list(KIND, name, LISTED)]
    if options.json:
        # The course of every repeat is for `drill show`.
        short = [msgspec.structs.replace(report, repeats=()) for report in reports]
        print_json({"drills": short, "notes": history.notes})
        return 0
    for note in history.notes:
        narrate(note)
    for report in reports:
        say(listed_line(report))
    return 0


def _stored_report(stack: Stack, id: str) -> DrillReport:
    row = History.of(stack.paths).get(id, KIND)
    return codec.decode(row.document, DrillReport)


def _show(stack: Stack, options: argparse.Namespace) -> int:
    report = _stored_report(stack, options.id)
    _export(report, asked(options, "svg"))
    show(options, report, report_lines(report))
    return 0


def _compare(stack: Stack, options: argparse.Namespace) -> int:
    found = compare(_stored_report(stack, options.a), _stored_report(stack, options.b))
    show(options, found, compared_lines(found))
    return 0


# -- drilling ------------------------------------------------------------------------------


def _runner(stack: Stack, options: argparse.Namespace) -> Runner:
    return Runner(
        stack,
        Catalogue().choose(options.drill),
        fault=options.fault,
        victim=options.victim,
        repeats=options.repeat,
        command=shlex.join(["devstack-tui", *sys.argv[1:]]),
    )


def _run(stack: Stack, options: argparse.Namespace) -> int:
    files = asked(options, "junit", "svg")
    runner = _runner(stack, options)
    plan = runner.plan()
    if plan.refusal and not plan.only_reports:
        raise UnreachableError(plan.refusal, plan.remedy)
    confirm_destructive(options, "\n".join(plan_lines(stack.name, plan)), stack.name, UNTOUCHED)
    return run_to_end(_drill(runner, options, files))


async def _drill(runner: Runner, options: argparse.Namespace, files: Mapping[str, Path]) -> int:
    try:
        done = await follow(runner.run(), options, Narrator())
    except asyncio.CancelledError:  # ctrl-C; it has healed by now
        done = None
    if not isinstance(done, DrillDone):
        return _aborted(runner, options)
    if done.report is None:
        if options.jsonl:
            return done.exit_code
        raise failure(done)
    _export(done.report, files)
    if options.json:
        document = {**msgspec.to_builtins(done.report), "healed": done.healed}
        document |= {"message": done.message, "remedy": done.remedy}
        print_json(document)
    elif not options.jsonl:
        say("\n".join(report_lines(done.report)))
    warn(done)
    return strict(done.exit_code, done.report.steps) if options.strict else done.exit_code


def _sweep(stack: Stack, options: argparse.Namespace) -> int:
    drills = Catalogue()
    sweep = Sweep(
        stack,
        drills.choose(options.drill) if options.drill else drills.sweepable(),
        options.values,
        repeats=options.repeat,
        watch_s=options.watch,
        command=shlex.join(["devstack-tui", *sys.argv[1:]]),
    )
    confirm_destructive(options, "\n".join(sweep.plan()), stack.name, UNTOUCHED)
    return run_to_end(_swept(sweep, options))


async def _swept(sweep: Sweep, options: argparse.Namespace) -> int:
    done = await follow(sweep.run(), options, Narrator())
    if not isinstance(done, SweepDone):
        return 130
    if done.message and not done.rows:
        if options.jsonl:
            return done.exit_code
        raise failure(done)
    show(options, done, sweep_lines(done))
    warn(done)
    return done.exit_code


def _aborted(runner: Runner, options: argparse.Namespace) -> int:
    """It was cancelled, and has healed by now."""
    unhealed = runner.unhealed
    message = "aborted; " + (unhealed.message if unhealed else "everything was healed")
    if options.jsonl:
        remedy = unhealed.remedy if unhealed else ""
        print_json(DrillDone(None, 130, healed=not unhealed, message=message, remedy=remedy))
    narrate(message)
    return 130


def _export(report: DrillReport, files: Mapping[str, Path]) -> None:
    forms: dict[str, Callable[[], str]] = {
        "junit": lambda: junit.document(report.drill, report.steps, report.seconds),
        "svg": lambda: timeline.svg(report),
    }
    write({path: forms[name]() for name, path in files.items()})
