"""What the console's tests are made of: a feed, a clock, and waiting on conditions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot

from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Outage

Screen = Callable[..., None]
"""Brings a screen of an app into view and compares it with what is recorded of it."""
STUB = Path(__file__).with_name("stub_cli.py")


class FakeFeed:
    """Snapshots that a test puts in, when it puts them in.

    The real feed is a child process that decides by itself when a snapshot comes; a test of what
    one snapshot changes on the screen needs to decide that. Everything else in these tests that
    the console runs is a real child process.
    """

    def __init__(self, *first: StackStatus | Outage) -> None:
        self._queue: asyncio.Queue[StackStatus | Outage] = asyncio.Queue()
        for update in first:
            self.put(update)
        self.said: list[str] = []

    def put(self, update: StackStatus | Outage) -> None:
        """The next update."""
        self._queue.put_nowait(update)

    async def updates(self) -> AsyncGenerator[StackStatus | Outage, None]:
        """What was put in, without end."""
        while True:
            yield await self._queue.get()

    def pause(self) -> None:
        """Remember that it was asked to rest."""
        self.said.append("pause")

    def resume(self) -> None:
        """Remember that it was asked to go on."""
        self.said.append("resume")

    def now(self) -> None:
        """Remember that it was asked for a snapshot."""
        self.said.append("now")


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def tab(name: str) -> str:
    """The key that brings a capability's pane into view."""
    return str(1 + [capability.id for capability in CAPABILITIES].index(name))


async def until(pilot: Pilot[int], condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until `condition` holds; it may look for what is not there yet."""
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause()
        if condition():
            return
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


def screen_text(app: App[int]) -> str:
    """What the terminal shows, line by line."""
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text for strip in strips)


def colours_of(app: App[int], text: str = "") -> set[str]:
    """The colours of the letters where `text` begins, or of every letter: as `#rrggbb`."""
    found = set()
    for strip in app.screen._compositor.render_strips(app.size):
        place = strip.text.find(text) if text else 0
        if place < 0:
            continue
        shown = strip.crop(place, place + 1) if text else strip
        for segment in shown:
            if segment.text.strip() and segment.style and segment.style.color:
                found.add(segment.style.color.get_truecolor().hex)
    return found
