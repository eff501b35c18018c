"""What became of writes: acknowledged, refused or indeterminate; lost, resurrected, out of order;
and how long none was possible. Pure.

One definition for every drill, the failover of a cluster and the restart of a server:

**The window** of a fault is the longest stretch from one acknowledged write to the next, at the
times at which their client had the acknowledgements, that contains the fault or comes after it. So
it holds all that keeps a client from writing: detection, election, restart, reconnecting. (Source:
the client-observed recovery time of availability benchmarks. Measured against an independent
writer: 2.421 s here, 2.434 s there, for the SIGKILL of a Redis master.)

**The outcome** of a write is ok (the server acknowledged it), failed (it surely did not happen: it
was refused, or never sent) or indeterminate (sent and never answered). Only an acknowledged write
can be lost; only a failed one, or one whose removal was acknowledged, be resurrected. (Source: the
`ok`, `fail` and `info` of Jepsen's histories.)
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from devstack_tui.contracts.acks import Indeterminate, NotWritten
from devstack_tui.contracts.drill import Shard

OK, FAILED, INDETERMINATE = "ok", "failed", "indeterminate"
ADD, REMOVE, READ, RIVAL = "add", "remove", "read", "rival"
WRITES = frozenset((ADD, REMOVE))
Outcome = tuple[str, str]
"""`ok`, `failed` or `indeterminate`, and the class of what is not ok."""


def classified(*, refusal: str = "", failure: str = "", sent: bool = True) -> Outcome:
    """The outcome of an operation: `refusal` is the class of the server's no, `failure` that of an
    answer that never came."""
    if refusal:
        return FAILED, refusal
    if failure:
        return INDETERMINATE if sent else FAILED, failure
    return OK, ""


def outcome_of(error: Exception) -> Outcome:
    """What a service's writer raised. An error that it did not foresee proves nothing."""
    if isinstance(error, NotWritten):
        return classified(refusal=error.kind)
    kind = error.kind if isinstance(error, Indeterminate) else type(error).__name__
    return classified(failure=kind)


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One write or read.

    `kind`: `add`, `remove`, `read`, or `rival`, which is a write to a node that has been replaced
    and should refuse it. `number` counts the operations of the lane; `value` is what was added,
    removed or read. `due` is when it should have been sent, `sent` when it was (0: never) and
    `done` when its outcome was known, microseconds of CLOCK_MONOTONIC. `why` is the class of what
    is not ok.
    """

    shard: str
    kind: str
    number: int
    tag: str
    value: int
    node: str
    due: int
    sent: int
    done: int
    outcome: str
    why: str = ""
    reply: int = 0
    """The server's answer to an add (the list's length) or a remove (how many it removed)."""

    @property
    def ok(self) -> bool:
        """Whether the server acknowledged it."""
        return self.outcome == OK

    @property
    def sent_s(self) -> float:
        """`sent` in seconds."""
        return self.sent / 1e6

    @property
    def done_s(self) -> float:
        """`done` in seconds."""
        return self.done / 1e6


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without success, microseconds: from the last one before to the first after.

    `open` means that none came after: it lasted at least that long.
    """

    start: int
    end: int
    open: bool = False

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e6


def outage(
    operations: Sequence[Operation], fault: int, start: int, end: int, period: int
) -> Gap | None:
    """The window: see above. None when the rate alone explains every gap.

    All times are microseconds; `start` and `end` are the recording's own, and stand in for a
    success that is missing at either side. A gap is an outage if it is longer than one period and
    an operation that was due in it did not succeed; or if it is longer than two periods and the
    time in it for which our own process was held up, so that what was due was not sent.
    """
    done = sorted(o.done for o in operations if o.ok and start <= o.done <= end)
    longest: Gap | None = None
    for number, (first, second) in enumerate(itertools.pairwise((start, *done, end))):
        wide = second - first
        if second <= fault or wide <= period or (longest and wide <= longest.end - longest.start):
            continue
        due = [o for o in operations if first - period < o.due < second]
        if any(not o.ok for o in due) or wide > 2 * period + _delay_before_send(due, first, second):
            longest = Gap(first, second, open=number == len(done))
    return longest


def stream_outage(writes: Sequence[Operation], fault: float) -> Gap | None:
    """`outage` of a closed loop, which sends the next write when the last one is answered.

    `fault` is in monotonic seconds. The recording goes from the first attempt to the end of the
    last one; its period is what lies between two successes usually, up to the fault.
    """
    if not writes:
        return None
    at = round(fault * 1e6)
    start, end = min(write.sent for write in writes), max(write.done for write in writes)
    return outage(writes, at, start, end, usual_gap(writes, at))


