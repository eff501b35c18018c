"""Requests to the reference API, over TLS and verified."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.core.http_connection import HttpConnection
from devstack_tui.core.tls import client_context


def connect(target: Target, timeout: float) -> HttpConnection:
    """A connection to the HTTPS port; `timeout` (seconds) covers each step. Close it after use."""
    context = client_context(target.ca)
    return HttpConnection(target.endpoint.host, target.ports["tls"], timeout, context)
