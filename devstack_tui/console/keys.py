"""The action registry as Textual's bindings."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from devstack_tui.actions import in_scope


def bindings(scope: str) -> list[BindingType]:
    """One binding for each action of `scope` that has a key; its action has the same name."""
    return [
        Binding(
            action.key,
            action.id,
            action.title,
            show=action.footer,
            tooltip=action.help,
            id=action.id,
        )
        for action in in_scope(scope)
        if action.key
    ]
