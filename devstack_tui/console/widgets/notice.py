"""A line under the status for what the user should know now; without a text it takes no room."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from devstack_tui.present.text import plain


class Notice(Static):
    """Shows one sentence and its remedy."""

    def __init__(self) -> None:
        super().__init__(id="notice")
        self.display = False

    def show(self, message: str, remedy: str = "") -> None:
        """Show `message`; an empty one hides the line."""
        parts = [Content.styled(f" ✗ {plain(message)}", "$text-error")]
        if remedy:
            parts.append(Content(f" → {plain(remedy)}"))
        self.update(Content.assemble(*parts) if message else "")
        self.display = bool(message)
