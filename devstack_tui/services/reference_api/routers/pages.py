"""What the API is, its counters and its documentation."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

import devstack_tui
from devstack_tui.services.reference_api.backends import NAMES
from devstack_tui.services.reference_api.metrics import CONTENT_TYPE, METRICS
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Stack

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td{{padding:.25rem 1rem .25rem 0;vertical-align:top}}
code{{white-space:nowrap}}</style><h1>{title} {version}</h1><p>{about}</p>
<p>The same for programs: <a href="/openapi.json">openapi.json</a></p><table>{rows}</table></html>
"""
router = APIRouter(tags=["about"])


@router.get("/")
async def about(stack: Stack) -> Response:
    """What this is, which services it uses, and where to go on."""
    present = [name for name in NAMES if name in stack.config.peers]
    return reply(
        {
            "name": "devstack-tui reference API",
            "version": devstack_tui.__version__,
            "stack": stack.config.stack,
            "services": present,
            "docs": "/docs",
            "health": "/health/all",
            "metrics": "/metrics",
        }
    )


@router.get("/metrics")
async def metrics() -> Response:
    """Requests, latency and backends in Prometheus' text format."""
    return Response(METRICS.render(), headers={"content-type": CONTENT_TYPE})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The routes as a page that loads nothing from elsewhere."""
    schema = request.app.openapi()
    rows = [
        f"<tr><td><code>{method.upper()}</code><td><code>{html.escape(path)}</code>"
        f"<td>{html.escape(operation.get('description', ''))}"
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(
        PAGE.format(
            title=html.escape(schema["info"]["title"]),
            version=html.escape(schema["info"]["version"]),
            about=html.escape(schema["info"]["description"]),
            rows="".join(rows),
        )
    )
