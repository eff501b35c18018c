"""The instrument of the failover drill: a child process that writes, reads and watches.

It derives the shards itself: `shard 1` is the master that owned the lowest slot when it started,
and so on. For each it writes and reads at a fixed rate on connections of its own, whatever the
answers are (open loop, nothing is retried), and it asks every node what it sees. All that it
measured is in the run's folder before `stop` returns; `judge` and `split_brain` compute from that.
"""

from devstack_tui.services.redis.instrument.client import Instrument
from devstack_tui.services.redis.instrument.readback import (
    CleanupResult,
    ListContents,
    clean,
    present,
)
from devstack_tui.services.redis.instrument.recording import Recording, judge, split_brain

__all__ = [
    "CleanupResult",
    "Instrument",
    "ListContents",
    "Recording",
    "clean",
    "judge",
    "present",
    "split_brain",
]
