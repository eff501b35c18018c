"""Hash tags that put a key into a slot of a given shard."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from devstack_tui.services.redis.loader import slot_of

TAGS = 4
"""How many slots of each shard are written."""


def prefix(run: str) -> str:
    """What all keys of a run begin with."""
    return f"devstack-tui:drill:{run}:"


def key(run: str, tag: str) -> str:
    """The list that the writes with `tag` go to."""
    return f"{prefix(run)}{{{tag}}}"


def slot(tag: str) -> int:
    """The slot of every key with that tag."""
    return slot_of(tag.encode())


def spread(ranges: Sequence[Sequence[int]], count: int = TAGS) -> tuple[str, ...]:
    """Tags whose slots lie in equal parts of the ranges (first, last), one in each part."""
    mine = [slot for first, last in ranges for slot in range(first, last + 1)]
    count = min(count, len(mine))
    size = len(mine) / count
    part = {slot: int(place / size) for place, slot in enumerate(mine)}
    found: dict[int, str] = {}
    for number in itertools.count():
        where = part.get(slot(f"t{number}"))
        if where is not None and where not in found:
            found[where] = f"t{number}"
            if len(found) == count:
                return tuple(found[place] for place in range(count))
    raise AssertionError  # the count does not end
