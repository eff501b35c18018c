"""MySQL's two accounts: ours, which administrates the server, and the application's, which has all
rights on its database and none beside.

A server of a release that had one account with all rights is converted: by the old account, as long
as that still has them. Killed at any point, the next start goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import LOOPBACK, Credentials, Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mysql.client import connect

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

TIMEOUT_S = 30.0
FILES = "files"
"""The directory in which MariaDB may read and write files, for who has the right."""
HOSTS = (LOOPBACK, "localhost")
"""From where the application's account is let in; ours is by TCP alone."""
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
ACCESS_DENIED = 1045
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,30}")
_DATABASE = "CREATE DATABASE IF NOT EXISTS `{}` CHARACTER SET utf8mb4"
_GLOBAL = """
SELECT PRIVILEGE_TYPE FROM information_schema.user_privileges
WHERE GRANTEE = %s AND PRIVILEGE_TYPE <> 'USAGE'
"""


def statements(target: Target, mariadb: bool) -> list[str]:
    """What makes both accounts and the application's database, each time it is run."""
    own, admin = target.credentials, target.admin
    for name in (own.user, own.database, admin.user):
        if not _IDENTIFIER.fullmatch(name):
            raise AssertionError(name)
    found = [_DATABASE.format(own.database)]
    found += _account(admin, LOOPBACK, mariadb)
    found.append(f"GRANT ALL PRIVILEGES ON *.* TO {name_of(admin)} WITH GRANT OPTION")
    for host in HOSTS:
        found += _account(own, host, mariadb)
        found.append(f"GRANT ALL PRIVILEGES ON {pattern(own.database)}.* TO {name_of(own, host)}")
    return found


def name_of(account: Credentials, host: str = LOOPBACK) -> str:
    """The account as statements name it, and as the server's tables of rights do."""
    return f"'{account.user}'@'{host}'"


def pattern(database: str) -> str:
    """The name of a database for GRANT, which takes `_` and `%` for wildcards."""
    escaped = re.sub(r"([\\_%])", r"\\\1", database).replace("`", "``")
    return f"`{escaped}`"


def _account(account: Credentials, host: str, mariadb: bool) -> list[str]:
    who = name_of(account, host)
    # MySQL's own hash cannot be made here: its file has the password until the server has run it.
    known = (
        f"PASSWORD '{native_hash(account.password)}'"
        if mariadb
        else f"'{quoted(account.password)}'"
    )
    return [
        f"CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {known}",
        f"ALTER USER {who} IDENTIFIED BY {known}",
    ]


def native_hash(password: str) -> str:
    """The hash of `mysql_native_password`."""
    once = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the server's own
    return f"*{hashlib.sha1(once).hexdigest().upper()}"  # noqa: S324


def quoted(text: str) -> str:
    """`text` for the inside of an SQL string in single quotes. Raises ValueError on a newline:
    a statement of an init file ends with its line."""
    if any(ord(character) < 32 for character in text):
        raise ValueError("a password may not hold control characters")
    return text.replace("\\", "\\\\").replace("'", "''")


@contextlib.contextmanager
def session(target: Target) -> Iterator[Cursor]:
    """A session without a database, of the target's account."""
    with (
        contextlib.closing(connect(target, TIMEOUT_S, "")) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def refused(target: Target) -> bool:
    """Whether the server that runs refuses the target's account; raises what else is wrong."""
    import pymysql

    try:
        connect(target, 5, "").close()
    except pymysql.err.OperationalError as error:
        if error.args[0] != ACCESS_DENIED:
            raise
        return True
    return False


def lacking(target: Target) -> bool:
    """Whether the accounts of the server that runs are those of an earlier release."""
    import pymysql

    try:
        if refused(target.as_admin()):
            return True
        with session(target) as cursor:
            return bool(_global_rights(cursor, target.credentials, LOOPBACK))
    except (pymysql.err.MySQLError, OSError):
        return False


def establish(target: Target, mariadb: bool) -> None:
    """See that the server that runs has both accounts as declared. Raises `DevstackError` when it
    refuses the administrator's password that Vault has."""
    if target.admin.user and refused(target.as_admin()):
        _by_the_old_account(target, mariadb)
    with session(target.as_admin()) as cursor:
        for host in HOSTS:
            if not _global_rights(cursor, target.credentials, host):
                continue
            who = name_of(target.credentials, host)
            # What was made with those rights stays its own.
            cursor.execute("SELECT SCHEMA_NAME FROM information_schema.schemata")
            for (database,) in cursor.fetchall():
                if str(database).lower() not in SYSTEM:
                    cursor.execute(f"GRANT ALL PRIVILEGES ON {pattern(str(database))}.* TO {who}")
            cursor.execute(f"REVOKE ALL PRIVILEGES ON *.* FROM {who}")
            cursor.execute(f"REVOKE GRANT OPTION ON *.* FROM {who}")


def _by_the_old_account(target: Target, mariadb: bool) -> None:
    """Have the account that once had all rights make the others."""
    if not refused(target):
        with session(target) as cursor:
            if "CREATE USER" in _global_rights(cursor, target.credentials, LOOPBACK):
                for statement in statements(target, mariadb):
                    cursor.execute(statement)
                return
    raise DevstackError(
        f"the server refuses the password that Vault has for {target.admin.user!r}",
        "its init file failed: `devstack-tui logs mysql` says why",
    )


def _global_rights(cursor: Cursor, account: Credentials, host: str) -> set[str]:
    cursor.execute(_GLOBAL, (name_of(account, host),))
    return {str(right) for (right,) in cursor.fetchall()}