def usual_gap(writes: Iterable[Operation], until: int) -> int:
    """The median time between two successes before `until`, microseconds; 0 if there are none."""
    done = sorted(write.done for write in writes if write.ok and write.done <= until)
    gaps = [later - earlier for earlier, later in itertools.pairwise(done)]
    return round(statistics.median(gaps)) if gaps else 0


def _delay_before_send(operations: Iterable[Operation], start: int, end: int) -> int:
    """For how long, between these times, some operation was due and not sent yet."""
    held, until = 0, start
    for operation in sorted(operations, key=lambda o: o.due):
        sent = min(operation.sent, end)
        held += max(0, sent - max(operation.due, until))
        until = max(until, sent)
    return held


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a shard's writes. Unless they were `read_back`, nothing is known of what was
    lost."""

    read_back: bool
    acknowledged: int
    lost: tuple[int, ...]
    lost_s: float
    resurrected: tuple[int, ...]
    out_of_order: tuple[int, ...]
    duplicated: tuple[int, ...]
    indeterminate: int
    errors: dict[str, int]


def verdict(
    operations: Sequence[Operation], present: Mapping[str, Sequence[int]] | None, period: int
) -> Verdict:
    """Compare one shard's writes with its lists (by tag), read after healing. Where
    the lists could not be read (None), nothing counts as lost or resurrected.

    Each shard has one increasing number for its writes. An `add` appends its number to a list; a
    `remove` takes an earlier number, long acknowledged, out of it. So the lists show afterwards
    what is lost, came back, stands in the wrong order or twice.

    lost: acknowledged as added, not acknowledged as removed, and not there; or the removal that
    was acknowledged did not find it. resurrected: refused, yet there; or removed, and there.
    out of order: acknowledged before one that stands before it was even sent. `lost_s` is the
    stretch of the acknowledged writes that is gone: from the first lost one to the last, and the
    period (microseconds) that each stands for.
    """
    adds = {o.value: o for o in operations if o.kind == ADD}
    removes = {o.value: o for o in operations if o.kind == REMOVE}
    lists = present or {}
    there = Counter(value for values in lists.values() for value in values)
    lost = sorted(
        value
        for value, add in adds.items()
        if present is not None and add.ok and _is_lost(removes.get(value), value in there)
    )
    back = sorted(
        value
        for value in there
        if (value in adds and adds[value].outcome == FAILED)
        or (value in removes and removes[value].ok and removes[value].reply > 0)
    )
    writes = [o for o in operations if o.kind in WRITES]
    times = [adds[value].done for value in lost]
    return Verdict(
        read_back=present is not None,
        acknowledged=sum(o.ok for o in writes),
        lost=tuple(lost),
        lost_s=(max(times) - min(times) + period) / 1e6 if times else 0.0,
        resurrected=tuple(back),
        out_of_order=tuple(
            sorted(v for values in lists.values() for v in _misplaced(values, adds))
        ),
        duplicated=tuple(sorted(value for value, times in there.items() if times > 1)),
        indeterminate=sum(o.outcome == INDETERMINATE for o in writes),
        errors=errors(writes),
    )


def errors(operations: Iterable[Operation]) -> dict[str, int]:
    """The failures by class, the most frequent first."""
    return dict(Counter(o.why for o in operations if not o.ok).most_common())


def shard(name: str, found: Verdict, written: Gap | None, read_s: float | None = None) -> Shard:
    """A shard of a drill's result, or a whole service; `read_s` is its read window in seconds, None
    where nothing was read."""

    def count(numbers: Sequence[int]) -> int | None:
        return len(numbers) if found.read_back else None

    return Shard(
        name=name,
        write_window_s=written.seconds if written else 0.0,
        read_window_s=read_s,
        acknowledged=found.acknowledged,
        lost=count(found.lost),
        lost_s=found.lost_s,
        resurrected=count(found.resurrected),
        out_of_order=count(found.out_of_order),
        duplicated=count(found.duplicated),
        indeterminate=found.indeterminate,
        errors=found.errors,
    )


def _is_lost(remove: Operation | None, there: bool) -> bool:
    """Whether an acknowledged add is lost, given the attempt to remove it, if there was one."""
    if remove is None or remove.outcome == FAILED:
        return not there
    return remove.ok and remove.reply == 0 and not there


def _misplaced(values: Iterable[int], adds: Mapping[int, Operation]) -> Iterable[int]:
    latest = 0
    for value in values:
        add = adds.get(value)
        if add is None:
            continue
        if add.ok and add.done < latest:
            yield value
        latest = max(latest, add.sent)
