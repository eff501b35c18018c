"""Forgejo, or Gitea in its place: a Git forge. No package has it, so it may be absent."""

from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.forgejo]`: port `main` (HTTP)."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:  # noqa: ARG001
    """The address for a browser."""
    return f"http://{endpoint}/"


SERVICE = Service(
    name="forgejo",
    title="Forgejo",
    scheme="http",
    settings=Settings,
    hint=Hint(text="put the forgejo (or gitea) binary on PATH: https://forgejo.org/download/"),
    optional=True,
    connect=connect,
)
