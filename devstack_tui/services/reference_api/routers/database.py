"""One query on each database: what a load test measures."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from devstack_tui.services.reference_api.backends import mongodb, mysql, postgres
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Stack

router = APIRouter(prefix="/examples/database", tags=["database"])


@router.get("/postgres/query")
async def query_postgres(stack: Stack) -> Response:
    """One row from PostgreSQL."""
    result = await stack.postgres.ask(stack.postgres.query())
    return reply({"database": "PostgreSQL", "query": postgres.QUERY, "result": result})


@router.get("/mysql/query")
async def query_mysql(stack: Stack) -> Response:
    """One row from MySQL or MariaDB."""
    result = await stack.mysql.ask(stack.mysql.query())
    return reply({"database": "MySQL", "query": mysql.QUERY, "result": result})


@router.get("/mongodb/query")
async def query_mongodb(stack: Stack) -> Response:
    """One document from MongoDB."""
    result = await stack.mongodb.ask(stack.mongodb.query())
    return reply({"database": "MongoDB", "query": mongodb.QUERY, "result": result})
