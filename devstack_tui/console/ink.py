"""The theme's colours for Rich text."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget


def ink(widget: Widget, look: str) -> Style:
    """The letters' style of component class `look` of `widget`, without a ground.

    The ground belongs to the row and its cursor. An empty look is the plain style.
    """
    if not look:
        return Style.null()
    style = widget.get_component_rich_style(look)
    return Style(color=style.color, bold=style.bold, dim=style.dim)
