"""The ways to run a stack: one Protocol (`contracts/engine.py`), the same tests against each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from devstack_tui.core.errors import DevstackError

if TYPE_CHECKING:
    from devstack_tui.contracts.engine import Engine
    from devstack_tui.core.paths import StackPaths
    from devstack_tui.state.instance import Instance
    from devstack_tui.state.settings import StackSettings

DEFAULT = "embedded"
_ENGINES = {DEFAULT: "devstack_tui.engines.embedded.engine:EmbeddedEngine"}


def create(paths: StackPaths, instance: Instance, settings: StackSettings) -> Engine:
    """The engine by which the stack was made. Raises `DevstackError` for one that is not here."""
    found = _ENGINES.get(instance.engine)
    if found is None:
        raise DevstackError(
            f"the stack {paths.name!r} was made by the engine {instance.engine!r}, which this "
            f"release does not have (it has: {', '.join(_ENGINES)})",
            "use the release that made it",
        )
    module, _, name = found.partition(":")
    made: Engine = getattr(importlib.import_module(module), name)(paths, instance, settings)
    return made
