"""Connections to PostgreSQL, over TLS and verified unless configured otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Target

if TYPE_CHECKING:
    import psycopg

NO_FILE = "/dev/null/none"
"""A file below no directory: one that is not there, in place of libpq's own in ~/.postgresql."""


def connect(
    target: Target, timeout: float, database: str | None = None
) -> psycopg.Connection[tuple[object, ...]]:
    """An autocommit connection; `timeout` (seconds) covers connecting and each statement."""
    import psycopg

    seconds = max(1, round(timeout))
    try:
        return _connected(target, timeout, seconds, database)
    except psycopg.errors.ConnectionTimeout:
        raise psycopg.errors.ConnectionTimeout(
            f"PostgreSQL at {target.endpoint} gave no answer within {seconds} s"
        ) from None


def _connected(
    target: Target, timeout: float, seconds: int, database: str | None
) -> psycopg.Connection[tuple[object, ...]]:
    import psycopg

    return psycopg.connect(
        # The name is what is verified, the address where it is.
        host=target.name,
        hostaddr=target.endpoint.host,
        port=target.endpoint.port,
        user=target.credentials.user,
        password=target.credentials.password,
        dbname=database or target.credentials.database,
        sslmode="verify-full",
        sslrootcert=str(target.ca),
        sslcert=NO_FILE,
        sslkey=NO_FILE,
        sslcrl=NO_FILE,
        gssencmode="disable",
        connect_timeout=seconds,
        options=f"-c statement_timeout={int(timeout * 1000)}",
        application_name="devstack-tui",
        autocommit=True,
    )
