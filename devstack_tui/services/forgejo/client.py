"""Requests to Forgejo, on loopback."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.core.http_connection import HttpConnection


def connect(target: Target, timeout: float) -> HttpConnection:
    """A connection; `timeout` (seconds) covers each step. Close it after use."""
    return HttpConnection(target.endpoint.host, target.endpoint.port, timeout)
