"""Focus that lies on something that can be seen: else the keys of a pane reach nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from textual.screen import Screen
from textual.widget import Widget

T = TypeVar("T")


def nearest(candidates: Sequence[Widget], lost: Widget | None) -> Widget | None:
    """The one that shares the most ancestors with `lost`; of equals the first."""
    if lost is None:
        return candidates[0] if candidates else None
    near = set(lost.ancestors)
    return max(
        candidates, key=lambda widget: sum(node in near for node in widget.ancestors), default=None
    )


def seen(widget: Widget) -> bool:
    """Whether the widget takes room on its screen, as of the last layout."""
    return all(node.display for node in widget.ancestors_with_self) and bool(widget.region)


class FocusInSight(Screen[T]):
    """A screen whose focus moves on when what has it is hidden, removed, or squeezed out.

    Textual looks for another one only among the siblings, and takes no notice of a widget that is
    focused while something around it is hidden.
    """

    _last: Widget | None = None

    def on_mount(self) -> None:
        self.screen_layout_refresh_signal.subscribe(self, lambda _screen: self._settle())

    def watch_focused(self) -> None:
        """It has changed: once the layout is done, see where it lies."""
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        focused = self.focused
        if focused is not None and seen(focused):
            self._last = focused
        elif self.is_current:
            lost = focused or self._last
            found = nearest([one for one in self.focus_chain if seen(one)], lost)
            if found is not None:
                self.set_focus(found, scroll_visible=False)
