"""Requests to Forgejo, on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Target

if TYPE_CHECKING:
    import httpx


def connect(target: Target, timeout: float) -> httpx.Client:
    """A client; `timeout` (seconds) covers each step. Close it after use."""
    import httpx

    # A proxy of the environment knows no way to our loopback.
    return httpx.Client(base_url=f"http://{target.endpoint}", timeout=timeout, trust_env=False)
