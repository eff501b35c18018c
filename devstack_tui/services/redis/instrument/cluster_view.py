"""The cluster as all observers together see it: who lives, who claims which slots. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devstack_tui.contracts.drill import NodeView
from devstack_tui.services.redis.instrument.connection import REFUSED, TIMEOUT
from devstack_tui.services.redis.instrument.node_view import Sight, owns
from devstack_tui.services.redis.topology import describe

LOADING = "loading"
_STATES = {REFUSED: "down", TIMEOUT: "frozen", LOADING: LOADING}


@dataclass(slots=True)
class Face:
    """One node. `why` says what came instead of an answer the last time; empty: it lives."""

    name: str
    endpoint: str
    sight: Sight | None = None
    at: float = 0.0
    why: str = "unasked"

    @property
    def lives(self) -> bool:
        return not self.why


class Scene:
    """The faces of all nodes, by index."""

    def __init__(self, names: Sequence[str], endpoints: Sequence[str]) -> None:
        self.faces = [Face(*face) for face in zip(names, endpoints, strict=True)]
        self._index: dict[str, int] = {}

    def answered(self, index: int, sight: Sight, at: float) -> None:
        """The node told what it sees."""
        face = self.faces[index]
        face.sight, face.at, face.why = sight, at, ""
        self._index[sight.me.id] = index

    def silent(self, index: int, why: str) -> None:
        """It did not."""
        self.faces[index].why = why

    def living(self) -> dict[int, Sight]:
        """What each living node saw last."""
        return {i: f.sight for i, f in enumerate(self.faces) if f.lives and f.sight is not None}

    def index_of(self, node_id: str) -> int | None:
        """The index of a node, once it has answered."""
        return self._index.get(node_id)

    def id_of(self, index: int) -> str:
        """Its id; empty until it has answered."""
        sight = self.faces[index].sight
        return sight.me.id if sight else ""

    def claimant(self, slot: int) -> tuple[int, int] | None:
        """The living node that says the slot is its own, and its epoch; the newest of several."""
        claims = [
            (sight.me.config_epoch, index)
            for index, sight in self.living().items()
            if owns(sight.me, slot)
        ]
        if not claims:
            return None
        epoch, index = max(claims)
        return index, epoch

    def replicas(self, owner: int) -> set[int]:
        """The nodes that last said that they follow `owner`."""
        wanted = self.id_of(owner)
        return {
            i
            for i, face in enumerate(self.faces)
            if face.sight is not None and wanted and face.sight.me.master_id == wanted
        }

    def views(self) -> tuple[NodeView, ...]:
        """The map: each node as itself says, or, while it is silent, as the others do."""
        living = self.living()
        # The newest knowledge of all: the one that has heard of the highest epoch.
        best = max(
            living.values(),
            key=lambda sight: max(node.config_epoch for node in sight.nodes.by_id.values()),
            default=None,
        )
        return tuple(self._view(i, living, best) for i in range(len(self.faces)))

    def _view(self, index: int, living: dict[int, Sight], best: Sight | None) -> NodeView:
        face = self.faces[index]
        node_id = self.id_of(index)
        own = living.get(index)
        node = own.me if own else best.nodes.by_id.get(node_id) if best else None
        if node is None:
            return NodeView(face.name, "", _STATES.get(face.why, "down"), endpoint=face.endpoint)
        link = ""
        if not node.master and own is not None:
            link = "up" if own.link_up else "down"
        followed = self.index_of(node.master_id)
        return NodeView(
            name=face.name,
            role="master" if node.master else "replica",
            state=self._state(index, node_id, living),
            slots=describe(node.slots),
            master=self.faces[followed].name if followed is not None else "",
            link=link,
            epoch=node.config_epoch,
            endpoint=face.endpoint,
        )

    def _state(self, index: int, node_id: str, living: dict[int, Sight]) -> str:
        """What the other nodes hold of it comes before what our own observer met."""
        face = self.faces[index]
        if face.why == LOADING:
            return LOADING
        lines = [s.nodes.by_id.get(node_id) for i, s in living.items() if i != index]
        if any(line is not None and line.failed for line in lines):
            return "cut off" if face.lives else "failed"
        if any(line is not None and line.suspected for line in lines):
            return "suspected"
        return "up" if face.lives else _STATES.get(face.why, "down")
