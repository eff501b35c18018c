"""The application: its routes, and what its errors look like to a caller."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

import devstack_tui
from devstack_tui.services.reference_api.backends import Backends
from devstack_tui.services.reference_api.backends.base import (
    AbsentError,
    RefusedError,
    UnavailableError,
)
from devstack_tui.services.reference_api.replies import problem, reply
from devstack_tui.services.reference_api.routers import (
    cache,
    cluster,
    database,
    health,
    messaging,
    pages,
    secrets,
)

DESCRIPTION = (
    "Uses every service of the stack as an application would. It listens on loopback; whoever can "
    "reach it can read, so secrets are masked. A write needs Content-Type: application/json and "
    "the token that is in the stack's secrets/reference-api-token (Authorization: Bearer)."
)


def create_app(backends: Backends) -> FastAPI:
    """The application over `backends`. Nothing is connected yet."""
    app = FastAPI(
        title="devstack-tui reference API",
        version=devstack_tui.__version__,
        description=DESCRIPTION,
        # FastAPI's pages load scripts from a CDN; ours needs no network.
        docs_url=None,
        redoc_url=None,
    )
    app.state.backends = backends
    for part in (pages, health, cluster, secrets, database, cache, messaging):
        app.include_router(part.router)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(AbsentError, _absent)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return app


def reaches_write(app: FastAPI, scope: Scope) -> bool:
    """Whether a route would answer this request, path and method."""
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)


async def _unavailable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UnavailableError)
    return reply(
        {"status": "unhealthy", "service": error.service, "reason": error.reason}, status=503
    )


async def _absent(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AbsentError)
    return reply({"status": "absent", "service": error.service, "reason": str(error)}, status=404)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return problem(error.status, str(error))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem(500, "internal error: the log of the reference API has it")
