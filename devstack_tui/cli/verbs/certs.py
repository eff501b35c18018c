"""`certs list|rotate`."""

from __future__ import annotations

import argparse
import sys

from devstack_tui.cli.output import narrate, print_json, show
from devstack_tui.cli.running import confirm_destructive, each, existing, run_to_end
from devstack_tui.cli.text.certs import list_lines, rotated_line, row_of
from devstack_tui.cli.verbs.changes import Narrator, say_plan
from devstack_tui.core.errors import UsageError
from devstack_tui.core.events import Done, Event, Note, Phase, Progress, Rotated
from devstack_tui.health.certificates import look
from devstack_tui.stack.busy import give_way
from devstack_tui.stack.stack import ROTATE, Stack


def run(options: argparse.Namespace) -> int:
    """Run `certs WHAT`."""
    stack = existing(options)
    return _list(stack, options) if options.what == "list" else _rotate(stack, options)


def _list(stack: Stack, options: argparse.Namespace) -> int:
    """Exit status 1 when a certificate ends within 30 days or is not the one that is served."""
    rows = look(stack)
    document = {"stack": stack.name, "certificates": [row_of(row) for row in rows]}
    show(options, document, list_lines(rows))
    return 0 if all(row.well for row in rows) else 1


def _rotate(stack: Stack, options: argparse.Namespace) -> int:
    names = tuple(options.services)
    if options.plan:
        say_plan(stack.plan(ROTATE, names), options)
        return 0
    if options.yes and getattr(options, "stack", None) is None:
        raise UsageError(
            "nothing was changed: --yes needs the stack's name", f"add --stack {stack.name}"
        )
    give_way(stack.paths, force=options.force, wait=options.wait, say=narrate)
    seen = _followed(stack, names, options, restart=options.yes)
    stuck = {
        event.service: event.detail
        for event in seen
        if isinstance(event, Progress) and event.phase is Phase.SKIPPED
    }
    if stuck and sys.stdin.isatty() and not options.json and not options.jsonl:
        plan = "\n".join([*stuck.values(), f"this will restart {', '.join(stuck)}"])
        confirm_destructive(options, plan, stack.name, "nothing was restarted")
        seen += _followed(stack, tuple(stuck), options, restart=True)
        stuck = {}
    if options.json:
        print_json(_document(stack, seen))
    if not any(isinstance(event, Done) for event in seen):
        return 130
    return max((e.exit_code for e in seen if isinstance(e, Done)), default=1) or int(bool(stuck))


def _followed(
    stack: Stack, names: tuple[str, ...], options: argparse.Namespace, *, restart: bool
) -> list[Event]:
    """Every event of one rotation; without `Done` it was interrupted."""
    seen: list[Event] = []
    narrator = Narrator()

    def follow_one(event: Event) -> None:
        seen.append(event)
        if options.jsonl:
            print_json(event)
            return
        if isinstance(event, Rotated):
            narrate(rotated_line(event))
        elif not (isinstance(event, Progress) and event.phase is Phase.READY):
            narrator(event)

    async def follow() -> int:
        await each(stack.rotate(names, restart=restart), follow_one)
        return 0

    run_to_end(follow())
    return seen


def _document(stack: Stack, seen: list[Event]) -> dict[str, object]:
    """The document of `certs rotate --json`."""
    done = [event for event in seen if isinstance(event, Done)]
    return {
        "stack": stack.name,
        "exit_code": max((event.exit_code for event in done), default=130),
        "rotated": [event for event in seen if isinstance(event, Rotated)],
        "failed": [
            {"service": event.service, "reason": event.detail, "remedy": event.remedy}
            for event in seen
            if isinstance(event, Progress) and event.phase in (Phase.FAILED, Phase.SKIPPED)
        ],
        "notes": [event.text for event in seen if isinstance(event, Note)],
    }
