"""Every service: ours, one line each, and those of other packages that stack.toml names."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from devstack_tui.contracts.service import IDENTITY, Service
from devstack_tui.core.errors import NotInstalledError, UsageError, unknown_name
from devstack_tui.core.paths import config_home

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUILT_IN", "IDENTITY", "names", "not_installed", "service", "services"]

# In the order in which they are shown.
BUILT_IN = (
    "vault",
    "postgres",
    "mysql",
    "mongodb",
    "redis",
    "rabbitmq",
    "reference_api",
    "forgejo",
)


def names() -> tuple[str, ...]:
    """The names of all services: ours in the order in which they are shown, then the others."""
    return (*BUILT_IN, *_from_outside())


def service(name: str) -> Service:
    """The service called `name` (`reference-api` and `reference_api` are the same).

    Raises `UsageError` with the close matches for any other name.
    """
    canonical = name.replace("-", "_")
    if canonical in BUILT_IN:
        return _built_in(canonical)
    if found := _from_outside().get(canonical):
        return found
    raise unknown_name("service", name, names())


def services() -> tuple[Service, ...]:
    """All of them."""
    return (*map(_built_in, BUILT_IN), *_from_outside().values())


def not_installed(name: str) -> NotInstalledError:
    """The error for service `name`: its remedy is the command that installs it."""
    from devstack_tui.core.programs import remedy

    found = service(name)
    return NotInstalledError(
        f"{found.title} is not on this machine", " ".join(remedy([found.hint])) or found.hint.text
    )


def require_usable(part: str) -> None:
    """Raise `UsageError` with the reason when `part` (`memcached.get`) is of a service of another
    package that cannot be loaded: what it had is not known then."""
    found = _from_outside().get(part.partition(".")[0].replace("-", "_"))
    if found is not None and found.unavailable:
        raise UsageError(f"there is no {part} now: {found.unavailable}", found.hint.text)


@functools.cache
def _built_in(name: str) -> Service:
    found: Service = importlib.import_module(f"devstack_tui.services.{name}").SERVICE
    return found


def _from_outside() -> Mapping[str, Service]:
    """The services of other packages: only the user's own stack.toml can name one."""
    path = config_home() / "stack.toml"
    try:
        text = path.read_bytes()
    except OSError:
        return {}
    if b"package" not in text:
        return {}
    from devstack_tui.contracts.outside import load_all

    return load_all(path, text, BUILT_IN)
