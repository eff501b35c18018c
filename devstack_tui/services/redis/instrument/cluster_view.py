"""The cluster as all observers together see it: who lives, who claims which slots. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devstack_tui.contracts.drill import NodeView
from devstack_tui.services.redis.instrument.connection import REFUSED, TIMEOUT
from devstack_tui.services.redis.instrument.node_view import NodeReport, owns
from devstack_tui.services.redis.topology import describe

LOADING = "loading"
_STATES = {REFUSED: "down", TIMEOUT: "frozen", LOADING: LOADING}


@dataclass(slots=True)
class ObservedNode:
    """One node. `why` is what came instead of an answer the last time; empty: it lives."""

    name: str
    endpoint: str
    report: NodeReport | None = None
    at: float = 0.0
    why: str = "unasked"

    @property
    def lives(self) -> bool:
        return not self.why


class ClusterView:
    """All nodes as they were last observed, by index."""

    def __init__(self, names: Sequence[str], endpoints: Sequence[str]) -> None:
        self.observed = [ObservedNode(*node) for node in zip(names, endpoints, strict=True)]
        self._index: dict[str, int] = {}

    def record_answer(self, index: int, report: NodeReport, at: float) -> None:
        """The node answered with what it knows of the cluster."""
        observed = self.observed[index]
        observed.report, observed.at, observed.why = report, at, ""
        self._index[report.me.id] = index

    def silent(self, index: int, why: str) -> None:
        """The node did not answer."""
        self.observed[index].why = why

    def living(self) -> dict[int, NodeReport]:
        """What each living node saw last."""
        return {
            i: f.report for i, f in enumerate(self.observed) if f.lives and f.report is not None
        }

    def index_of(self, node_id: str) -> int | None:
        """The index of a node, once it has answered."""
        return self._index.get(node_id)

    def id_of(self, index: int) -> str:
        """Its id; empty until it has answered."""
        report = self.observed[index].report
        return report.me.id if report else ""

    def claimant(self, slot: int) -> tuple[int, int] | None:
        """The living node that says the slot is its own, and its epoch; the newest of several."""
        claims = [
            (report.me.config_epoch, index)
            for index, report in self.living().items()
            if owns(report.me, slot)
        ]
        if not claims:
            return None
        epoch, index = max(claims)
        return index, epoch

    def replicas(self, owner: int) -> set[int]:
        """The nodes that last reported that they follow `owner`."""
        wanted = self.id_of(owner)
        return {
            i
            for i, observed in enumerate(self.observed)
            if observed.report is not None and wanted and observed.report.me.master_id == wanted
        }

    def views(self) -> tuple[NodeView, ...]:
        """The map: each node as itself says, or, while it is silent, as the others do."""
        living = self.living()
        # The newest knowledge of all: the one that has heard of the highest epoch.
        best = max(
            living.values(),
            key=lambda report: max(node.config_epoch for node in report.nodes.by_id.values()),
            default=None,
        )
        return tuple(self._view(i, living, best) for i in range(len(self.observed)))

    def _view(self, index: int, living: dict[int, NodeReport], best: NodeReport | None) -> NodeView:
        observed = self.observed[index]
        node_id = self.id_of(index)
        own = living.get(index)
        node = own.me if own else best.nodes.by_id.get(node_id) if best else None
        if node is None:
            return NodeView(
                observed.name, "", _STATES.get(observed.why, "down"), endpoint=observed.endpoint
            )
        link = ""
        if not node.master and own is not None:
            link = "up" if own.link_up else "down"
        followed = self.index_of(node.master_id)
        return NodeView(
            name=observed.name,
            role="master" if node.master else "replica",
            state=self._state(index, node_id, living),
            slots=describe(node.slots),
            master=self.observed[followed].name if followed is not None else "",
            link=link,
            epoch=node.config_epoch,
            endpoint=observed.endpoint,
        )

    def _state(self, index: int, node_id: str, living: dict[int, NodeReport]) -> str:
        """What the other nodes hold of it comes before what our own observer met."""
        observed = self.observed[index]
        if observed.why == LOADING:
            return LOADING
        lines = [s.nodes.by_id.get(node_id) for i, s in living.items() if i != index]
        if any(line is not None and line.failed for line in lines):
            return "cut off" if observed.lives else "failed"
        if any(line is not None and line.suspected for line in lines):
            return "suspected"
        return "up" if observed.lives else _STATES.get(observed.why, "down")
