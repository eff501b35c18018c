"""What MySQL or MariaDB reports of its accounts, rights and settings: asked once an audit, by our
own account."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from devstack_tui.contracts.audit import Audit
from devstack_tui.contracts.model import Target
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.account_checks import declared
from devstack_tui.loadgen.bounded_socket import translated
from devstack_tui.services.mysql.accounts import ACCESS_DENIED, SYSTEM
from devstack_tui.services.mysql.client import bounded

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

NATIVE = "mysql_native_password"
# One query for each table: those of a UNION may have collations that MySQL does not mix.
_ROUTINES = (
    "SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_SCHEMA, '.', ROUTINE_NAME), DEFINER "
    "FROM information_schema.routines "
    "WHERE SECURITY_TYPE = 'DEFINER' AND ROUTINE_SCHEMA NOT IN %s",
    "SELECT CONCAT('view ', TABLE_SCHEMA, '.', TABLE_NAME), DEFINER "
    "FROM information_schema.views WHERE SECURITY_TYPE = 'DEFINER' AND TABLE_SCHEMA NOT IN %s",
    "SELECT CONCAT('trigger ', TRIGGER_SCHEMA, '.', TRIGGER_NAME), DEFINER "
    "FROM information_schema.triggers WHERE TRIGGER_SCHEMA NOT IN %s",
    "SELECT CONCAT('event ', EVENT_SCHEMA, '.', EVENT_NAME), DEFINER "
    "FROM information_schema.events WHERE EVENT_SCHEMA NOT IN %s",
)
_LIBRARIES = (
    "SELECT CONCAT('plugin ', PLUGIN_NAME, ' from ', PLUGIN_LIBRARY) "
    "FROM information_schema.plugins WHERE PLUGIN_LIBRARY IS NOT NULL AND PLUGIN_LIBRARY <> ''",
    "SELECT CONCAT('function ', name, ' from ', dl) FROM mysql.func",
    "SELECT CONCAT('server ', Server_name, ' at ', Host) FROM mysql.servers",
)
_GLOBAL = """
SELECT GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.user_privileges
WHERE PRIVILEGE_TYPE <> 'USAGE' OR IS_GRANTABLE = 'YES'
"""
_BELOW = (
    "SELECT GRANTEE, TABLE_SCHEMA, '*', PRIVILEGE_TYPE, IS_GRANTABLE "
    "FROM information_schema.schema_privileges",
    "SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE, IS_GRANTABLE "
    "FROM information_schema.table_privileges",
    "SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE, IS_GRANTABLE "
    "FROM information_schema.column_privileges",
    "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)), Db, Routine_name, Proc_priv, "
    "IF(FIND_IN_SET('Grant', Proc_priv), 'YES', 'NO') FROM mysql.procs_priv",
)
_PROXIES = "SELECT User, Host, Proxied_user, Proxied_host FROM mysql.proxies_priv"
_ROLES_MARIADB = "SELECT User, Host, Role FROM mysql.roles_mapping"
_ROLES_MYSQL = "SELECT TO_USER, TO_HOST, FROM_USER FROM mysql.role_edges"
_ACCOUNTS_MYSQL = """
SELECT User, Host, account_locked, plugin, CONVERT(authentication_string USING utf8mb4)
FROM mysql.user
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `methods` are plugins, each with its hash, which is never evidence."""

    user: str
    host: str
    locked: bool
    role: bool
    methods: tuple[tuple[str, str], ...] = field(repr=False)

    def __str__(self) -> str:
        return f"'{self.user}'@'{self.host}'"


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `whole` are the rights to the whole server, by who has them; `below` those to
    databases and what is in them, in words that name who has them."""

    flavour: str
    accounts: tuple[Account, ...]
    whole: dict[str, list[str]]
    below: tuple[tuple[str, str, str, str, bool], ...]
    others: tuple[str, ...]
    """Proxies and roles."""
    settings: dict[str, str]
    routines: tuple[tuple[str, str], ...]
    libraries: tuple[str, ...]


class AdminRefusedError(DevstackError):
    """The server does not take the administrator's password that Vault has."""


def facts(audit: Audit) -> Facts:
    """What the server reports. Raises `DevstackError` and `OSError`."""
    return cast(Facts, audit.once("mysql.accounts", lambda: _ask(audit)))


