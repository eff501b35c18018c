"""PostgreSQL, by psycopg's asynchronous connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devstack_tui.services.reference_api.backends.base import CONNECT_S, Backend
from devstack_tui.services.reference_api.backends.pool import AsyncPool

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

SIZE = 10
QUERY = "SELECT current_timestamp"


class Postgres(Backend):
    """A pool of autocommit connections over verified TLS."""

    name = "postgres"
    _pool: AsyncPool[Connection] | None = None

    async def query(self) -> str:
        """The server's clock: one row of one column."""

        async def work(connection: Connection) -> str:
            cursor = await connection.execute(QUERY)
            row = await cursor.fetchone()
            return str(row[0]) if row else ""

        return await self._connections().run(work)

    async def check(self) -> dict[str, str]:
        """A query on the server."""

        async def work(connection: Connection) -> str:
            cursor = await connection.execute("SELECT current_setting('server_version')")
            row = await cursor.fetchone()
            return str(row[0]).partition(" ")[0] if row else ""

        return {"version": await self._connections().run(work)}

    async def close(self) -> None:
        """See `Backend`."""
        if self._pool is not None:
            await self._pool.close()

    def _connections(self) -> AsyncPool[Connection]:
        if self._pool is None:
            self._pool = AsyncPool(self._open, SIZE)
        return self._pool

    async def _open(self) -> Connection:
        import psycopg

        who = await self.credentials()
        try:
            return await psycopg.AsyncConnection.connect(
                host=self.peer.host,
                port=self.peer.port,
                user=who.user,
                password=who.password,
                dbname=who.database,
                sslmode="verify-full",
                sslrootcert=self.ca,
                connect_timeout=int(CONNECT_S),
                options="-c statement_timeout=4000",
                application_name="reference-api",
                autocommit=True,
            )
        except psycopg.OperationalError:
            self.forget()
            raise
