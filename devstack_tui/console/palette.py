"""The command palette: every action of the registry, and every tab."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from devstack_tui.actions import ACTIONS
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.screens.help import key_text


class ActionCommands(Provider):
    """Runs the action wherever it belongs: the app, the pane in view, or its log."""

    def _commands(self) -> Iterator[tuple[str, str, str]]:
        for action in ACTIONS:
            key = key_text(action)
            yield action.title, f"{action.help}  {key}".rstrip(), f"app.run_listed({action.id!r})"
        if len(CAPABILITIES) > 1:
            for capability in CAPABILITIES:
                yield (
                    f"Go to {capability.title}",
                    f"Show the {capability.title} pane",
                    f"app.show_pane({capability.id!r})",
                )

    async def discover(self) -> Hits:
        """Everything, in the registry's order."""
        for title, help_text, action in self._commands():
            yield DiscoveryHit(title, partial(self.app.run_action, action), help=help_text)

    async def search(self, query: str) -> Hits:
        """What matches `query` in its title or its help."""
        matcher = self.matcher(query)
        for title, help_text, action in self._commands():
            score = max(matcher.match(title), matcher.match(help_text) / 2)
            if score > 0:
                command = partial(self.app.run_action, action)
                yield Hit(score, matcher.highlight(title), command, text=title, help=help_text)
