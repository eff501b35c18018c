"""`up`, `down` and `restart`."""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from devstack_tui.cli.output import narrate, print_json, say
from devstack_tui.cli.running import (
    ask_for_name,
    at_terminal,
    confirm_destructive,
    each,
    name_repairs,
    run_to_end,
)
from devstack_tui.contracts.registry import services
from devstack_tui.core.errors import UsageError
from devstack_tui.core.events import Done, Event, Note, Phase, Planned, Progress
from devstack_tui.core.paths import DEFAULT_STACK, require_stack
from devstack_tui.stack.busy import give_way
from devstack_tui.stack.stack import Stack


def run(options: argparse.Namespace) -> int:
    """Run the verb; returns the exit status."""
    stack = _stack(options)
    names = tuple(options.services)
    profile = getattr(options, "profile", None)
    if profile and names:
        raise UsageError("give services or --profile, not both")
    plan = stack.plan(options.verb, names, profile)
    if options.plan:
        name_repairs(stack)
        say_plan(plan, options)
        return 0
    wipe = bool(getattr(options, "wipe", False))
    if wipe and names:
        raise UsageError("--wipe deletes the whole stack", "leave the service names out")
    if options.verb != "up":
        give_way(stack.paths, force=options.force, wait=options.wait, say=narrate)
    if wipe:
        confirm_destructive(options, _wipe_plan(stack, plan), stack.name)
    elif options.verb == "down" and plan.services and not options.yes and at_terminal():
        ask_for_name(planned_line(plan), stack.name, "nothing was stopped")
    work: dict[str, Callable[[], AsyncIterator[Event]]] = {
        "up": lambda: stack.up(names, profile),
        "down": lambda: stack.down(names, wipe=wipe),
        "restart": lambda: stack.restart(names),
    }
    return run_to_end(_follow(work[options.verb](), options))


def _stack(options: argparse.Namespace) -> Stack:
    name = getattr(options, "stack", DEFAULT_STACK)
    if options.verb != "up":
        require_stack(name)
        return Stack(name, ending=options.verb == "down")
    overrides: dict[str, dict[str, Any]] = {}
    if options.topology:
        overrides = {
            found.name: found.topology(options.topology) for found in services() if found.topology
        }
    return Stack(name, overrides=overrides, port_offset=options.port_offset)


def _wipe_plan(stack: Stack, plan: Planned) -> str:
    stopping = f"stop {', '.join(plan.services)}, then " if plan.services else ""
    will = f"this will {stopping}delete all data, secrets and logs in {stack.paths.root}"
    return "\n".join([will, *(f"  warning: {one}" for one in plan.disturbs)])


def say_plan(plan: Planned, options: argparse.Namespace) -> None:
    """What would be done, on stdout."""
    if options.json or options.jsonl:
        print_json(plan)
    else:
        say(planned_line(plan))


def planned_line(plan: Planned) -> str:
    """`up default: redis, vault`, and who would suffer from it."""
    line = f"{plan.verb} {plan.stack}: {', '.join(plan.services) or 'nothing to do'}"
    return "\n".join([line, *(f"  warning: {one}" for one in plan.disturbs)])


async def _follow(events: AsyncIterator[Event], options: argparse.Namespace) -> int:
    narrator = print_json if options.jsonl else Narrator()
    seen = await each(events, narrator)
    done = next((event for event in reversed(seen) if isinstance(event, Done)), None)
    if options.json:
        say(_document(getattr(options, "stack", DEFAULT_STACK), seen, done))
    return done.exit_code if done else 1


class Narrator:
    """What happens, on stderr: a line for each change of a service."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        clock = f"{time.monotonic() - self._started:5.1f}s"
        match event:
            case Planned():
                narrate(planned_line(event))
            case Progress():
                narrate(f"{clock}  {event.service:<14} {event.phase:<10} {event.detail}".rstrip())
                if event.remedy and event.phase in (Phase.FAILED, Phase.SKIPPED):
                    narrate(f"{'':7} {'':<14} → {event.remedy}")
            case Note():
                narrate(f"{clock}  {event.text}")
            case Done():
                extra = f" ({event.message})" if event.message else ""
                outcome = "failed" if event.exit_code else "done"
                narrate(f"{event.verb}: {outcome}{extra} after {event.seconds:.1f} s")


def _document(stack: str, seen: list[Event], done: Done | None) -> str:
    last: dict[str, Progress] = {e.service: e for e in seen if isinstance(e, Progress)}
    document = {
        "verb": done.verb if done else "",
        "stack": stack,
        "exit_code": done.exit_code if done else 1,
        "seconds": round(done.seconds, 3) if done else None,
        "message": done.message if done else "",
        "services": [
            {"name": e.service, "phase": e.phase, "detail": e.detail, "remedy": e.remedy}
            for e in last.values()
        ],
        "notes": [e.text for e in seen if isinstance(e, Note)],
    }
    return msgspec.json.encode(document).decode()
