"""PostgreSQL's two accounts: our superuser, and the application's, which owns its database alone.

A cluster of a release that had one account, the superuser `devstack`, is converted: the first
account of a cluster (of oid 10) cannot lose its rights, so it becomes ours under another name.
Killed at any point, the next start goes on; nothing of the data is touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.postgres.client import connect

if TYPE_CHECKING:
    import psycopg

MAINTENANCE = "postgres"
"""The database that a session is in which makes others."""
TIMEOUT_S = 60.0
_PLAIN = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_NEXT = "devstack_tui_application"
_HELPER = "devstack_tui_conversion"
_REFUSED = ("authentication failed", "pg_hba.conf", "does not exist", "not permitted to log in")
# What the first account owns and nobody gave an extension, as `ALTER` names it. Sequences of a
# column go with their table, row types and arrays with what they are of.
_OWNED = """
WITH owned (classid, objid) AS (
  SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspowner = 10
  UNION ALL SELECT 'pg_class', oid FROM pg_class c
    WHERE relowner = 10 AND (relkind IN ('r', 'p', 'v', 'm', 'f') OR relkind = 'S' AND NOT EXISTS
      (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
       AND deptype IN ('a', 'i')))
  UNION ALL SELECT 'pg_type', t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
    WHERE typowner = 10 AND typtype IN ('c', 'd', 'e', 'r', 'b') AND coalesce(relkind, 'c') = 'c'
      AND NOT EXISTS (SELECT FROM pg_type WHERE typarray = t.oid)
  UNION ALL SELECT 'pg_proc', oid FROM pg_proc WHERE proowner = 10
  UNION ALL SELECT 'pg_operator', oid FROM pg_operator WHERE oprowner = 10
  UNION ALL SELECT 'pg_opclass', oid FROM pg_opclass WHERE opcowner = 10
  UNION ALL SELECT 'pg_opfamily', oid FROM pg_opfamily WHERE opfowner = 10
  UNION ALL SELECT 'pg_collation', oid FROM pg_collation WHERE collowner = 10
  UNION ALL SELECT 'pg_conversion', oid FROM pg_conversion WHERE conowner = 10
  UNION ALL SELECT 'pg_ts_config', oid FROM pg_ts_config WHERE cfgowner = 10
  UNION ALL SELECT 'pg_ts_dict', oid FROM pg_ts_dict WHERE dictowner = 10
  UNION ALL SELECT 'pg_statistic_ext', oid FROM pg_statistic_ext WHERE stxowner = 10
  UNION ALL SELECT 'pg_publication', oid FROM pg_publication WHERE pubowner = 10
  UNION ALL SELECT 'pg_foreign_server', oid FROM pg_foreign_server WHERE srvowner = 10
  UNION ALL SELECT 'pg_largeobject', oid FROM pg_largeobject_metadata WHERE lomowner = 10
)
SELECT replace(type, 'statistics object', 'statistics'), identity
FROM owned, pg_identify_object(classid, objid, 0)
WHERE objid >= 16384 AND NOT EXISTS
  (SELECT FROM pg_depend d WHERE d.classid = owned.classid AND d.objid = owned.objid
   AND deptype = 'e')
