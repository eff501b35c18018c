"""PostgreSQL, by psycopg's own pool of asynchronous connections."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import own_name
from devstack_tui.services.reference_api.backends.base import CONNECT_S, LIMIT_S, Backend

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

SIZE = 10
CHECK_WAIT_S, WAIT_S = 1.0, LIMIT_S - 1.0
"""For a free connection: below the time limits of a health check and of a request, so that there is
time to learn why there is none."""
QUERY = "SELECT current_timestamp"


class Postgres(Backend):
    """A pool of autocommit connections over verified TLS."""

    name = "postgres"

    async def query(self) -> str:
        """The server's clock: one row of one column."""
        return await self._scalar(QUERY, WAIT_S)

    async def check(self) -> dict[str, str]:
        """A query on the server."""
        version = await self._scalar("SELECT current_setting('server_version')", CHECK_WAIT_S)
        return {"version": version.partition(" ")[0]}

    async def close(self) -> None:
        """See `Backend`."""
        await self._pool.close(timeout=0.5)

    async def _scalar(self, query: str, wait: float) -> str:
        import psycopg
        from psycopg_pool import PoolTimeout

        if self._pool.closed:
            await self._pool.open()
        for last in (False, True):
            try:
                async with self._pool.connection(timeout=wait) as connection:
                    try:
                        row = await (await connection.execute(query)).fetchone()
                        return str(row[0]) if row else ""
                    except psycopg.OperationalError:
                        if last or not connection.broken:
                            raise
            except PoolTimeout:
                # The pool keeps the reason to itself.
                async with await psycopg.AsyncConnection.connect(**await self._parameters()):
                    raise
            # The others are as old as this one: once more, with a new one.
            await self._pool.drain()
        raise AssertionError

    @cached_property
    def _pool(self) -> AsyncConnectionPool[Any]:
        from psycopg_pool import AsyncConnectionPool

        return AsyncConnectionPool(
            kwargs=self._parameters,
            min_size=0,
            max_size=SIZE,
            open=False,
            # The next request tries again.
            reconnect_timeout=0,
            reconnect_failed=lambda _: self.forget(),
        )

    async def _parameters(self) -> dict[str, Any]:
        who = await self.credentials()
        return {
            # The name is what is verified, the address where it is.
            "host": own_name(self.name),
            "hostaddr": self.peer.host,
            "port": self.peer.port,
            "user": who.user,
            "password": who.password,
            "dbname": who.database,
            "sslmode": "verify-full",
            "sslrootcert": self.ca,
            "connect_timeout": int(CONNECT_S),
            "options": "-c statement_timeout=4000",
            "application_name": "reference-api",
            "autocommit": True,
        }
