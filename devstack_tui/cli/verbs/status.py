"""`status`: the health of every service, once or again and again."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from devstack_tui.cli.output import as_typed, narrate, print_json, steering
from devstack_tui.cli.running import named, run_to_end, standard_input
from devstack_tui.contracts.model import StackStatus, State
from devstack_tui.core.redact import inert
from devstack_tui.health.monitor import Monitor
from devstack_tui.stack.view import StackView

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def run(options: argparse.Namespace) -> int:
    """Run the verb; exit status 1 when a required service is not healthy."""
    stack = StackView(named(options))
    if options.watch:
        return run_to_end(_watch(stack, options), only_output=True)
    return run_to_end(_once(stack, options.json or options.jsonl))


def show_once(name: str) -> int:
    """The table, for who has no terminal for the console."""
    return run_to_end(_once(StackView(name), False))


async def _once(stack: StackView, as_json: bool) -> int:
    monitor = Monitor(stack)
    try:
        status = await monitor.look()
    finally:
        monitor.close()
    if as_json:
        print_json(status)
    else:
        for note in status.notes:
            narrate(note)
        _console().print(table(msgspec.structs.replace(status, notes=())))
    return 0 if status.healthy else 1


async def _watch(stack: StackView, options: argparse.Namespace) -> int:
    from devstack_tui.health.watch import Watch  # who looks once needs it not

    control = _Control()
    monitor = Monitor(stack)
    if options.controlled:
        await control.listen()
    try:
        watch = Watch(monitor, options.interval, control.wake, control.resting)
        looks = control.gate(watch.updates())
        if options.json or options.jsonl:
            async for status in looks:
                print_json(status)
        else:
            await _live(looks)
    finally:
        monitor.close()
    return 0


async def _live(looks: AsyncIterator[StackStatus]) -> None:
    from rich.live import Live

    console = _console()
    if not console.is_terminal:
        async for status in looks:
            console.print(table(status))
        return
    with Live(console=console, auto_refresh=False) as live:
        async for status in looks:
            live.update(table(status), refresh=True)


def _console() -> Console:
    from rich.console import Console

    return Console(file=steering(sys.stdout), width=None if sys.stdout.isatty() else 150)


class _Control:
    """A watching program's commands on our input: `pause`, `resume`, `now`; its end is ours."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._resting = False
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Read standard input from now on."""
        self._task = asyncio.create_task(self._obey(await standard_input()))

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            match line.strip():
                case b"pause":
                    self._resting = True
                case b"resume":
                    self._resting = False
                    self.wake.set()
                case b"now":
                    self.wake.set()
        self._closed.set()
        self.wake.set()

    def resting(self) -> bool:
        """Whether nobody looks: only what changes is to be reported."""
        return self._resting

    async def gate(self, looks: AsyncIterator[StackStatus]) -> AsyncIterator[StackStatus]:
        """`looks`, until the input is closed."""
        async with contextlib.aclosing(looks) as stream:  # type: ignore[type-var]
            async for status in stream:
                if self._closed.is_set():
                    return
                yield status


def table(status: StackStatus) -> RenderableType:
    """The table of the text face."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from devstack_tui.present.looks import BAD, BUSY, GOOD, QUIET, WARN, state_look, state_text

    styles = {GOOD: "green", WARN: "yellow", BAD: "red", BUSY: "cyan", QUIET: "dim"}

    def cell(text: str, style: str = "") -> Text:
        return Text(inert(as_typed(text)), style)

    notes = [cell(note, "yellow") for note in status.notes]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("service", "state", "version", "role", "endpoint", "tls"):
        grid.add_column(heading, no_wrap=heading != "role")
    for heading in ("p50 ms", "p95 ms", "uptime", "cpu %", "memory"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in status.services:
        style = styles[state_look(row.state)]
        grid.add_row(
            cell(row.name),
            cell(state_text(row.state), style),
            *map(cell, (row.version, row.role, row.endpoint, row.tls)),
            _number(row.latency_ms.p50),
            _number(row.latency_ms.p95),
            _duration(row.uptime_s),
            _number(row.cpu_percent),
            f"{row.memory_bytes / 2**20:.0f} MiB" if row.memory_bytes else "",
        )
        if row.reason:
            remedy = f"  → {row.remedy}" if row.remedy else ""
            notes.append(cell(f"{row.name}: {row.reason}{remedy}", style))
    busy = f" · `{status.busy}` runs (pid {status.busy_pid})" if status.busy else ""
    healthy = sum(row.state is State.HEALTHY for row in status.services if row.required)
    required = sum(row.required for row in status.services)
    summary = cell(f"stack {status.stack} ({status.engine}): {healthy} of {required} healthy{busy}")
    relaxed = [cell(str(one), "yellow") for one in status.development_only]
    return Group(summary, grid, *relaxed, *notes)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