"""


def refused(error: Exception) -> bool:
    """Whether the server answered, by a refusal of the account. libpq says it in words only."""
    return any(words in str(error) for words in _REFUSED)


def converted(target: Target) -> bool:
    """Whether the server that runs knows our account."""
    import psycopg

    try:
        connect(target.as_admin(), 5, MAINTENANCE).close()
    except psycopg.Error as error:
        return not refused(error)
    return True


def establish(target: Target) -> None:
    """See that the server that runs has both accounts as declared, and the application's database.

    Raises `DevstackError` when neither account of Vault's is let in as what it was.
    """
    import psycopg

    try:
        session = _admin(target)
    except psycopg.OperationalError as error:
        if not refused(error):
            raise
        _convert(target)
        session = _admin(target)
    own = target.credentials
    with session as connection:
        if not _one(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", own.user):
            _do(connection, "CREATE ROLE {0}", own.user)
        _set_password(connection, own, _PLAIN)
        if not _one(connection, "SELECT 1 FROM pg_database WHERE datname = %s", own.database):
            _do(connection, "CREATE DATABASE {0} OWNER {1}", own.database, own.user)
        _do(connection, "DROP ROLE IF EXISTS {0}", _HELPER)


def _admin(target: Target) -> psycopg.Connection[Any]:
    return connect(target.as_admin(), TIMEOUT_S, MAINTENANCE)


def _convert(target: Target) -> None:
    """Make two accounts of the one of an earlier release. The last step is one transaction: until
    then the old account is what it was."""
    with _old(target) as first:
        first_name = target.credentials.user
        if _one(first, "SELECT 1 FROM pg_roles WHERE rolname = current_user AND oid <> 10"):
            raise DevstackError(
                f"PostgreSQL refuses the password that Vault has for {target.admin.user!r}",
                "a superuser can set it; else `devstack-tui down --wipe`, then `devstack-tui up`",
            )
        for role in (_HELPER, _NEXT):
            if not _one(first, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                _do(first, "CREATE ROLE {0}", role)
        helper = Credentials(_HELPER, target.admin.password, MAINTENANCE)
        _set_password(first, helper, "LOGIN SUPERUSER")
        databases = first.execute(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn "
            "AND datname <> %s",
            (MAINTENANCE,),
        ).fetchall()
    account = _with(target, helper)
    for (name,) in databases:
        _hand_over(account, str(name))
    with connect(account, TIMEOUT_S, MAINTENANCE) as session, session.transaction():
        # Settings of the account are those of the applications.
        session.execute(
            "UPDATE pg_db_role_setting SET setrole = (SELECT oid FROM pg_roles WHERE rolname = %s) "
            "WHERE setrole = 10",
            (_NEXT,),
        )
        _do(session, "ALTER ROLE {0} RENAME TO {1}", first_name, target.admin.user)
        _do(session, "ALTER ROLE {0} RENAME TO {1}", _NEXT, first_name)
        _set_password(session, target.admin, "LOGIN SUPERUSER")
        _set_password(session, target.credentials, _PLAIN)


def _hand_over(account: Target, database: str) -> None:
    """Give the application's account a database and what the first account owns there."""
    with connect(account, TIMEOUT_S, database) as session, session.transaction():
        session.execute("SET LOCAL statement_timeout = 0")
        _do(session, "ALTER DATABASE {0} OWNER TO {1}", database, _NEXT)
        for kind, identity in session.execute(_OWNED.encode()).fetchall():
            # Both are the server's own words for the object, quoted where that is needed.
            session.execute(f"ALTER {kind} {identity} OWNER TO {_NEXT}".encode())


@contextlib.contextmanager
def _old(target: Target) -> Iterator[psycopg.Connection[Any]]:
    """A session of the one account of an earlier release."""
    import psycopg

    try:
        session = connect(target, TIMEOUT_S, MAINTENANCE)
    except psycopg.OperationalError as error:
        if not refused(error):
            raise
        raise DevstackError(
            "PostgreSQL refuses the passwords that Vault has, of both accounts",
            "a superuser can set them; else `devstack-tui down --wipe`, then `devstack-tui up`",
        ) from None
    with session:
        yield session


def _with(target: Target, account: Credentials) -> Target:
    import msgspec

    return msgspec.structs.replace(target, credentials=account)


def _set_password(connection: psycopg.Connection[Any], account: Credentials, rights: str) -> None:
    """The account's rights and password; its hash is made here, so that no log can have it."""
    from psycopg import sql

    verifier = connection.pgconn.encrypt_password(
        account.password.encode(), account.user.encode(), b"scram-sha-256"
    )
    connection.execute(
        sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(
            sql.Identifier(account.user),
            sql.SQL(rights),
            sql.Literal(verifier.decode()),
        )
    )


def _do(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _one(connection: psycopg.Connection[Any], query: str, *values: str) -> bool:
    return connection.execute(query.encode(), values).fetchone() is not None
