"""Recognises what happens to a node that is hit, from what the observers see. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from devstack_tui.services.redis.instrument.cluster_view import ClusterView
from devstack_tui.services.redis.instrument.connection import REFUSED
from devstack_tui.services.redis.instrument.messages import Mark
from devstack_tui.services.redis.instrument.node_view import UNWELL, NodeReport
from devstack_tui.services.redis.topology import SLOTS

ABSENT_S = 0.5
"""How long a node must be silent, unless it refuses connections, to count as gone: on a busy
machine an answer may be late without any fault."""
_Others = dict[int, NodeReport]
"""What the living nodes but the victim see, by index."""


@dataclass(slots=True)
class _FaultMarks:
    """One fault: the node, its id, a slot that it owned, and when what was first seen."""

    victim: int
    victim_id: str
    slot: int | None
    successor: int | None = None
    silent_since: float | None = None
    gone: float | None = None
    uncovered: float | None = None
    seen: dict[str, float] = field(default_factory=dict)


class FailoverTimeline:
    """Emits each kind of mark once for each `expect`; `look` after every answer or silence.

    suspected, failed: some node flags the victim. promoted: another node owns its slots. agreed:
    all others that live name the same owners. covered: they see all slots served again. rejoined:
    the victim answers and no node flags it, as a replica if it was replaced. resynced: its link is
    up and it has all that its master had. healed: every node answers and nothing is flagged.
    """

    def __init__(self, cluster: ClusterView, emit: Callable[[Mark], None]) -> None:
        self._cluster = cluster
        self._emit = emit
        self._round: _FaultMarks | None = None
        self._stages: tuple[tuple[str, Callable[[_FaultMarks, _Others], str | None]], ...] = (
            ("suspected", self._suspected),
            ("failed", self._failed),
            ("promoted", self._promoted),
            ("agreed", self._agreed),
            ("covered", self._covered),
            ("rejoined", self._rejoined),
            ("resynced", self._resynced),
            ("healed", self._healed),
        )

    def expect(self, victim: int) -> None:
        """Begin anew with this node; what it is now is what it was before the fault."""
        report = self._cluster.observed[victim].report
        slots = report.me.slots if report and report.me.master else ()
        self._round = _FaultMarks(
            victim, self._cluster.id_of(victim), slots[0][0] if slots else None
        )

    def fault(self, at: float) -> None:
        """The fault was then: what was seen before had another reason, and may be seen again."""
        current = self._round
        if current is None:
            return
        current.seen = {kind: when for kind, when in current.seen.items() if when >= at}
        if "promoted" not in current.seen:
            current.successor = None
        if current.gone is not None and current.gone < at:
            current.gone = None
        if current.uncovered is not None and current.uncovered < at:
            current.uncovered = None

    def look(self, at: float) -> None:
        """Emit what is new."""
        current = self._round
        if current is None:
            return
        living = self._cluster.living()
        others = {i: report for i, report in living.items() if i != current.victim}
        self._notice(current, others, at)
        for kind, stage in self._stages:
            if kind in current.seen or not others:
                continue
            text = stage(current, others)
            if text is not None:
                current.seen[kind] = at
                self._emit(Mark(at, kind, self._about(kind, current), text))

    def _notice(self, current: _FaultMarks, others: _Others, at: float) -> None:
        """Whether the victim is gone from its place, and whether slots are not served."""
        observed = self._cluster.observed[current.victim]
        if observed.lives:
            current.silent_since = None
        elif current.silent_since is None:
            current.silent_since = at
        absent = current.silent_since is not None and (
            observed.why == REFUSED or at - current.silent_since > ABSENT_S
        )
        suspected = any(True for _ in self._flagged(current, others, {"fail?", "fail"}))
        if current.gone is None and (absent or suspected or current.successor is not None):
            current.gone = at
        if current.uncovered is None and any(s.slots_ok < SLOTS for s in others.values()):
            current.uncovered = at

    def _about(self, kind: str, current: _FaultMarks) -> str:
        index = current.victim
        if kind in ("promoted", "agreed") and current.successor is not None:
            index = current.successor
        return "" if kind in ("covered", "healed") else self._cluster.observed[index].name

    def _flagged(self, current: _FaultMarks, others: _Others, flags: set[str]) -> Iterator[str]:
        for index, report in others.items():
            line = report.nodes.by_id.get(current.victim_id)
            if line is not None and line.flags & flags:
                yield self._cluster.observed[index].name

    def _suspected(self, current: _FaultMarks, others: _Others) -> str | None:
        by = list(self._flagged(current, others, {"fail?", "fail"}))
        return f"by {', '.join(by)}" if by else None

    def _failed(self, current: _FaultMarks, others: _Others) -> str | None:
        by = list(self._flagged(current, others, {"fail"}))
        return f"by {', '.join(by)}" if by else None

    def _promoted(self, current: _FaultMarks, others: _Others) -> str | None:
        if current.slot is None:
            return None
        for index, report in others.items():
            owner = report.nodes.owner(current.slot)
            if owner is not None and owner.id == report.me.id:
                current.successor = index
                return f"epoch {owner.config_epoch}"
        return None

    def _agreed(self, current: _FaultMarks, others: _Others) -> str | None:
        if current.successor is None or current.slot is None:
            return None
        wanted = self._cluster.id_of(current.successor)
        owners = [report.nodes.owner(current.slot) for report in others.values()]
        if any(owner is None or owner.id != wanted for owner in owners):
            return None
        if len({report.nodes.owners for report in others.values()}) > 1:
            return None
        return f"{len(others)} nodes"

    def _covered(self, current: _FaultMarks, others: _Others) -> str | None:
        if current.successor is not None:
            served = "agreed" in current.seen
        else:
            # Without a successor only the victim itself can serve its slots again, and a master
            # that was restarted waits before it does.
            victim = self._cluster.living().get(current.victim)
            served = current.uncovered is not None and victim is not None and victim.ok
        if not served or any(report.slots_ok < SLOTS for report in others.values()):
            return None
        return f"{SLOTS} slots on {len(others)} nodes"

    def _rejoined(self, current: _FaultMarks, others: _Others) -> str | None:
        observed = self._cluster.observed[current.victim]
        gone = current.gone is not None or current.successor is not None
        if not gone or not observed.lives or observed.report is None:
            return None
        lines = [report.nodes.by_id.get(current.victim_id) for report in others.values()]
        for line in lines:
            if line is None or line.flags & UNWELL or not line.connected:
                return None
            if current.successor is not None and line.master:
                return None
        if current.successor is not None and not observed.report.replica:
            return None
        return "as a replica" if observed.report.replica else "as a master"

    def _resynced(self, current: _FaultMarks, others: _Others) -> str | None:
        if "rejoined" not in current.seen:
            return None
        observed = self._cluster.observed[current.victim]
        if not observed.lives or observed.report is None or not observed.report.link_up:
            return None
        if not observed.report.replica:
            followers = self._cluster.replicas(current.victim)
            linked = all(i in others and others[i].link_up for i in followers)
            return "its replicas are in sync" if linked else None
        master = self._cluster.index_of(observed.report.me.master_id)
        if master is None or not self._cluster.observed[master].lives:
            return None
        ahead = self._cluster.observed[master]
        # What its master had at an earlier look is what it must have by now.
        if (
            ahead.report is None
            or ahead.at > observed.at
            or observed.report.offset < ahead.report.offset
        ):
            return None
        return f"with {ahead.name} at byte {observed.report.offset}"

    def _healed(self, current: _FaultMarks, others: _Others) -> str | None:
        if "resynced" not in current.seen or len(others) + 1 < len(self._cluster.observed):
            return None
        for observed in self._cluster.observed:
            report = observed.report
            if report is None or not observed.lives or not report.ok or not report.link_up:
                return None
            if report.slots_ok < SLOTS or report.slots_bad:
                return None
            if any(node.flags & UNWELL for node in report.nodes.by_id.values()):
                return None
        return f"{len(self._cluster.observed)} nodes"
