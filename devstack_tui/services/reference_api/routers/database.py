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
    return await _queried(stack.of(postgres.Postgres), "PostgreSQL", postgres.QUERY)


@router.get("/mysql/query")
async def query_mysql(stack: Stack) -> Response:
    """One row from MySQL or MariaDB."""
    return await _queried(stack.of(mysql.MySql), "MySQL", mysql.QUERY)


@router.get("/mongodb/query")
async def query_mongodb(stack: Stack) -> Response:
    """One document from MongoDB."""
    return await _queried(stack.of(mongodb.MongoDb), "MongoDB", mongodb.QUERY)


async def _queried(
    backend: postgres.Postgres | mysql.MySql | mongodb.MongoDb, database: str, query: str
) -> Response:
    result = await backend.ask(backend.query())
    return reply({"database": database, "query": query, "result": result})
