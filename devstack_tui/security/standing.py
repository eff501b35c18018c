"""How far each check is proven, and the headline: kinds, their instances, and kinds proven.

A *kind* is one decision; its *instances* are the checks that make it of different things. A kind is
proven by a sabotage that turned exactly one of its instances red, and no more of them: it knows one
thing from the other. What a sabotage turned is proven itself; the other instances of a proven kind
are decided by code that was seen to decide, and were not broken themselves.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable

from devstack_tui.contracts.audit import Check
from devstack_tui.core.check import Headline
from devstack_tui.security.events import CheckRow
from devstack_tui.security.proven import Record


class Standing(enum.StrEnum):
    """Of one check."""

    PROVEN = "proven"
    KIND = "kind proven"
    CHANGED = "changed since"
    UNPROVEN = "not proven"


class Standings:
    """Of every check in a catalogue, by what was recorded."""

    def __init__(self, checks: Iterable[Check], record: Record) -> None:
        self.record = record
        self._kinds = {check.id: check.kind for check in checks}
        self._fresh: set[str] = set()
        self._stale: set[str] = set()
        self.kinds: set[str] = set()
        """Those that are proven."""
        stale_kinds: set[str] = set()
        for id, turned in record.turned.items():
            known = [check for check in turned if check in self._kinds]
            one = Counter(self._kinds[check] for check in known)
            alone = {kind for kind, count in one.items() if kind and count == 1}
            changed = id in record.changed
            (self._stale if changed else self._fresh).update(known)
            (stale_kinds if changed else self.kinds).update(alone)
        self._stale_kinds = stale_kinds - self.kinds

    def of(self, check: str) -> Standing:
        """How far the check called `check` is proven."""
        kind = self._kinds[check]
        if check in self._fresh:
            return Standing.PROVEN
        if kind in self.kinds:
            return Standing.KIND
        if check in self._stale or kind in self._stale_kinds:
            return Standing.CHANGED
        return Standing.UNPROVEN

    def why(self, check: str) -> str:
        """What proves the check or its kind, or what is due."""
        record, kind = self.record, self._kinds[check]
        seen = [
            (id, [one for one in turned if self._kinds.get(one) == kind])
            for id, turned in record.turned.items()
        ]
        match self.of(check):
            case Standing.PROVEN:
                return f"turned red by {', '.join(record.by(check))}"
            case Standing.KIND:
                id, (other,) = next(
                    (id, found)
                    for id, found in seen
                    if len(found) == 1 and id not in record.changed
                )
                return f"its kind is: {id} turned {other} red, and no other of {kind}"
            case Standing.CHANGED:
                changed = sorted(
                    {file for id, found in seen if found for file in record.changed.get(id, ())}
                )
                more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
                names = ", ".join(changed[:3])
                return f"not any more, until it is proven again: {names}{more} changed"
        return "no"

    def has_kind(self, check: str) -> bool:
        """Whether the kind of the check is proven."""
        return self._kinds[check] in self.kinds


def headline(rows: Iterable[CheckRow]) -> Headline:
    """Of these checks; one that only sums up others is no instance."""
    rows = [row for row in rows if row.kind]
    proven = {row.kind for row in rows if row.kind_proven}
    changed = {row.kind for row in rows if row.proof == Standing.CHANGED}
    return Headline(
        len({row.kind for row in rows}),
        len(rows),
        len(proven),
        sum(row.proven for row in rows),
        len(changed - proven),
    )
