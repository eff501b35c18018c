"""MySQL's acknowledged writes: one INSERT each, committed by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.services.mysql.client import connect

TIMEOUT_S = 30.0
UNKNOWN_TABLE = 1146
# Answers that end the session: the statement may have been carried out.
_ENDED = {
    **dict.fromkeys((1053, 1077, 1079, 1080, 1317), "stopping"),  # 1317: it was interrupted
    **dict.fromkeys((1152, 1158, 1159, 1160, 1161, 1184), "reset"),  # what it read or wrote broke
    **dict.fromkeys((1927, 3169), "closed"),  # the connection, or the session, was killed
}
_KINDS = {
    **dict.fromkeys((1290, 1836), "readonly"),
    **dict.fromkeys((1040, 1203), "full"),
    **dict.fromkeys((1021, 1114), "no-room"),
}
_OWN_FIRST = 2000
"""From here to 2999 the numbers are the client's: no answer, but a broken connection."""
_OWN_LAST = 2999


def _table(run: str) -> str:
    return f"devstack_tui_acks_{checked(run)}"


class MysqlWriter:
    """See `devstack_tui.contracts.acks.Writer`."""

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        import pymysql

        self._insert = f"INSERT INTO {_table(run)} (number) VALUES (%s)"  # noqa: S608 - checked
        try:
            self._connection = connect(target, timeout)
        except (pymysql.MySQLError, OSError) as error:
            # The driver's own attribute has the cause; its text is all that others see.
            cause = getattr(error, "original_exception", None) or error
            kind = {**_ENDED, **_KINDS}.get(_code(error)) or kind_of(cause)
            raise NotWritten(kind) from None
        self._cursor = self._connection.cursor()

    def write(self, number: int) -> None:
        """One autocommit INSERT; it is acknowledged when its commit is."""
        import pymysql

        try:
            self._cursor.execute(self._insert, (number,))
        except (pymysql.MySQLError, OSError) as error:
            raise refusal(error) from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class MysqlAcks:
    """See `devstack_tui.contracts.acks.Acks`. The numbers are rows of a table of the run's own."""

    def prepare(self, target: Target, run: str) -> None:
        """Make the table."""
        self._run(target, f"CREATE TABLE {_table(run)} (number BIGINT PRIMARY KEY) ENGINE=InnoDB")

    def writer(self, target: Target, run: str, timeout: float) -> MysqlWriter:
        """A session of its own."""
        return MysqlWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The rows that are there; none where the table is gone."""
        import pymysql

        try:
            rows = self._run(target, f"SELECT number FROM {_table(run)}")  # noqa: S608 - checked
        except pymysql.MySQLError as error:
            if _code(error) != UNKNOWN_TABLE:
                raise
            return set()
        return {int(str(row[0])) for row in rows}.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        """Drop the table, if it is there: asking for that first spares a warning."""
        name = _table(run)
        if self._run(target, f"SHOW TABLES LIKE '{name}'"):
            self._run(target, f"DROP TABLE IF EXISTS {name}")

    def allowance(self, target: Target) -> Allowance:
        """A commit that was acknowledged is kept, unless the log is written later. (2 leaves it to
        the machine, which goes on when the server is killed.)"""
        asked = "SELECT @@innodb_flush_log_at_trx_commit, @@innodb_flush_log_at_timeout"
        ((at_commit, timeout),) = self._run(target, asked)
        if str(at_commit) != "0":
            return Allowance()
        # Once in an interval, and the writing takes about as long again at the worst.
        seconds = 2.0 * int(str(timeout))
        reason = f"innodb_flush_log_at_trx_commit = 0: the log is written every {timeout} s"
        return Allowance(seconds, reason, declared=True)

    def _run(self, target: Target, statement: str) -> tuple[tuple[object, ...], ...]:
        with (
            contextlib.closing(connect(target, TIMEOUT_S)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return tuple(cursor.fetchall())


def refusal(error: Exception) -> NotWritten | Indeterminate:
    """What a driver's error at an INSERT means."""
    code = _code(error)
    if code in _ENDED:
        return Indeterminate(_ENDED[code])
    if not code or _OWN_FIRST <= code <= _OWN_LAST:
        return Indeterminate(kind_of(error))
    return NotWritten(_KINDS.get(code, f"error-{code}"))


def _code(error: Exception) -> int:
    """The number of a driver's error; 0 for none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


ACKS: Acks = MysqlAcks()
