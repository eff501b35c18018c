"""A hold that is adjusted until a server's own counter shows the slowdown that is wanted.

What the load's clients say is what the gate judges: it cannot say by how much the servers were
slowed down as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from devstack_tui.bench.hold import Hold, Pulse
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.stack.stack import Stack

WITHIN = 0.03
"""How far from what is wanted the counter may be, as a share of the rate."""
PAIRS = 3
"""By how many pairs of windows, free and held, one share is judged."""
MOST_PAIRS = 20
SETTLE_S, WINDOW_S = 1.0, 2.5
"""What a window begins with is not counted: PostgreSQL's sessions report once a second."""
LEAST, MOST = 0.02, 0.95


@dataclass(frozen=True, slots=True)
class Rates:
    """What the server counted a second, run freely and held."""

    free: float
    held: float


@dataclass(frozen=True, slots=True)
class Adjusted:
    """`share` of the time leaves `kept` of the free rate, as the server counts it."""

    share: float
    kept: float


def kept(pairs: Sequence[Rates]) -> float:
    """The share of the free rate that is left; 1.0 where nothing was counted."""
    free = sum(pair.free for pair in pairs)
    return sum(pair.held for pair in pairs) / free if free else 1.0


def next_share(share: float, left: float, wanted: float) -> float:
    """What to hold for `wanted` of the rate, where `share` left `left` of it: the rate is taken to
    be in proportion to the time that is not held. Pure."""
    moved = 1 - (1 - share) * wanted / max(left, 0.01)
    return min(MOST, max(LEAST, moved))


def decide(pairs: Sequence[Rates], wanted: float) -> bool | None:
    """Whether the pairs, all of one share, show what is wanted: True, False, or None when one more
    is needed. Pure."""
    if not abs(kept(pairs) - wanted) <= WITHIN + 1e-9:
        return False
    return True if len(pairs) >= PAIRS else None


async def adjust(hold: Hold, stack: Stack, service: Service, counter: str, cut: float) -> Adjusted:
    """The share that takes `cut` off the rate of the load which is on the service now.

    Raises `DevstackError` where the counter does not come to show it.
    """
    wanted = 1 - cut
    share, pairs, left = cut, [], 1.0
    for _ in range(MOST_PAIRS):
        free = await _rate(hold, None, stack, service, counter)
        held = await _rate(hold, Pulse.of_share(share), stack, service, counter)
        if hold.problem:
            raise DevstackError(f"the servers could not be held: {hold.problem}")
        pairs.append(Rates(free, held))
        left, found = kept(pairs), decide(pairs, wanted)
        if found:
            return Adjusted(share, left)
        if found is False:
            share, pairs = next_share(share, left, wanted), []
    raise DevstackError(
        f"{service.title}'s own counter ({counter}) could not be brought to "
        f"{-cut:+.0%} ± {WITHIN:.0%}: {left - 1:+.1%} at last, held {share:.0%} of the time",
        "try again while nothing else uses the machine",
    )


async def _rate(
    hold: Hold, pulse: Pulse | None, stack: Stack, service: Service, counter: str
) -> float:
    """What the server counts a second under `pulse`."""
    hold.pulse = pulse
    await asyncio.sleep(SETTLE_S)
    before, began = await _count(stack, service, counter)
    await asyncio.sleep(WINDOW_S)
    after, ended = await _count(stack, service, counter)
    return (after - before) / (ended - began)


async def _count(stack: Stack, service: Service, counter: str) -> tuple[float, float]:
    """The counter, and when it was read (monotonic seconds)."""

    def read() -> tuple[float, float]:
        found = server_counter(stack, service, counter)
        return found, time.monotonic()

    return await asyncio.to_thread(read)


def server_counter(stack: Stack, service: Service, counter: str) -> float:
    """What the server itself has counted. Raises `UsageError` for a counter that it has not."""
    engine, tunables = stack.engine(), service.tunables()
    counters = {}
    if tunables is not None:
        target, found = engine.target(service), engine.locate(service)
        counters = tunables.read(target, found, engine.files(service)).counters
    if counter not in counters:
        raise UsageError(
            f"{service.title} has no counter {counter!r}",
            "`counter` of its check in thresholds.toml: `devstack-tui tune advise` has the names",
        )
    return counters[counter]
