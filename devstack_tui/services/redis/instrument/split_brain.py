"""Writes that a node acknowledged after it had been replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from devstack_tui.loadgen.acknowledged_writes import READ, Operation


@dataclass(frozen=True, slots=True)
class OwnershipChange:
    """From `at` (microseconds) on, `node` claimed the slots as its own, or no longer."""

    at: int
    node: str
    epoch: int
    owns: bool


def split(operations: Iterable[Operation], claims: Sequence[OwnershipChange]) -> list[Operation]:
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


class _OwnershipSpan(NamedTuple):
    """A stretch in which a node claimed the slots under one epoch."""

    since: int
    until: int
    epoch: int


_FOREVER = 2**63
_NOTICED = 500_000
"""How long after a promotion the observers may take to see it, microseconds."""


def _reigns(claims: Iterable[OwnershipChange]) -> dict[str, list[_OwnershipSpan]]:
    """The reigns of each node, in order."""
    reigns: dict[str, list[_OwnershipSpan]] = {}
    for claim in sorted(claims, key=lambda claim: claim.at):
        mine = reigns.setdefault(claim.node, [])
        current = mine[-1] if mine and mine[-1].until == _FOREVER else None
        if current and claim.owns and claim.epoch == current.epoch:
            continue
        if current:
            mine[-1] = current._replace(until=claim.at)
        if claim.owns:
            mine.append(_OwnershipSpan(claim.at, _FOREVER, claim.epoch))
    return reigns


def _epoch(reigns: Sequence[_OwnershipSpan], at: int) -> int | None:
    """The epoch of the reign that holds `at` or begins right after it, else of the last before."""
    for reign in reversed(reigns):
        if reign.since <= at + _NOTICED and (reign.since <= at or at > _end_before(reigns, reign)):
            return reign.epoch
    return reigns[0].epoch if reigns else None


def _end_before(reigns: Sequence[_OwnershipSpan], reign: _OwnershipSpan) -> int:
    place = reigns.index(reign)
    return reigns[place - 1].until if place else 0
