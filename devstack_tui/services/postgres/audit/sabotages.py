"""The smallest real changes to PostgreSQL that turn its checks of suite `auth` red."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from devstack_tui.contracts.audit import Sabotage, SabotageStack
from devstack_tui.services.postgres.client import connect

TIMEOUT_S = 10.0
STRAY = "devstack_tui_stray"
_NAME = "postgres"
Apply = Callable[[SabotageStack], AbstractContextManager[None]]


def sabotages() -> tuple[Sabotage, ...]:
    """One for each kind."""
    return (
        _made(
            "no_login.plain",
            "pg_hba.conf trusts who comes without TLS",
            _file("pg_hba.conf", "hostnossl all devstack 127.0.0.1/32 trust\n"),
            "rules",
        ),
        _made(
            "rules",
            "pg_hba.conf admits other machines",
            _file("pg_hba.conf", "hostssl all all 10.0.0.0/8 scram-sha-256\n"),
        ),
        _made(
            "ident",
            "pg_ident.conf maps a user of the system",
            _file("pg_ident.conf", f"{STRAY} root devstack_admin\n"),
        ),
        _made(
            "accounts",
            "there is another account",
            _sql((f"CREATE ROLE {STRAY}",), (f"DROP ROLE IF EXISTS {STRAY}",)),
        ),
        _made(
            "databases",
            "there is another database",
            _sql((f"CREATE DATABASE {STRAY}",), (f"DROP DATABASE IF EXISTS {STRAY}",)),
        ),
        _made(
            "privileged",
            "the application's account may make databases",
            _sql(("ALTER ROLE devstack CREATEDB",), ("ALTER ROLE devstack NOCREATEDB",)),
        ),
        _made(
            "passwords",
            "an account has its own name for a password",
            _sql(
                (f"CREATE ROLE {STRAY} LOGIN PASSWORD '{STRAY}'",),
                (f"DROP ROLE IF EXISTS {STRAY}",),
            ),
            "accounts",
        ),
        _made(
            "hashes",
            "a password is kept as an MD5 hash",
            _sql(
                (
                    "SET password_encryption = 'md5'",
                    f"CREATE ROLE {STRAY} LOGIN PASSWORD 'c2fd8a1b60e94b8f'",
                ),
                (f"DROP ROLE IF EXISTS {STRAY}",),
            ),
            "accounts",
        ),
        _made(
            "attempts",
            "applications may read files",
            _sql(
                ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO devstack",),
                ("REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM devstack",),
            ),
            "grants",
        ),
        _made(
            "grants",
            "applications may reload the configuration",
            _sql(
                ("GRANT EXECUTE ON FUNCTION pg_reload_conf() TO devstack",),
                ("REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM devstack",),
            ),
        ),
        _made(
            "public",
            "everybody may create in the schema of all",
            _sql(
                ("GRANT CREATE ON SCHEMA public TO PUBLIC",),
                ("REVOKE CREATE ON SCHEMA public FROM PUBLIC",),
            ),
        ),
        _made(
            "code",
            "a function runs as the superuser",
            _sql(
                (
                    f"CREATE FUNCTION {STRAY}() RETURNS int LANGUAGE sql SECURITY DEFINER "
                    "AS 'SELECT 1'",
                ),
                (f"DROP FUNCTION IF EXISTS {STRAY}()",),
            ),
        ),
        _made(
            "parameters",
            "applications may set what is logged",
            _sql(
                ("GRANT SET ON PARAMETER log_statement TO devstack",),
                ("REVOKE SET ON PARAMETER log_statement FROM devstack",),
            ),
        ),
        _made(
            "log_statement",
            "statements are logged",
            _sql(
                ("ALTER SYSTEM SET log_statement = 'ddl'", "SELECT pg_reload_conf()"),
                ("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"),
            ),
        ),
    )


def _made(check: str, title: str, apply: Apply, *expects: str) -> Sabotage:
    return Sabotage(
        id=f"auth.{_NAME}.{check}",
        title=f"PostgreSQL: {title}",
        service=_NAME,
        apply=apply,
        seconds=0.2,
        expects=tuple(f"auth.{_NAME}.{other}" for other in expects),
    )


def _file(name: str, line: str) -> Apply:
    """One more line of a file, before all others, taken at a reload."""
    return lambda stack: stack.reconfigured(
        _NAME, name, lambda text: line + text, lambda: stack.units.reload(_NAME)
    )


def _sql(make: tuple[str, ...], undo: tuple[str, ...]) -> Apply:
    return partial(_changed, make, undo)


@contextlib.contextmanager
def _changed(make: tuple[str, ...], undo: tuple[str, ...], stack: SabotageStack) -> Iterator[None]:
    """Statements of the administrator's, in the application's database."""
    target = stack.audit.target(_NAME).as_admin()
    try:
        with connect(target, TIMEOUT_S) as session:
            for statement in make:
                session.execute(statement.encode())
        yield
    finally:
        with connect(target, TIMEOUT_S) as session:
            for statement in undo:
                session.execute(statement.encode())
