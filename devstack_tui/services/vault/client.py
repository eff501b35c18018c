"""A session with Vault by hvac, the client that users have: verified TLS, no proxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    import hvac


@contextlib.contextmanager
def connect(target: Target, timeout: float) -> Iterator[hvac.Client]:
    """Connects when it is first asked. Raises `OSError` where nothing answers, and for a server
    whose certificate is not verified."""
    import hvac
    import requests
    from requests.adapters import HTTPAdapter

    context = client_context(target.ca, target.name)

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            # The context of `requests` differs from one Python to the next.
            super().init_poolmanager(*args, ssl_context=context, **options)

    with requests.Session() as session:
        # A proxy from the environment must never see a token that is meant for loopback.
        session.trust_env = False
        session.verify = str(target.ca)
        session.mount("https://", Adapter())
        yield hvac.Client(
            url=f"https://{target.endpoint}",
            timeout=timeout,
            session=session,
            verify=str(target.ca),
        )
