"""The capabilities as one line of tabs."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.registry import Capability

_BRAND = " devstack "


class TabBar(Static):
    """Shows the tabs; a click or the tab's number runs `app.show_pane`."""

    def __init__(self, capabilities: tuple[Capability, ...]) -> None:
        super().__init__(id="tabs")
        self._labels = {c.id: f" {n} {c.title} " for n, c in enumerate(capabilities, 1)}

    def show(self, active: str) -> None:
        """Mark `active`."""
        parts = [Content.styled(_BRAND, "bold $text-primary")]
        for name, label in self._labels.items():
            style = "bold $foreground on $primary 50%" if name == active else "$foreground 60%"
            parts.append(Content.styled(label, style))
        self.update(Content.assemble(*parts))

    async def on_click(self, event: events.Click) -> None:
        """Show the pane whose label was clicked."""
        edge = len(_BRAND)
        for name, label in self._labels.items():
            if edge <= event.x < edge + len(label):
                await self.run_action(f"app.show_pane({name!r})")
                return
            edge += len(label)
