"""Reload of a running MySQL's or MariaDB's certificate."""

from __future__ import annotations

import contextlib

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mysql.client import connect

TIMEOUT_S = 5.0
_UNKNOWN = 1064
"""A syntax error: the server is too old for the statement."""


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """One statement; sessions keep theirs, and so does a server that cannot use the files.

    Without TLS: the certificate that is served now may be the very thing that is wrong.
    """
    import pymysql

    try:
        with (
            contextlib.closing(connect(target.as_admin(), TIMEOUT_S, "", tls=False)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT VERSION()")
            mariadb = "mariadb" in str(cursor.fetchone()).lower()
            cursor.execute("FLUSH SSL" if mariadb else "ALTER INSTANCE RELOAD TLS")
    except pymysql.err.MySQLError as error:
        if error.args[0] == _UNKNOWN:
            return False
        raise DevstackError(f"it does not take the certificate: {error.args[-1]}") from None
    return True
