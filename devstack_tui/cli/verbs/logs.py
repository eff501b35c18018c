"""`logs SERVICE`: what its units wrote."""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from collections.abc import Callable

import msgspec

from devstack_tui.cli.output import when_unread
from devstack_tui.cli.running import existing, signalled
from devstack_tui.contracts.model import LogLine
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import UnreachableError, UsageError


def run(options: argparse.Namespace) -> int:
    """Run the verb; exit status 3 when the service never ran."""
    stack = existing(options)
    found = service(options.service)
    wanted = _pattern(options.grep)
    engine = stack.engine()
    units = engine.log_units(found)
    if not units and not options.follow:
        raise UnreachableError(
            f"{found.name} has never run in the stack {stack.name!r}",
            f"`devstack-tui up {found.name}` starts it",
        )
    show = _line_printer(options, wanted, several=len(units) > 1)
    search = wanted.search if wanted else None
    ended = threading.Event()
    when_unread(ended.set)
    if not options.follow:
        for line in engine.logs(found, options.lines, wanted=search):
            if ended.is_set():
                break
            show(line)
        return 0
    if options.controlled:
        threading.Thread(target=_await_input, args=(ended,), daemon=True).start()
    with signalled(ended) as interrupted:
        for line in engine.logs(found, options.lines, ended, wanted=search):
            show(line)
        return 130 if interrupted() else 0


def _line_printer(
    options: argparse.Namespace, wanted: re.Pattern[str] | None, several: bool
) -> Callable[[LogLine], None]:
    """What prints a line, if it is wanted; with its unit's name if there are several."""

    def show(line: LogLine) -> None:
        if wanted is not None and not wanted.search(line.line):
            return
        if options.jsonl:
            print(msgspec.json.encode(line).decode(), flush=options.follow)
        else:
            prefix = f"{line.unit} | " if several else ""
            print(f"{prefix}{line.line}", flush=options.follow)

    return show


def _await_input(ended: threading.Event) -> None:
    """Set `ended` when standard input ends: our parent process is gone."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ended.set()


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--grep {text!r} is no regular expression: {error}") from None
