"""Whether the API lives, and whether each backend does its work."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

import devstack_tui
from devstack_tui.services.reference_api.backends import NAMES, Backends
from devstack_tui.services.reference_api.backends.base import (
    AbsentError,
    RefusedError,
    UnavailableError,
)
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Name, Stack

LIMIT_S = 1.5
"""Below the time limit of a probe, so that a backend that hangs is named by us."""
router = APIRouter(prefix="/health", tags=["health"])


@router.get("/")
async def alive() -> Response:
    """The process answers. No backend is asked."""
    return reply({"status": "healthy", "version": devstack_tui.__version__})


@router.get("/all")
async def everything(stack: Stack) -> Response:
    """Every backend, at once: 503 if one of the stack's fails. An absent one does not."""
    found = dict(
        zip(NAMES, await asyncio.gather(*(check(stack, name) for name in NAMES)), strict=True)
    )
    failing = [name for name, one in found.items() if one["status"] == "unhealthy"]
    return reply(
        {"status": "unhealthy" if failing else "healthy", "failing": failing, "services": found},
        503 if failing else 200,
    )


@router.get("/{name}")
async def one(name: Name, stack: Stack) -> Response:
    """One backend: 503 if it fails, 404 if the stack has none."""
    if name not in NAMES:
        raise RefusedError(404, f"unknown service: there is {', '.join(NAMES)}")
    found = await check(stack, name)
    return reply(found, {"healthy": 200, "absent": 404}.get(found["status"], 503))


async def check(stack: Backends, name: str) -> dict[str, Any]:
    """The state of one backend; never raises for a backend's sake."""
    started = time.perf_counter()
    try:
        backend = stack.get(name)
        details = await backend.ask(backend.check(), LIMIT_S)
    except AbsentError as error:
        return {"status": "absent", "service": name, "reason": str(error)}
    except UnavailableError as error:
        return {"status": "unhealthy", "service": name, "reason": error.reason}
    latency = round((time.perf_counter() - started) * 1000, 3)
    return {"status": "healthy", "service": name, "latency_ms": latency, "details": details}
