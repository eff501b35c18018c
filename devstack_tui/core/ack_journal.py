"""The journal of a drill's writes and reads, and what can be said from it. Pure but for the file.

The file is JSON lines: first a `Header`, then one `Operation` for each write or read when its
outcome is known, as an array in the order of the fields. Lines are appended in pieces at least
every 100 ms, so a process that is killed loses no more than that; a last line that was cut short
is passed over. Times are microseconds of CLOCK_MONOTONIC.

Each shard has one list on the server for each of its tags, and one increasing number for its
writes. An `add` appends its number to a list; a `remove` takes an earlier number, long
acknowledged, out of it. So the lists show afterwards what is lost, came back, stands in the wrong
order or twice.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import explain

OK, FAILED, INDETERMINATE = "ok", "failed", "indeterminate"
ADD, REMOVE, READ, RIVAL = "add", "remove", "read", "rival"
WRITES = frozenset((ADD, REMOVE))


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Of which run, and how it wrote. `tags` are those of each shard."""

    format: int = 1
    run: str
    rate_hz: float
    timeout_s: float
    nodes: tuple[str, ...]
    tags: dict[str, tuple[str, ...]]


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One write or read.

    `kind`: `add`, `remove`, `read`, or `rival`, which is a write to a node that has been replaced
    and should refuse it. `number` counts the operations of the lane; `value` is what was added,
    removed or read. `due` is when it should have been sent, `sent` when it was (0: never) and
    `done` when its outcome was known. `why` is the class of what is not ok.
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
    """The server's answer to an add (the list's length) or a remove (how many it took out)."""

    @property
    def ok(self) -> bool:
        return self.outcome == OK


class AckLog:
    """The journal being written. Raises `DevstackError` when the disk takes no more."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = [self._encoder.encode(header)]
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise explain(error, "opening the drill's journal") from None
        self.flush()

    def add(self, operation: Operation) -> None:
        """Keep it for the next `flush`."""
        self._lines.append(self._encoder.encode(operation))

    def flush(self) -> None:
        """Hand what was kept to the operating system: from then on a crash of ours loses nothing.

        It is not synced: waiting for the disk would hold up the measurement.
        """
        if not self._lines:
            return
        data = memoryview(b"\n".join(self._lines) + b"\n")
        self._lines.clear()
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise explain(error, "writing the drill's journal") from None

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            os.close(self._fd)


def read(path: Path) -> tuple[Header, list[Operation]]:
    """The journal at `path`. A line that cannot be read, but for a torn last one, is an error.

    Raises `DevstackError`, naming the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise explain(error, "reading the drill's journal") from None
    *lines, torn = data.split(b"\n")
    operations = msgspec.json.Decoder(Operation)
    found: list[Operation] = []
    number = 1
    try:
        header = codec.decode(lines[0] if lines else torn, Header)
        for line in lines[1:]:
            number += 1
            found.append(operations.decode(line))
    except ValueError as error:
        raise DevstackError(f"line {number} of the journal {path} is damaged: {error}") from None
    return header, found


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
    """The longest gap between two successes that contains the fault or comes after it.

    All times are microseconds; `start` and `end` are the recording's own, and stand in for a
    success that is missing at either side. A gap is an outage only if the rate alone does not
    explain it: it is longer than one period and an operation that was due in it did not succeed;
    or it is longer than two periods and the time in it for which our own process was held up, so
    that what was due was not sent. None when there is none.
    """
    done = sorted(o.done for o in operations if o.ok and start <= o.done <= end)
    longest: Gap | None = None
    for first, second in itertools.pairwise((start, *done, end)):
        wide = second - first
        if second <= fault or wide <= period or (longest and wide <= longest.end - longest.start):
            continue
        due = [o for o in operations if first - period < o.due < second]
        if any(not o.ok for o in due) or wide > 2 * period + _held_up(due, first, second):
            longest = Gap(first, second, open=second == end)
    return longest


def _held_up(operations: Iterable[Operation], start: int, end: int) -> int:
    """For how long, between these times, some operation was due and not sent yet."""
    held, until = 0, start
    for operation in sorted(operations, key=lambda o: o.due):
        sent = min(operation.sent, end)
        held += max(0, sent - max(operation.due, until))
        until = max(until, sent)
    return held


