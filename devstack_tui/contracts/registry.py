"""Every service that we know: one line each, its folder has the rest."""

from __future__ import annotations

import functools
import importlib

from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import NotInstalledError, unknown_name

# In the order in which they are shown.
NAMES = (
    "vault",
    "postgres",
    "mysql",
    "mongodb",
    "redis",
    "rabbitmq",
    "reference_api",
    "forgejo",
)
# The service that gives every other one its secret and its certificate.
IDENTITY = "vault"


@functools.cache
def service(name: str) -> Service:
    """The service called `name` (`reference-api` and `reference_api` are the same).

    Raises `UsageError` with the close matches for any other name.
    """
    canonical = name.replace("-", "_")
    if canonical not in NAMES:
        raise unknown_name("service", name, NAMES)
    found: Service = importlib.import_module(f"devstack_tui.services.{canonical}").SERVICE
    return found


def services() -> tuple[Service, ...]:
    """All of them."""
    return tuple(service(name) for name in NAMES)


def not_installed(name: str) -> NotInstalledError:
    """The error for service `name`: its remedy is the command that installs it."""
    from devstack_tui.core.programs import remedy

    found = service(name)
    return NotInstalledError(
        f"{found.title} is not on this machine", " ".join(remedy([found.hint])) or found.hint.text
    )
