"""Recognises what happens to a node that is hit, from what the observers see. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from devstack_tui.services.redis.instrument.cluster_view import Scene
from devstack_tui.services.redis.instrument.connection import REFUSED
from devstack_tui.services.redis.instrument.messages import Mark
from devstack_tui.services.redis.instrument.node_view import UNWELL, Sight
from devstack_tui.services.redis.topology import SLOTS

ABSENT_S = 0.5
"""How long a node must be silent, unless it refuses connections, to count as gone: on a busy
machine an answer may be late without any fault."""
_Others = dict[int, Sight]
"""What the living nodes but the victim see, by index."""


@dataclass(slots=True)
class _Round:
    """One fault: the node, its id, a slot that it owned, and when what was first seen."""

    victim: int
    victim_id: str
    slot: int | None
    successor: int | None = None
    silent_since: float | None = None
    gone: float | None = None
    uncovered: float | None = None
    seen: dict[str, float] = field(default_factory=dict)


class Watch:
    """Tells each kind of mark once for each `expect`; `look` after every answer or silence.

    suspected, failed: some node flags the victim. promoted: another node owns its slots. agreed:
    all others that live name the same owners. covered: they see all slots served again. rejoined:
    the victim answers and no node flags it, as a replica if it was replaced. resynced: its link is
    up and it has all that its master had. healed: every node answers and nothing is flagged.
    """

    def __init__(self, scene: Scene, tell: Callable[[Mark], None]) -> None:
        self._scene = scene
        self._tell = tell
        self._round: _Round | None = None
        self._stages: tuple[tuple[str, Callable[[_Round, _Others], str | None]], ...] = (
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
        sight = self._scene.faces[victim].sight
        slots = sight.me.slots if sight and sight.me.master else ()
        self._round = _Round(victim, self._scene.id_of(victim), slots[0][0] if slots else None)

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
        """Tell what is new."""
        current = self._round
        if current is None:
            return
        living = self._scene.living()
        others = {i: sight for i, sight in living.items() if i != current.victim}
        self._notice(current, others, at)
        for kind, stage in self._stages:
            if kind in current.seen or not others:
                continue
            text = stage(current, others)
            if text is not None:
                current.seen[kind] = at
                self._tell(Mark(at, kind, self._about(kind, current), text))

    def _notice(self, current: _Round, others: _Others, at: float) -> None:
        """Whether the victim is gone from its place, and whether slots are not served."""
        face = self._scene.faces[current.victim]
        if face.lives:
            current.silent_since = None
        elif current.silent_since is None:
            current.silent_since = at
        absent = current.silent_since is not None and (
            face.why == REFUSED or at - current.silent_since > ABSENT_S
        )
        suspected = any(True for _ in self._flagged(current, others, {"fail?", "fail"}))
        if current.gone is None and (absent or suspected or current.successor is not None):
            current.gone = at
        if current.uncovered is None and any(s.slots_ok < SLOTS for s in others.values()):
            current.uncovered = at

    def _about(self, kind: str, current: _Round) -> str:
        index = current.victim
        if kind in ("promoted", "agreed") and current.successor is not None:
            index = current.successor
        return "" if kind in ("covered", "healed") else self._scene.faces[index].name

    def _flagged(self, current: _Round, others: _Others, flags: set[str]) -> Iterator[str]:
        for index, sight in others.items():
            line = sight.nodes.by_id.get(current.victim_id)
            if line is not None and line.flags & flags:
                yield self._scene.faces[index].name

    def _suspected(self, current: _Round, others: _Others) -> str | None:
        by = list(self._flagged(current, others, {"fail?", "fail"}))
        return f"by {', '.join(by)}" if by else None

    def _failed(self, current: _Round, others: _Others) -> str | None:
        by = list(self._flagged(current, others, {"fail"}))
        return f"by {', '.join(by)}" if by else None

    def _promoted(self, current: _Round, others: _Others) -> str | None:
        if current.slot is None:
            return None
        for index, sight in others.items():
            owner = sight.nodes.owner(current.slot)
            if owner is not None and owner.id == sight.me.id:
                current.successor = index
                return f"epoch {owner.config_epoch}"
        return None

    def _agreed(self, current: _Round, others: _Others) -> str | None:
        if current.successor is None or current.slot is None:
            return None
        wanted = self._scene.id_of(current.successor)
        owners = [sight.nodes.owner(current.slot) for sight in others.values()]
        if any(owner is None or owner.id != wanted for owner in owners):
            return None
        if len({sight.nodes.owners for sight in others.values()}) > 1:
            return None
        return f"{len(others)} nodes"

    def _covered(self, current: _Round, others: _Others) -> str | None:
        if current.successor is not None:
            served = "agreed" in current.seen
        else:
            # Without a successor only the victim itself can serve its slots again, and a master
            # that was restarted waits before it does.
            victim = self._scene.living().get(current.victim)
            served = current.uncovered is not None and victim is not None and victim.ok
        if not served or any(sight.slots_ok < SLOTS for sight in others.values()):
            return None
        return f"{SLOTS} slots on {len(others)} nodes"

    def _rejoined(self, current: _Round, others: _Others) -> str | None:
        face = self._scene.faces[current.victim]
        gone = current.gone is not None or current.successor is not None
        if not gone or not face.lives or face.sight is None:
            return None
        lines = [sight.nodes.by_id.get(current.victim_id) for sight in others.values()]
        for line in lines:
            if line is None or line.flags & UNWELL or not line.connected:
                return None
            if current.successor is not None and line.master:
                return None
        if current.successor is not None and not face.sight.replica:
            return None
        return "as a replica" if face.sight.replica else "as a master"

    def _resynced(self, current: _Round, others: _Others) -> str | None:
        if "rejoined" not in current.seen:
            return None
        face = self._scene.faces[current.victim]
        if not face.lives or face.sight is None or not face.sight.link_up:
            return None
        if not face.sight.replica:
            followers = self._scene.replicas(current.victim)
            linked = all(i in others and others[i].link_up for i in followers)
            return "its replicas are in sync" if linked else None
        master = self._scene.index_of(face.sight.me.master_id)
        if master is None or not self._scene.faces[master].lives:
            return None
        ahead = self._scene.faces[master]
        # What its master had at an earlier look is what it must have by now.
        if ahead.sight is None or ahead.at > face.at or face.sight.offset < ahead.sight.offset:
            return None
        return f"with {ahead.name} at byte {face.sight.offset}"

    def _healed(self, current: _Round, others: _Others) -> str | None:
        if "resynced" not in current.seen or len(others) + 1 < len(self._scene.faces):
            return None
        for face in self._scene.faces:
            sight = face.sight
            if sight is None or not face.lives or not sight.ok or not sight.link_up:
                return None
            if sight.slots_ok < SLOTS or sight.slots_bad:
                return None
            if any(node.flags & UNWELL for node in sight.nodes.by_id.values()):
                return None
        return f"{len(self._scene.faces)} nodes"