@dataclass(frozen=True, slots=True)
class Claim:
    """From `at` (microseconds) on, `node` said that the slots were its own, or no longer."""

    at: int
    node: str
    epoch: int
    owns: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a shard's writes."""

    acknowledged: int
    lost: tuple[int, ...]
    lost_s: float
    resurrected: tuple[int, ...]
    out_of_order: tuple[int, ...]
    duplicated: tuple[int, ...]
    indeterminate: int
    errors: dict[str, int]


def verdict(
    operations: Sequence[Operation], present: Mapping[str, Sequence[int]], period: int
) -> Verdict:
    """Compare one shard's writes with its lists (by tag), read after healing.

    lost: acknowledged as added, not acknowledged as removed, and not there; or the removal that
    was acknowledged did not find it. resurrected: refused, yet there; or removed, and there.
    out of order: acknowledged before one that stands before it was even sent. `lost_s` is the
    stretch of the acknowledged writes that is gone: from the first lost one to the last, and the
    period (microseconds) that each stands for.
    """
    adds = {o.value: o for o in operations if o.kind == ADD}
    removes = {o.value: o for o in operations if o.kind == REMOVE}
    there = Counter(value for values in present.values() for value in values)
    lost = sorted(
        value
        for value, add in adds.items()
        if add.ok and _is_lost(removes.get(value), value in there)
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
        acknowledged=sum(o.ok for o in writes),
        lost=tuple(lost),
        lost_s=(max(times) - min(times) + period) / 1e6 if times else 0.0,
        resurrected=tuple(back),
        out_of_order=tuple(
            sorted(v for values in present.values() for v in _misplaced(values, adds))
        ),
        duplicated=tuple(sorted(value for value, times in there.items() if times > 1)),
        indeterminate=sum(o.outcome == INDETERMINATE for o in writes),
        errors=dict(Counter(o.why for o in writes if not o.ok)),
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


def split(operations: Iterable[Operation], claims: Sequence[Claim]) -> list[Operation]:
    """The writes that a replaced owner acknowledged, sent after its successor's first one was.

    `claims` are those of one shard. An acknowledgement belongs to the reign of its node then:
    the one that the observers saw, or, as they see it a little later than the first writer, the
    one that begins next.
    """
    reigns = _reigns(claims)
    newest, since = -1, 0
    caught = []
    for write in sorted((o for o in operations if o.ok and o.kind != READ), key=lambda o: o.done):
        epoch = _epoch(reigns.get(write.node, ()), write.done)
        if epoch is None:
            continue
        if epoch < newest and write.sent > since:
            caught.append(write)
        if epoch > newest:
            newest, since = epoch, write.done
    return caught


class _Reign(NamedTuple):
    """A stretch in which a node claimed the slots under one epoch."""

    since: int
    until: int
    epoch: int


_FOREVER = 2**63
_NOTICED = 500_000
"""How long after a promotion the observers may take to see it, microseconds."""


def _reigns(claims: Iterable[Claim]) -> dict[str, list[_Reign]]:
    """The reigns of each node, in order."""
    reigns: dict[str, list[_Reign]] = {}
    for claim in sorted(claims, key=lambda claim: claim.at):
        mine = reigns.setdefault(claim.node, [])
        current = mine[-1] if mine and mine[-1].until == _FOREVER else None
        if current and claim.owns and claim.epoch == current.epoch:
            continue
        if current:
            mine[-1] = current._replace(until=claim.at)
        if claim.owns:
            mine.append(_Reign(claim.at, _FOREVER, claim.epoch))
    return reigns


def _epoch(reigns: Sequence[_Reign], at: int) -> int | None:
    """The epoch of the reign that holds `at` or begins right after it, else of the last before."""
    for reign in reversed(reigns):
        if reign.since <= at + _NOTICED and (reign.since <= at or at > _end_before(reigns, reign)):
            return reign.epoch
    return reigns[0].epoch if reigns else None


def _end_before(reigns: Sequence[_Reign], reign: _Reign) -> int:
    place = reigns.index(reign)
    return reigns[place - 1].until if place else 0