def _ask(audit: Audit) -> Facts:
    import pymysql

    target = audit.target("mysql")
    try:
        with session(target.as_admin(), audit.timeout) as cursor:
            return _asked(cursor)
    except (pymysql.Error, OSError) as error:
        if error.args and error.args[0] == ACCESS_DENIED:
            raise AdminRefusedError(
                f"it does not let {target.admin.user} in with the password that Vault has"
            ) from None
        raise translated(getattr(error, "original_exception", error)) from None


@contextlib.contextmanager
def session(target: Target, timeout: float) -> Iterator[Cursor]:
    """A cursor of a session that is over after `timeout` seconds, whatever the server does."""
    with bounded(target, timeout) as connection, connection.cursor() as cursor:
        yield cursor


def _asked(cursor: Cursor) -> Facts:
    mariadb = "mariadb" in str(_rows(cursor, "SELECT VERSION()")[0][0]).lower()
    names = tuple(declared("mysql")["settings"])
    values = _rows(cursor, "SHOW GLOBAL VARIABLES WHERE Variable_name IN %s", (names,))
    whole: dict[str, list[str]] = {}
    for who, right, grantable in _rows(cursor, _GLOBAL):
        more = [str(right), *(["GRANT OPTION"] if grantable == "YES" else [])]
        whole.setdefault(str(who), []).extend(more)
    roles = _rows(cursor, _ROLES_MARIADB if mariadb else _ROLES_MYSQL)
    others = [f"'{user}'@'{host}' has the role {role}" for user, host, role in roles]
    others += [
        f"'{user}'@'{host}' may be '{as_user}'@'{as_host}'"
        for user, host, as_user, as_host in _rows(cursor, _PROXIES)
        if (user, host) != ("root", "localhost")
    ]
    return Facts(
        flavour="MariaDB" if mariadb else "MySQL",
        accounts=tuple(_mariadb(cursor) if mariadb else _mysql(cursor)),
        whole=whole,
        below=tuple(
            (str(a), str(b), str(c), str(d), e == "YES") for a, b, c, d, e in _all(cursor, _BELOW)
        ),
        others=tuple(others),
        settings={str(name): "NULL" if text is None else str(text) for name, text in values},
        routines=tuple((str(a), str(b)) for a, b in _all(cursor, _ROUTINES, (SYSTEM,))),
        libraries=tuple(str(row[0]) for row in _all(cursor, _LIBRARIES)),
    )


def _rows(cursor: Cursor, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    cursor.execute(query, values or None)
    return list(cursor.fetchall())


def _all(
    cursor: Cursor, queries: tuple[str, ...], values: tuple[object, ...] = ()
) -> list[tuple[Any, ...]]:
    return [row for query in queries for row in _rows(cursor, query, values)]


def _mysql(cursor: Cursor) -> Iterator[Account]:
    for user, host, locked, plugin, kept in _rows(cursor, _ACCOUNTS_MYSQL):
        yield Account(str(user), str(host), locked == "Y", False, ((str(plugin), str(kept or "")),))


def _mariadb(cursor: Cursor) -> Iterator[Account]:
    for host, user, text in _rows(cursor, "SELECT Host, User, Priv FROM mysql.global_priv"):
        yield account(str(user), str(host), text)


def account(user: str, host: str, text: str | bytes) -> Account:
    """One row of MariaDB's mysql.global_priv. Raises `DevstackError` for what is none."""
    try:
        found = codec.decode(text.encode() if isinstance(text, str) else text, dict[str, Any])
        methods = tuple(_methods(found))
        return Account(
            user, host, bool(found.get("account_locked")), bool(found.get("is_role")), methods
        )
    except (ValueError, AttributeError, TypeError):
        raise DevstackError(f"what the server keeps of '{user}'@'{host}' is no account") from None


def _methods(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What lets the account in. One of `auth_or` that names no plugin is the account's own."""
    for one in found.get("auth_or") or [{}]:
        own = one if one.get("plugin") else found
        yield str(own.get("plugin") or NATIVE), str(own.get("authentication_string") or "")


def everything(pattern: str) -> bool:
    """Whether the name of a database in a right stands for more than one by a `%`."""
    return re.search(r"(?<!\\)%", pattern) is not None
