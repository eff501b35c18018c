"""`logs SERVICE`: what its units wrote."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

import msgspec

from devstack_tui.cli.running import existing, run_to_end, standard_input
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import UnreachableError, UsageError
from devstack_tui.health.logs import LogLine, follow, tail


def run(options: argparse.Namespace) -> int:
    """Run the verb; exit status 3 when the service never ran."""
    stack = existing(options)
    found = service(options.service)
    _pattern(options.grep)
    logs = stack.engine().logs(found)
    if not logs and not options.follow:
        raise UnreachableError(
            f"{found.name} has never run in the stack {stack.name!r}",
            f"`devstack-tui up {found.name}` starts it",
        )
    show = _shown(options, several=len(logs) > 1)
    if options.follow:
        lines = follow(logs, lambda: stack.engine().logs(found), options.lines)
        return run_to_end(_follow(lines, show, options.controlled))
    for log in logs:
        for line in tail(log, options.lines):
            show(line)
    return 0


def _shown(options: argparse.Namespace, several: bool) -> Callable[[LogLine], None]:
    """What prints a line, if it is wanted; with its unit's name if there are several."""
    wanted = _pattern(options.grep)

    def show(line: LogLine) -> None:
        if wanted is not None and not wanted.search(line.line):
            return
        if options.jsonl:
            print(msgspec.json.encode(line).decode(), flush=options.follow)
        else:
            prefix = f"{line.unit} | " if several else ""
            print(f"{prefix}{line.line}", flush=options.follow)

    return show


async def _follow(
    lines: AsyncIterator[LogLine], show: Callable[[LogLine], None], controlled: bool
) -> int:
    async def show_all() -> None:
        async with contextlib.aclosing(lines) as stream:  # type: ignore[type-var]
            async for line in stream:
                show(line)

    waiting = {asyncio.create_task(show_all())}
    if controlled:
        waiting.add(asyncio.create_task(_until_closed()))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return 0


async def _until_closed() -> None:
    """Return when standard input ends: whoever started us is gone."""
    reader = await standard_input()
    while await reader.read(4096):
        pass


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--grep {text!r} is no regular expression: {error}") from None
