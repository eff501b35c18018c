"""How long benchmarks take: for plans, before they run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import msgspec

from devstack_tui.bench.catalogue import Entry
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.core import codec
from devstack_tui.core.fingerprint import Fingerprint
from devstack_tui.core.history import History

START_S = 1.2
"""What the process of a workload takes to begin and, after its runs, to remove its data."""
SETUP_S = 0.5
"""What preparing a run takes where nothing else is known."""
CONNECT_S = 0.5
"""What a run takes beside its measured seconds: connecting, warming up, the last answers."""
EMPTY_S = 1.0
"""What comes with each further window of a run: emptying, connecting, warming up."""
LOOKED_AT = 40


class KeptRun(msgspec.Struct, frozen=True):
    """What a run of the history says of how long it took; 0 where an older release kept none."""

    setup_s: float = 0.0
    elapsed_s: float = 0.0
    problem: str = ""


def past(
    history: History, entry: Entry, size: str, prints: Mapping[str, Fingerprint]
) -> list[KeptRun]:
    """The newest runs of the same on this host."""
    digest = prints[entry.name].digest() if entry.name in prints else ""
    rows = history.list("bench", entry.name, LOOKED_AT)
    found = [
        codec.decode(row.document, KeptRun)
        for row in rows
        if row.size == size and row.fingerprint == digest
    ]
    return [run for run in found if run.elapsed_s and not run.problem]


def workload_s(entry: Entry, size: str, runs: int, known: Sequence[KeptRun]) -> float:
    """About how long `runs` runs of a workload take, with all that belongs to them; seconds."""
    return START_S + runs * run_s(entry, size, known)


def run_s(entry: Entry, size: str, known: Sequence[KeptRun]) -> float:
    """About how long preparing and measuring one run take, seconds."""
    if known:
        return statistics.median(run.setup_s + run.elapsed_s for run in known)
    params = entry.sizes.params(size)
    seconds = float(params.get("seconds", SIZES[size].least_s))
    windows = -(-seconds // float(params.get("window", seconds)))
    return entry.sizes.setup_s.get(size, SETUP_S) + CONNECT_S + seconds + EMPTY_S * (windows - 1)
