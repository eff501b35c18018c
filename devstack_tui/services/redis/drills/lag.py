"""How long a replica takes to have a write, measured before a fault."""

from __future__ import annotations

import time
from typing import Any

from devstack_tui.contracts.model import Target
from devstack_tui.services.redis.client import session
from devstack_tui.services.redis.drills.preconditions import ClusterSnapshot
from devstack_tui.services.redis.instrument import hash_tags

TIMES = 5
WITHIN_S = 1.0
"""A replica that takes longer than this is not in sync: its lag explains no loss."""


def measured_lag(target: Target, seen: ClusterSnapshot, master: int, run: str) -> float | None:
    """The longest of some writes, seconds: from the write to the acknowledgement of all replicas of
    `master` (index). None when that cannot be measured. Blocks."""
    import redis

    (tag, *_) = hash_tags.spread(seen.views[master].me.slots)
    key, replicas = f"{hash_tags.prefix(run)}lag:{{{tag}}}", len(seen.replicas(master))
    longest = 0.0
    try:
        with session(target, master, 2 * WITHIN_S) as client:
            send: Any = client.execute_command
            for number in range(TIMES):
                begun = time.monotonic()
                send("SET", key, str(number))
                if int(send("WAIT", replicas, round(WITHIN_S * 1000))) < replicas:
                    return None
                longest = max(longest, time.monotonic() - begun)
    except (OSError, redis.RedisError):
        return None
    return longest
