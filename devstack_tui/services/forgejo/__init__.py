"""Forgejo, or Gitea in its place: a Git forge. No package has it, so it may be absent."""

import pwd
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.forgejo]`: port `main` (HTTP)."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:  # noqa: ARG001
    """The address for a browser."""
    return f"http://{endpoint}/"


def _account() -> str:
    """The account that its packages make: it refuses to run as root."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("forgejo", "git", "gitea") if name in known), "nobody")


SERVICE = Service(
    name="forgejo",
    title="Forgejo",
    scheme="http",
    settings=Settings,
    hint=Hint(text="put the forgejo (or gitea) binary on PATH: https://forgejo.org/download/"),
    optional=True,
    account=_account(),
    connect=connect,
)
