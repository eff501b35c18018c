"""Every pane, in every state that keys bring it to, at every size: the keyboard is never dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from devstack_tui.actions import Action, in_scope
from devstack_tui.console.app import DevstackApp
from devstack_tui.console.drill.job import DrillJobs
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.screens.focus import seen

from .kit import screen_text, tab, until

SIZES = ((80, 24), (120, 40), (200, 60))
PANES = [capability.id for capability in CAPABILITIES]

STATES: dict[str, tuple[tuple[str, ...], ...]] = {
    "health": ((), ("l",), ("l", "slash"), ("r",), ("d",), ("question_mark",), ("f2",)),
    "bench": ((), ("h",), ("h", "enter"), ("tab",), ("R",), ("c",)),
    "tuning": ((), ("i",), ("H",), ("v",), ("slash",), ("l",), ("e",), ("T",), ("p",), ("u",)),
    "drill": ((), ("h",), ("h", "enter"), ("k",), ("g",), ("p",)),
    "security": ((), ("enter",), ("slash",), ("enter", "enter"), ("m",), ("e",)),
    "report": ((), ("c",), ("slash",), ("enter",), ("w",), ("b",)),
}
"""What is pressed to come to each state of a pane: its lists, its charts, its dialogs."""


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is saved goes into a directory of the test; the calls of the verbs are written down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "calls"))


@asynccontextmanager
async def opened(app: DevstackApp, pane: str, size: tuple[int, int]) -> AsyncIterator[Pilot[int]]:
    """The app with a pane in view that has read what it lists."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.status is not None and app.main.pane.loaded)
        await pilot.press(tab(pane))
        await until(pilot, lambda: app.main.pane.id == pane and app.main.pane.loaded)
        yield pilot


def dead(app: DevstackApp) -> str:
    """Why the keys of what is in view would reach nobody; empty when they do."""
    screen, focused = app.screen, app.screen.focused
    if focused is None:
        return "" if screen is not app.main and not screen.focus_chain else "nothing has the focus"
    if not seen(focused):
        return f"{focused!r} has the focus and cannot be seen"
    wanted = app.main.pane if screen is app.main else screen
    return "" if wanted in focused.ancestors_with_self else f"{focused!r} is not of {wanted!r}"


async def leave_dialogs(app: DevstackApp, pilot: Pilot[int]) -> None:
    """Close what lies over the pane."""
    while app.screen is not app.main:
        top = app.screen
        await pilot.press("escape")
        await until(pilot, lambda top=top: app.screen is not top)  # type: ignore[misc]


@pytest.mark.parametrize("pane", PANES)
async def test_the_focus_lies_on_something_visible_at_every_size(
    app: DevstackApp, pane: str
) -> None:
    found = []
    async with opened(app, pane, SIZES[0]) as pilot:
        for keys in STATES[pane]:
            await pilot.press(*keys)
            await pilot.pause()
            count = len(app.screen.focus_chain)
            for place in range(max(count, 1)):
                for size in (*SIZES, SIZES[0]):
                    chain = app.screen.focus_chain
                    if chain:
                        app.screen.set_focus(chain[min(place, len(chain) - 1)])
                    await pilot.resize_terminal(*size)
                    await pilot.pause()
                    if why := dead(app):
                        found.append(f"{keys} at {size}: {why}")
            await leave_dialogs(app, pilot)
            for _ in range(3):
                await pilot.press("escape")
            if why := dead(app):
                found.append(f"{keys} and back: {why}")
    assert found == []


def what_is(app: DevstackApp, directory: Path) -> tuple[object, ...]:
    """All that a key could change: screen, focus, clipboard, files, calls."""
    calls = directory / "calls"
    return (
        screen_text(app),
        app.screen,
        app.screen.focused,
        app.clipboard,
        tuple(sorted(path.name for path in directory.iterdir())),
        calls.read_text() if calls.exists() else "",
    )


def keys_of(pane: str, footer: bool) -> Iterator[tuple[Action, str]]:
    """The keys of a pane, each with its action; or only those of its footer."""
    for action in in_scope(pane):
        for key in filter(None, action.key.split(",")):
            if key != "escape" and (action.footer or not footer):
                yield action, key


async def silent(app: DevstackApp, pilot: Pilot[int], key: str, directory: Path) -> bool:
    """Whether a key changes nothing and says nothing."""
    app.clear_notifications()
    await pilot.pause()
    before = what_is(app, directory)
    await pilot.press(key)
    for _ in range(100):
        await pilot.pause()
        if what_is(app, directory) != before:
            return False
        await asyncio.sleep(0.02)
    return True


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("pane", PANES)
async def test_every_key_does_something_or_says_why_not(
    app: DevstackApp, pane: str, size: tuple[int, int], tmp_path: Path
) -> None:
    mute, lost = [], []
    async with opened(app, pane, size) as pilot:
        for action, key in keys_of(pane, footer=size != SIZES[0]):
            if await silent(app, pilot, key, tmp_path):
                mute.append(action.id)
            await pilot.pause()
            if why := dead(app):
                lost.append(f"{action.id}: {why}")
            await leave_dialogs(app, pilot)
            await pilot.press("escape")
            await pilot.pause()
            if why := dead(app):
                lost.append(f"{action.id} and back: {why}")
    assert (mute, lost) == ([], [])


async def test_keys_typed_while_a_pane_loads_act_once_it_has(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, may = DrillJobs.load, asyncio.Event()

    async def slowly(jobs: DrillJobs) -> None:
        await may.wait()
        await read(jobs)

    monkeypatch.setattr(DrillJobs, "load", slowly)
    async with opened(app, "health", SIZES[0]) as pilot:
        await pilot.press(tab("drill"), "h", "down", "m")
        pane = app.main.query_one(DrillPane)
        await pilot.pause()
        assert pane.view.marked == "" and not pane.has_class("-table")
        may.set()
        await until(pilot, lambda: pane.view.marked)
        assert pane.view.marked == list(pane.view.history())[1]


async def test_keys_that_wait_are_forgotten_with_their_pane(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = asyncio.Event()

    async def slowly(jobs: DrillJobs) -> None:  # noqa: ARG001
        await may.wait()

    monkeypatch.setattr(DrillJobs, "load", slowly)
    async with opened(app, "health", SIZES[0]) as pilot:
        await pilot.press(tab("drill"), "h", tab("health"))
        assert app.main.pane.id == "health"
        may.set()
        await until(pilot, lambda: app.main.query_one(DrillPane).loaded)
        await pilot.press(tab("drill"))
        await pilot.pause()
        assert not app.main.query_one(DrillPane).has_class("-table")
