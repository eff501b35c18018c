"""What no widget may let through: signs that would steer the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.filter import LineFilter

from devstack_tui.core.redact import CONTROL

if TYPE_CHECKING:
    from textual.color import Color


class Inert(LineFilter):
    """Takes them out of every line of every widget: they have no width, so nothing moves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """See `LineFilter`."""
        if not any(CONTROL.search(text) for text, _, control in segments if not control):
            return segments
        return [
            Segment(text if control else CONTROL.sub("", text), style, control)
            for text, style, control in segments
        ]
