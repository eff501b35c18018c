"""The cluster map of a drill: every node, its role, its slots, its state and its link."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from devstack_tui.contracts.drill import NodeView
from devstack_tui.present.text import plain, shorten

_STATES = {
    "up": ("●", "$text-success"),
    "loading": ("↑", "$text-accent"),
    "suspected": ("▲", "$text-warning"),
    "failed": ("✗", "$text-error"),
    "down": ("✗", "$text-error"),
    "frozen": ("‖", "$text-error"),
    "cut off": ("⊘", "$text-error"),
}


def ordered(nodes: Sequence[NodeView]) -> list[NodeView]:
    """Each master with its replicas below it, in the order of the slots; the homeless last."""
    masters = sorted(
        (node for node in nodes if node.role == "master"),
        key=lambda node: (not node.slots, _first_slot(node), node.name),
    )
    names = {node.name for node in masters}
    found: list[NodeView] = []
    for master in masters:
        found.append(master)
        found += sorted((n for n in nodes if n.master == master.name), key=lambda n: n.name)
    return found + [n for n in nodes if n.role != "master" and n.master not in names]


def _first_slot(node: NodeView) -> int:
    head = node.slots.partition(" ")[0].partition("-")[0]
    return int(head) if head.isdigit() else 0


def node_line(node: NodeView, width: int) -> Content:
    """`● redis-1 master 0-5460` or, indented, `● redis-4 replica of redis-1, link up`."""
    glyph, style = _STATES.get(node.state, ("·", "$foreground 60%"))
    child = node.role != "master"
    what = f"slots {node.slots or 'none'}" if not child else f"link {node.link or 'unknown'}"
    epoch = f" epoch {node.epoch}" if node.epoch and not child else ""
    indent = "  └ " if child else ""
    head = f"{indent}{glyph} {plain(node.name)} "
    state = "" if node.state == "up" else f"{plain(node.state)} "
    rest = shorten(f"{plain(node.role)} {plain(what)}{epoch}", max(width - len(head + state), 4))
    return Content.assemble(
        Content.styled(head, style),
        Content.styled(state, f"bold {style}"),
        Content.styled(rest, "$foreground 60%"),
    )


class DrillMap(Static):
    """Equal content is not drawn again."""

    def __init__(self) -> None:
        super().__init__(id="drill-map", classes="chart")
        self._drawn: Content | None = None

    def show(self, title: str, lines: Sequence[Content]) -> None:
        """Show `lines` under `title`."""
        self.border_title = Content(title).markup
        drawn = Content("\n").join(lines)
        if self._drawn is None or not drawn.is_same(self._drawn):
            self._drawn = drawn
            self.update(drawn)
