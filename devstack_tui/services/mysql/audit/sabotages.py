"""The smallest real changes to MySQL or MariaDB that turn its checks of suite `auth` red."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from devstack_tui.contracts.audit import Sabotage, SabotageStack
from devstack_tui.services.mysql.accounts import session

_NAME = "mysql"
STRAY = "'devstack_tui_stray'@'127.0.0.1'"
FAR = "'devstack_tui_stray'@'192.0.2.1'"
OWN = "'devstack'@'localhost'"
_PASSWORD = "'c2fd8a1b60e94b8f'"


def sabotages() -> tuple[Sabotage, ...]:
    """One for each kind."""
    return (
        _made(
            "no_login.tls",
            "an account has no password, and needs TLS",
            (f"CREATE USER {STRAY} IDENTIFIED BY '' REQUIRE SSL",),
            (f"DROP USER IF EXISTS {STRAY}",),
            "accounts",
            "passwords",
        ),
        _made(
            "accounts",
            "there is another account",
            (f"CREATE USER {FAR} IDENTIFIED BY {_PASSWORD}",),
            (f"DROP USER IF EXISTS {FAR}",),
        ),
        _made(
            "passwords",
            "an account has one of the first passwords that are tried",
            (f"CREATE USER {FAR} IDENTIFIED BY 'mysql'",),
            (f"DROP USER IF EXISTS {FAR}",),
            "accounts",
        ),
        _made(
            "methods",
            "a user of the system is let in as an account",
            (f"CREATE USER {FAR} IDENTIFIED VIA unix_socket",),
            (f"DROP USER IF EXISTS {FAR}",),
            "accounts",
        ),
        _made(
            "privileged",
            "the application's account sees all sessions",
            (f"GRANT PROCESS ON *.* TO {OWN}",),
            (f"REVOKE PROCESS ON *.* FROM {OWN}",),
        ),
        _made(
            "rights",
            "the application's account may write one of the server's own tables",
            (f"GRANT INSERT ON mysql.time_zone TO {OWN}",),
            (f"REVOKE INSERT ON mysql.time_zone FROM {OWN}",),
        ),
        _made(
            "attempts",
            "the application's account may read files",
            ("GRANT FILE ON *.* TO 'devstack'@'127.0.0.1'",),
            ("REVOKE FILE ON *.* FROM 'devstack'@'127.0.0.1'",),
            "privileged",
        ),
        _made(
            "code",
            "a function runs as the administrator",
            (
                "CREATE FUNCTION devstack.devstack_tui_stray() RETURNS INT DETERMINISTIC "
                "SQL SECURITY DEFINER RETURN 1",
            ),
            ("DROP FUNCTION IF EXISTS devstack.devstack_tui_stray",),
        ),
        _made(
            "local_infile",
            "clients may be asked for their files",
            ("SET GLOBAL local_infile = ON",),
            ("SET GLOBAL local_infile = OFF",),
        ),
    )


def _made(
    check: str, title: str, make: tuple[str, ...], undo: tuple[str, ...], *expects: str
) -> Sabotage:
    return Sabotage(
        id=f"auth.{_NAME}.{check}",
        title=f"MySQL/MariaDB: {title}",
        service=_NAME,
        apply=partial(_changed, make, undo),
        seconds=0.2,
        expects=tuple(f"auth.{_NAME}.{other}" for other in expects),
    )


@contextlib.contextmanager
def _changed(make: tuple[str, ...], undo: tuple[str, ...], stack: SabotageStack) -> Iterator[None]:
    """Statements of the administrator's."""
    target = stack.audit.target(_NAME).as_admin()
    try:
        with session(target) as cursor:
            for statement in make:
                cursor.execute(statement)
        yield
    finally:
        with session(target) as cursor:
            cursor.execute("SET SESSION sql_notes = 0")
            for statement in undo:
                cursor.execute(statement)
