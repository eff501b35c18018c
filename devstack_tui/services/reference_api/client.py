"""Requests to the reference API, over TLS and verified."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    import httpx


@functools.lru_cache(maxsize=8)
def _context(ca: Path, modified: int) -> ssl.SSLContext:  # noqa: ARG001 - part of the key
    return client_context(ca)


def connect(target: Target, timeout: float) -> httpx.Client:
    """A client of the HTTPS port; `timeout` (seconds) covers each step. Close it after use."""
    import httpx

    return httpx.Client(
        base_url=f"https://{target.endpoint.host}:{target.ports['tls']}",
        verify=_context(target.ca, target.ca.stat().st_mtime_ns),
        timeout=timeout,
        # A proxy of the environment knows no way to our loopback.
        trust_env=False,
    )
