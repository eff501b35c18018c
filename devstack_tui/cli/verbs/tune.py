"""`tune list|show|set|apply|revert|save|import|history|advise`; what measures is in `tune_ab`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from devstack_tui.cli.output import narrate, print_json, say
from devstack_tui.cli.output import show as show_result
from devstack_tui.cli.running import chosen, confirm_destructive, existing, run_to_end
from devstack_tui.cli.text import tune as text
from devstack_tui.core.errors import UsageError
from devstack_tui.stack.busy import give_way
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from devstack_tui.tuning import apply as applying
from devstack_tui.tuning import pending, profile_import, profiles, show
from devstack_tui.tuning.apply import Applied
from devstack_tui.tuning.catalogue import known, tunable_services
from devstack_tui.tuning.events import Note, Show, TuneDone, TunePlanned
from devstack_tui.tuning.plan import Wanted

MEASURING = ("ab", "cost", "auto")
V = TypeVar("V")
_ASSIGNMENT = re.compile(r"(?:^|\s)([A-Za-z][\w.-]*)\s*=")


def run(options: argparse.Namespace) -> int:
    """Run `tune WHAT`."""
    if options.what in MEASURING:
        module = importlib.import_module("devstack_tui.cli.verbs.tune_ab")
        return int(module.run(options))
    stack = existing(options)
    if _changes(options):
        give_way(stack.paths, force=options.force, wait=options.wait, say=narrate)
    verbs = (_list, _show, _set, _apply, _revert, _save, _import, _history, _advise)
    return chosen(options, *verbs)(stack, options)


def _changes(options: argparse.Namespace) -> bool:
    """Whether servers are changed."""
    what = options.what
    if what == "set":
        return bool(options.now and not options.plan)
    pending_alone = what == "revert" and options.pending
    return what in ("apply", "revert") and not (options.plan or pending_alone)


# -- looking -------------------------------------------------------------------------------


def _list(stack: Stack, options: argparse.Namespace) -> int:
    engine = stack.engine()
    found, broken = profiles.load_all(engine)
    catalogue = [p for service in tunable_services() for p in known(engine, service.name).values()]
    if options.json:
        print_json({"profiles": found, "broken": broken, "parameters": catalogue})
    else:
        text.print_list(found, broken, catalogue)
    return 0


def _show(stack: Stack, options: argparse.Namespace) -> int:
    if options.profile is not None:
        return _show_profile(stack, options)
    found = show.look(stack, options.services)
    if options.changed:
        rows = tuple(row for row in found.parameters if row.changed)
        found = msgspec.structs.replace(found, parameters=rows)
    if options.json:
        print_json(found)
    else:
        text.print_rows(found.parameters)
        text.narrate_rest(found)
    return _reached(found)


def _show_profile(stack: Stack, options: argparse.Namespace) -> int:
    """What a profile sets, beside what the servers have, as far as they run."""
    profile = profiles.load(stack.engine(), options.profile)
    values = _of_services(profile.values, options)
    if not values:
        raise UsageError(
            f"the profile {profile.name!r} says nothing of {', '.join(options.services)}",
            f"it is about {', '.join(profile.values) or 'no service'}",
        )
    found = show.look(stack, tuple(values))
    rows = tuple(row for row in found.parameters if row.name in values.get(row.service, {}))
    if options.json:
        document = msgspec.to_builtins(msgspec.structs.replace(found, parameters=rows))
        print_json({**document, "profile": profile.name, "title": profile.title, "values": values})
    else:
        text.print_profile(profile, values, rows)
    return 0


def _reached(found: Show) -> int:
    """3 when not one of the services could be asked."""
    return 3 if found.down and not found.counters else 0


def _history(stack: Stack, options: argparse.Namespace) -> int:
    rows = show.history(parameter_store.read(stack.paths))
    if options.json:
        print_json({"history": rows})
    else:
        text.print_history(rows)
    return 0


def _advise(stack: Stack, options: argparse.Namespace) -> int:
    found = show.look(stack, options.services, durable=options.durable)
    if options.json:
        print_json({"stack": stack.name, "advice": found.advice, "down": found.down})
    else:
        text.print_advice(found.advice)
        for reason in found.down.values():
            narrate(f"not asked: {reason}")
    return _reached(found)


# -- pending and profiles ------------------------------------------------------------------


def _set(stack: Stack, options: argparse.Namespace) -> int:
    given = _assignments(options.assignments)
    if options.now or options.plan:
        wanted: Wanted = {options.service: given}
        plan = applying.plan(stack, wanted, by="set", force=options.force)
        events = applying.apply(stack, wanted, by="set", force=options.force)
        return _carry_out(plan, events, options)
    found = pending.put(stack, options.service, given)
    rows = [row for row in found.parameters if row.name in given]
    if options.json or options.jsonl:
        print_json(msgspec.structs.replace(found, parameters=tuple(rows)))
    else:
        text.print_rows(rows)
        if found.down and all(row.pending is None for row in rows):
            narrate(f"used at the next `devstack-tui up {options.service}`")
        else:
            narrate("pending: `devstack-tui tune apply` makes it effective")
    return 0


def _assignments(words: list[str]) -> dict[str, str]:
    """`NAME=VALUE`, however the shell has split it: `NAME = VALUE` and `NAME VALUE` are the same.
    Raises `UsageError`."""
    text = " ".join(words).strip()
    if "=" not in text:
        text = re.sub(r"\s+", "=", text, count=1)
    head, *parts = _ASSIGNMENT.split(text)
    names = parts[::2]
    if head.strip() or not names:
        wrong = head.strip() or text
        raise UsageError(f"{wrong!r} is not NAME=VALUE", "as in work_mem=16MB")
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise UsageError(f"{twice[0]} is given twice")
    return {name: value.strip() for name, value in zip(names, parts[1::2], strict=True)}


def _save(stack: Stack, options: argparse.Namespace) -> int:
    path = pending.save(stack, options.name, options.source, options.title)
    show_result(options, {"profile": options.name, "path": str(path)}, [str(path)])
    return 0


def _import(stack: Stack, options: argparse.Namespace) -> int:
    path = Path(options.file)
    found = profile_import.import_profile(
        stack.engine(), path, options.name, service=options.service, replace=options.replace
    )
    show_result(options, found, text.imported(path, found))
    return found.exit_code


# -- changing ------------------------------------------------------------------------------


def _apply(stack: Stack, options: argparse.Namespace) -> int:
    whole = options.profile not in (None, profiles.PENDING)
    wanted, by = _profile(stack, options) if whole else (_pending(stack, options), "set")
    plan = applying.plan(stack, wanted, replace=whole, by=by, force=options.force)
    events = applying.apply(stack, wanted, by=by, replace=whole, force=options.force)
    return _carry_out(plan, events, options)


def _profile(stack: Stack, options: argparse.Namespace) -> tuple[Wanted, str]:
    found = profiles.load_for(stack, options.profile)
    for name in options.services:
        if name not in found.values:
            raise UsageError(
                f"the profile {found.name!r} says nothing of {name} in this stack",
                f"it is about {', '.join(found.values) or 'none of its services'}",
            )
    wanted = _of_services(found.written or found.values, options)
    if not wanted:
        raise UsageError(f"the profile {found.name!r} is about no service of this stack")
    profiles.require_versions(stack.engine(), found, wanted)
    return wanted, f"profile {found.name}"


def _pending(stack: Stack, options: argparse.Namespace) -> Wanted:
    pending = parameter_store.as_written(parameter_store.read(stack.paths))
    return _of_services(pending, options)


def _of_services(values: Mapping[str, V], options: argparse.Namespace) -> dict[str, V]:
    named = options.services or values
    return {name: given for name, given in values.items() if name in named}


def _revert(stack: Stack, options: argparse.Namespace) -> int:
    if options.pending:
        count = pending.drop(stack)
        what = "1 pending value is" if count == 1 else f"{count} pending values are"
        message = f"{what} dropped"
        if options.json:
            print_json({"dropped": count, "exit_code": 0})
        elif options.jsonl:
            print_json(TuneDone(0, 0.0, message=message))
        else:
            narrate(message)
        return 0
    to, everything, force = options.to, bool(options.all), bool(options.force)
    plan = applying.plan_revert(stack, to=to, everything=everything, force=force)
    events = applying.revert(stack, to=to, everything=everything, force=force)
    return _carry_out(plan, events, options)


def _carry_out(plan: TunePlanned, events: Applied, options: argparse.Namespace) -> int:
    """Show the plan, ask, and follow the apply to its end."""
    if options.plan:
        if options.json or options.jsonl:
            print_json(plan)
        else:
            say(text.planned(plan))
        return 0
    if plan.changes:
        confirm_destructive(options, text.planned(plan), plan.stack, "nothing was changed")
    return run_to_end(_follow(events, options))


async def _follow(events: Applied, options: argparse.Namespace) -> int:
    narrator = text.Narrator()
    plan: TunePlanned | None = None
    done: TuneDone | None = None
    notes: list[str] = []
    try:
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                (print_json if options.jsonl else narrator)(event)
                match event:
                    case TunePlanned():
                        plan = event
                    case Note():
                        notes.append(event.text)
                    case TuneDone():
                        done = event
    finally:
        if done is None and plan is not None:
            narrate("tune: interrupted, the last good configuration is back")
    if done is None:
        raise asyncio.CancelledError
    if options.json:
        print_json(_document(plan, done, notes))
    return done.exit_code


def _document(plan: TunePlanned | None, done: TuneDone, notes: list[str]) -> dict[str, object]:
    """The document of `tune apply --json`, of a revert and of `set --now`."""
    return {
        "stack": plan.stack if plan else "",
        "by": plan.by if plan else "",
        "changes": plan.changes if plan else (),
        "warnings": plan.warnings if plan else (),
        "outcomes": done.outcomes,
        "exit_code": done.exit_code,
        "seconds": round(done.seconds, 3),
        "restored": done.restored,
        "message": done.message,
        "remedy": done.remedy,
        "notes": notes,
    }
