"""`tune ab|cost|auto`: the verbs that measure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from devstack_tui.cli.bench_measurer import BenchMeasurer
from devstack_tui.cli.output import failure, print_json, warn
from devstack_tui.cli.running import chosen, existing, follow, run_to_end, size_of
from devstack_tui.cli.text.tune_ab import narrate_event, print_auto, print_costs, print_report
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning import ab, auto, cost
from devstack_tui.tuning.events import AbDone, AutoDone, CostDone, Events

Done = AbDone | CostDone | AutoDone
T = TypeVar("T")
_Done = TypeVar("_Done", AbDone, CostDone, AutoDone)


def run(options: argparse.Namespace) -> int:
    """Run `tune ab`, `tune cost` or `tune auto`; returns the exit status."""
    return chosen(options, _ab, _cost, _auto)(existing(options), options)


def _ab(stack: Stack, options: argparse.Namespace) -> int:
    order = ab.AbRequest(
        a=options.a,
        b=options.b,
        workload=options.workload,
        size=size_of(options),
        pairs=options.pairs,
        margin=options.margin,
        keep=options.keep,
        ablate=options.ablate,
        only=tuple(options.only),
        force=options.force,
    )
    done = _ended(ab.ab(stack, BenchMeasurer(stack), order), options, AbDone)
    _show(done, done.report, options, print_report)
    return done.exit_code


def _cost(stack: Stack, options: argparse.Namespace) -> int:
    events = cost.cost(stack, options.services, options.profile, options.kills, force=options.force)
    done = _ended(events, options, CostDone)
    reports = {"reports": done.reports, "exit_code": done.exit_code} if done.reports else None
    _show(done, reports, options, lambda _: print_costs(done.reports))
    return done.exit_code


def _auto(stack: Stack, options: argparse.Namespace) -> int:
    order = auto.AutoRequest(
        workload=options.workload,
        size=size_of(options),
        budget_s=options.budget,
        durable=options.durable,
        save=options.save or "",
        force=options.force,
    )
    done = _ended(auto.auto(stack, BenchMeasurer(stack), order), options, AutoDone)
    _show(done, done.report, options, print_auto)
    return done.exit_code


def _show(
    done: Done, found: T | None, options: argparse.Namespace, show: Callable[[T], None]
) -> None:
    """What was found on stdout. What went wrong beside it is reported; without it, it is raised."""
    if options.jsonl:
        return  # the events have reported all of it
    if found is not None and options.json:
        print_json(found)
    elif found is not None:
        show(found)
    if done.message and found is None:
        raise failure(done)
    warn(done)


def _ended(events: Events, options: argparse.Namespace, kind: type[_Done]) -> _Done:
    """Run to the last event, narrating; raises what is raised before the first."""
    found: list[_Done] = []

    async def work() -> int:
        last = await follow(events, options, narrate_event)
        found.extend([last] if isinstance(last, kind) else [])
        return 0

    if run_to_end(work()) or not found:
        raise _Interrupted
    return found[0]


class _Interrupted(KeyboardInterrupt):
    """The verb was ended from outside; all that it changed is restored."""
