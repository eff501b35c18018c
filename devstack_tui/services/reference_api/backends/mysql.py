"""MySQL or MariaDB, by PyMySQL in threads."""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Credentials, own_name
from devstack_tui.core.tls import client_context
from devstack_tui.services.reference_api.backends.base import CONNECT_S, Backend
from devstack_tui.services.reference_api.backends.pool import ThreadedPool

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

SIZE = 8
QUERY = "SELECT NOW(6)"


class MySql(Backend):
    """A pool of autocommit connections over verified TLS."""

    name = "mysql"
    _who = Credentials()

    async def query(self) -> str:
        """The server's clock: one row of one column."""
        return await self._scalar(QUERY)

    async def check(self) -> dict[str, str]:
        """A query on the server."""
        return {"version": await self._scalar("SELECT VERSION()")}

    async def close(self) -> None:
        """See `Backend`."""
        await self._pool.close()

    async def _scalar(self, query: str) -> str:
        def work(connection: Connection[Cursor]) -> str:
            with connection.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone()
            return str(row[0]) if row else ""

        # Here, because a thread cannot wait for the event loop; from memory but for the first.
        self._who = await self.credentials()
        return await self._pool.run(work)

    @functools.cached_property
    def _pool(self) -> ThreadedPool[Connection[Cursor]]:
        return ThreadedPool(self.name, self._open, SIZE)

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        return client_context(self.ca, own_name(self.name))

    def _open(self) -> Connection[Cursor]:
        import pymysql

        try:
            return pymysql.connect(
                host=self.peer.host,
                port=self.peer.port,
                user=self._who.user,
                password=self._who.password,
                database=self._who.database,
                ssl=self._context,
                connect_timeout=CONNECT_S,
                read_timeout=CONNECT_S,
                write_timeout=CONNECT_S,
                charset="utf8mb4",
                program_name="reference-api",
                autocommit=True,
            )
        except pymysql.err.OperationalError:
            self.forget()
            raise
