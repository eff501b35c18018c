"""PostgreSQL's acknowledged writes: one INSERT each, committed by itself."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.services.postgres.client import connect

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

TIMEOUT_S = 30.0
_KINDS = {
    "25006": "readonly",
    "57P03": "starting",
    "57P01": "stopping",
    "57P02": "stopping",
    "53300": "full",
    "53100": "no-room",
}
_CONNECTION = "08"
"""The class of states in which the connection is at fault."""


def _table(run: str) -> str:
    return f"devstack_tui_acks_{checked(run)}"


class PostgresWriter:
    """See `devstack_tui.contracts.acks.Writer`.

    It speaks through libpq's own calls: psycopg waits for an answer without an end, and a server
    that is held still gives none.
    """

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        import psycopg

        self._insert = f"INSERT INTO {_table(run)} (number) VALUES ({{}})"  # noqa: S608 - checked
        self._timeout = timeout
        try:
            self._connection = connect(target, timeout)
        except psycopg.OperationalError as error:
            raise NotWritten(refused(str(error)) or kind_of(error)) from None

    def write(self, number: int) -> None:
        """One autocommit INSERT; it is acknowledged when its commit is."""
        import psycopg

        try:
            result = _ask(
                self._connection.pgconn,
                self._insert.format(number).encode(),
                time.monotonic() + self._timeout,
            )
        except (psycopg.Error, OSError) as error:
            raise Indeterminate(kind_of(error)) from None
        _judge(result)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PostgresAcks:
    """See `devstack_tui.contracts.acks.Acks`. The numbers are rows of a table of the run's own."""

    def prepare(self, target: Target, run: str) -> None:
        """Make the table."""
        with connect(target, TIMEOUT_S) as connection:
            connection.execute(f"CREATE TABLE {_table(run)} (number bigint PRIMARY KEY)".encode())

    def writer(self, target: Target, run: str, timeout: float) -> PostgresWriter:
        """A session of its own."""
        return PostgresWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The rows that are there; none where the table is gone."""
        import psycopg

        with connect(target, TIMEOUT_S) as connection:
            try:
                query = f"SELECT number FROM {_table(run)}"  # noqa: S608 - checked
                rows = connection.execute(query.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return set()
        return {int(str(number)) for (number,) in rows}.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        """Drop the table."""
        with connect(target, TIMEOUT_S) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_table(run)}".encode())

    def allowance(self, target: Target) -> Allowance:
        """A commit that was acknowledged is kept, unless it does not wait for the log."""
        asked = "SELECT current_setting('synchronous_commit'), setting::bigint FROM pg_settings "
        asked += "WHERE name = 'wal_writer_delay'"
        with connect(target, TIMEOUT_S) as connection:
            ((commit, delay_ms),) = connection.execute(asked.encode()).fetchall()
        if commit != "off":
            return Allowance()
        # By PostgreSQL's manual, "Asynchronous Commit".
        seconds = 3 * int(str(delay_ms)) / 1000
        reason = f"synchronous_commit = off: up to three times wal_writer_delay, {seconds:g} s"
        return Allowance(seconds, reason, declared=True)


def _ask(pgconn: PGconn, statement: bytes, deadline: float) -> PGresult:
    """Send one statement and wait for its result. Raises `TimeoutError` after `deadline`."""
    pgconn.send_query(statement)
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while pgconn.flush():
            _wait(selector, 0.01, deadline)  # it is a line: the socket takes it at once
        while pgconn.is_busy():
            _wait(selector, deadline - time.monotonic(), deadline)
            pgconn.consume_input()
    result = pgconn.get_result()
    if result is None:
        raise ConnectionResetError("the server closed the connection")
    while pgconn.get_result() is not None:
        pass
    return result


def _wait(selector: selectors.BaseSelector, seconds: float, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TimeoutError("no answer in time")
    selector.select(max(0.0, seconds))


def _judge(result: PGresult) -> None:
    """Return for a success. An error that the session survives is a no; one that ends it is not."""
    from psycopg import pq

    if result.status == pq.ExecStatus.COMMAND_OK:
        return
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    severity = (result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or b"").decode()
    raise refusal(severity, state)


def refusal(severity: str, state: str) -> NotWritten | Indeterminate:
    """What an error of an INSERT means, by its severity and its SQLSTATE (none: it is libpq's)."""
    if not state or state.startswith(_CONNECTION):
        return Indeterminate("reset")
    kind = _KINDS.get(state, f"error-{state}")
    return NotWritten(kind) if severity == "ERROR" else Indeterminate(kind)


def refused(text: str) -> str:
    """The class of a refusal to begin a session, which libpq gives in words only; or nothing."""
    text = text.lower()
    kinds = (
        ("starting up", "starting"),
        ("in recovery mode", "starting"),
        ("not yet accepting", "starting"),
        ("not accepting", "starting"),
        ("shutting down", "stopping"),
        ("too many clients", "full"),
        ("remaining connection slots", "full"),
    )
    return next((kind for words, kind in kinds if words in text), "")


ACKS: Acks = PostgresAcks()
