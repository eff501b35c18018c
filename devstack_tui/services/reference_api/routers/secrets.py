"""Reading from Vault as an application does. The values stay here: reading needs no login."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from devstack_tui.services.reference_api.backends.base import RefusedError
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Name, Stack

SHOWN = ("user", "database")
MASK = "***"
NOTE = "Read from Vault by this API's own AppRole. Masked: reading needs no login."
router = APIRouter(prefix="/examples/vault", tags=["vault"])


@router.get("/secret/{service}")
async def secret(service: Name, stack: Stack) -> Response:
    """The secret of a service: names of its keys, and the values that are no secret."""
    found = await stack.vault.ask(stack.vault.secret(service))
    shown = {key: _mask(key, value) for key, value in found.items()}
    return reply({"service": service, "data": shown, "note": NOTE})


@router.get("/secret/{service}/{key}")
async def secret_key(service: Name, key: Name, stack: Stack) -> Response:
    """One key of it."""
    found = await stack.vault.ask(stack.vault.secret(service))
    if key not in found:
        raise RefusedError(404, f"the secret of {service} has no key {key!r}")
    return reply({"service": service, "key": key, "value": _mask(key, found[key]), "note": NOTE})


def _mask(key: str, value: str) -> str:
    return value if key in SHOWN else MASK
