"""PostgreSQL's tunable part: its parameters as the running server reports
them, and how they are changed.

The stack sets parameters in its own postgresql.conf alone. What beats that file (ALTER SYSTEM, an
option of the command line) is reported as what won and left alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.tunable import Apply, Effective, Kind, Parameter, Reading, Tunables
from devstack_tui.core import units
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.postgres import advice
from devstack_tui.services.postgres.client import connect
from devstack_tui.services.postgres.config_syntax import canonical, unit
from devstack_tui.services.postgres.counters import counters
from devstack_tui.state.parameter_advice import RuleBasedTunables
from devstack_tui.state.parameter_catalogue import parameters, reported, with_fields
from devstack_tui.state.parameter_values import describe, in_effect

if TYPE_CHECKING:
    import psycopg

TIMEOUT_S = 10.0
_SETTINGS = """
SELECT name, setting, unit, context, min_val, max_val, boot_val, enumvals, source, sourcefile,
       sourceline, pending_restart
FROM pg_settings WHERE name = ANY(%s)
"""
_AUTO = "postgresql.auto.conf"
_ALTER_SYSTEM = "ALTER SYSTEM"
# pg_settings.source in the words that every service uses; others are shown as they are.
_SOURCES = {
    "database": "ALTER DATABASE",
    "user": "ALTER ROLE",
    "database user": "ALTER ROLE IN DATABASE",
    "global": "ALTER ROLE ALL",
    "override": "set by the server",
    "client": "set by the session",
    "session": "set by the session",
}
_OF_ACCOUNT = {"user", "database user"}
_CONTEXTS = {
    "postmaster": Apply.RESTART,
    "sighup": Apply.RELOAD,
    "superuser-backend": Apply.RELOAD,
    "backend": Apply.RELOAD,
    "superuser": Apply.LIVE,
    "user": Apply.LIVE,
}
# What pg_file_settings says of an invalid value, and of one that waits for a restart.
_NOT_APPLIED = "setting could not be applied"
_FILE_ERRORS = """
SELECT name, setting, error, sourcefile, sourceline FROM pg_file_settings
WHERE error IS NOT NULL ORDER BY seqno
"""


class Setting(msgspec.Struct, frozen=True):
    """One row of pg_settings."""

    name: str
    setting: str
    unit: str | None
    context: str
    min_val: str | None
    max_val: str | None
    boot_val: str | None
    enumvals: list[str] | None
    source: str
    sourcefile: str | None
    sourceline: int | None
    pending_restart: bool


class PostgresTunables(RuleBasedTunables):
    """See `devstack_tui.contracts.tunable.Tunables`."""

    rules = advice.RULES

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """The catalogue for this version."""
        return parameters("postgres", installation)

    def read(
        self,
        target: Target,
        installation: Installation,
        files: ServiceFiles,  # noqa: ARG002
    ) -> Reading:
        """pg_settings as a new session of an application sees it, and the statistics since their
        last reset."""
        with asking(target) as connection:
            version = f"pg_settings of PostgreSQL {installation.version}"
            known = self.parameters(installation)
            rows = _of_applications(target, connection, known)
            seen = tuple(
                described(found, rows[found.name], version) for found in known if found.name in rows
            )
            effective = {found.name: effect(found, rows[found.name]) for found in seen}
            return Reading(_with_automatic(seen, effective), effective, counters(connection))

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """Make the server read its configuration files again, and wait until it has.

        Returns which values did not take and what won instead.
        """
        wanted = [found for found in parameters if found.name in values]
        with asking(target) as connection:
            _check_files(connection, {found.name for found in wanted})
            _reload(connection, target.as_admin().credentials.user)
        with asking(target) as connection:
            rows = _of_applications(target, connection, wanted)
        seen = [(found, effect(found, rows[found.name])) for found in wanted if found.name in rows]
        return tuple(
            f"{found.name} stays as it is: {describe(now)} wins"
            for found, now in seen
            if not in_effect(found, values[found.name], now)
        )


@contextlib.contextmanager
def asking(target: Target, admin: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """A new session, of our own account or of the applications'. What the driver raises in it
    becomes one sentence without secrets."""
    import psycopg

    try:
        with connect(target.as_admin() if admin else target, TIMEOUT_S) as connection:
            yield connection
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = redact(lines[0], target.passwords)
        if isinstance(error, psycopg.OperationalError):
            raise UnreachableError(
                f"PostgreSQL at {target.endpoint} cannot be asked: {reason}"
            ) from None
        raise DevstackError(f"PostgreSQL at {target.endpoint} refused: {reason}") from None


def _of_applications(
    target: Target, connection: psycopg.Connection[Any], known: Sequence[Parameter]
) -> dict[str, Setting]:
    """What the applications have: only the administrator sees every row and where it is from, but
    an account may have values of its own."""
    names = [found.name for found in known]
    rows = settings(connection, names)
    if target.admin.user:
        with asking(target, admin=False) as session:
            own = settings(session, names)
        rows |= {n: row for n, row in own.items() if {row.source, rows[n].source} & _OF_ACCOUNT}
    return rows


def settings(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[str, Setting]:
    """The rows of pg_settings by name; what the server does not know is missing."""
    rows = connection.execute(_SETTINGS, (list(names),)).fetchall()
    return {row[0]: Setting(*row) for row in rows}


def described(parameter: Parameter, row: Setting, limits_from: str) -> Parameter:
    """`parameter` with the limits, choices, default and context that the server reports."""
    default = row.boot_val if row.boot_val and not row.boot_val.startswith("-") else None
    return reported(
        parameter,
        limits_from,
        apply=_CONTEXTS.get(row.context, parameter.apply),
        default=None if default is None else canonical(parameter, default, row.unit),
        limits=(row.min_val, row.max_val),
        unit=unit(parameter, row.unit) if parameter.kind in (Kind.BYTES, Kind.DURATION) else 1,
        choices=row.enumvals or (),
    )


def effect(parameter: Parameter, row: Setting) -> Effective:
    """The effective value and who won."""
    where = f"{row.sourcefile}:{row.sourceline}" if row.sourcefile else ""
    source = _SOURCES.get(row.source, row.source)
    if row.sourcefile and Path(row.sourcefile).name == _AUTO:
        source = _ALTER_SYSTEM
    return Effective(
        name=row.name,
        value=canonical(parameter, row.setting, row.unit),
        source=source,
        where=where,
        pending_restart=row.pending_restart,
    )


def _with_automatic(
    parameters: tuple[Parameter, ...], effective: Mapping[str, Effective]
) -> tuple[Parameter, ...]:
    """The default of wal_buffers follows shared_buffers."""
    shared = effective.get("shared_buffers")
    if shared is None:
        return parameters
    size = advice.default_wal_buffers(int(units.parse(Kind.BYTES, shared.value)))
    return with_fields(parameters, {"wal_buffers": {"default": units.show(Kind.BYTES, size)}})


def _check_files(connection: psycopg.Connection[Any], wanted: set[str]) -> None:
    """Raise for what the server would refuse in its files, before it reads them."""
    import psycopg

    try:
        rows = connection.execute(_FILE_ERRORS).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return  # reading back shows it
    for name, setting, error, file, line in rows:
        # Of others this only says that they wait for a restart.
        if name in wanted or error != _NOT_APPLIED:
            what = f"{name} = {setting!r}" if name else "its configuration"
            raise DevstackError(
                f"PostgreSQL refuses {what}: {error} ({file}:{line})", "nothing was reloaded"
            )


def _reload(connection: psycopg.Connection[Any], user: str) -> None:
    """Reload, and wait until this session has the new values: the postmaster has them before.

    Raises `DevstackError` when the right is missing or the server does not follow.
    """
    import psycopg

    before = _loaded(connection)
    try:
        connection.execute("SELECT pg_reload_conf()")
    except psycopg.errors.InsufficientPrivilege:
        raise DevstackError(
            f"{user!r} has no right to make PostgreSQL reload its configuration",
            f'a superuser can give it: GRANT EXECUTE ON FUNCTION pg_reload_conf() TO "{user}"',
        ) from None
    deadline = time.monotonic() + TIMEOUT_S
    while _loaded(connection) == before:
        if time.monotonic() > deadline:
            raise DevstackError(
                f"PostgreSQL did not reload its configuration within {TIMEOUT_S:.0f} s",
                "look at `devstack-tui logs postgres`",
            )
        time.sleep(0.005)


def _loaded(connection: psycopg.Connection[Any]) -> object:
    row = connection.execute("SELECT pg_conf_load_time()").fetchone()
    return row[0] if row else None


TUNABLES: Tunables = PostgresTunables()
