"""The ways to run a stack: one Protocol (`contracts/engine.py`), the same tests against each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from devstack_tui.core.errors import DevstackError

if TYPE_CHECKING:
    from devstack_tui.contracts.engine import Engine, Readable
    from devstack_tui.core.paths import StackPaths
    from devstack_tui.state.instance import Instance
    from devstack_tui.state.settings import StackSettings

DEFAULT = "embedded"
_ENGINES = {DEFAULT: "devstack_tui.engines.embedded.engine:EmbeddedEngine"}
_VIEWS = {DEFAULT: "devstack_tui.engines.embedded.view:EmbeddedView"}
"""What of an engine is enough to look, where there is such a part."""


def create(paths: StackPaths, instance: Instance, settings: StackSettings) -> Engine:
    """The engine by which the stack was made. Raises `DevstackError` for one that is not here."""
    made: Engine = _class(_ENGINES, paths, instance)(paths, instance, settings)
    return made


def view(paths: StackPaths, instance: Instance, settings: StackSettings) -> Readable:
    """What is read of the stack, by the engine by which it was made. Raises as `create`."""
    made: Readable = _class({**_ENGINES, **_VIEWS}, paths, instance)(paths, instance, settings)
    return made


def _class(known: Mapping[str, str], paths: StackPaths, instance: Instance) -> Any:
    found = known.get(instance.engine)
    if found is None:
        raise DevstackError(
            f"the stack {paths.name!r} was made by the engine {instance.engine!r}, which this "
            f"release does not have (it has: {', '.join(known)})",
            "use the release that made it",
        )
    module, _, name = found.partition(":")
    return getattr(importlib.import_module(module), name)
