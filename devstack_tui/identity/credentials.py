"""The credentials of the services: kept 0600, for clients while Vault itself is down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Credentials
from devstack_tui.core import codec

if TYPE_CHECKING:
    from devstack_tui.contracts.service import Service


def credentials_path(secrets: Path, name: str) -> Path:
    """The 0600 copy of a service's secret, for clients while Vault itself is down."""
    return secrets / "credentials" / f"{name}.json"


def read_credentials(secrets: Path, service: Service) -> Credentials:
    """What its last login kept; empty credentials where the service was never started."""
    try:
        raw = credentials_path(secrets, service.name).read_bytes()
        return codec.decode(raw, Credentials)
    except (OSError, ValueError):
        return Credentials()
