"""What the answer of a server that starts, ends or recovers means for a write: each service's own
words, and one step beside them."""

from __future__ import annotations

import pika
import pymysql
import pytest

from devstack_tui.contracts.acks import KINDS, Indeterminate, NotWritten
from devstack_tui.services.mongodb import acks as mongodb
from devstack_tui.services.mysql import acks as mysql
from devstack_tui.services.postgres import acks as postgres
from devstack_tui.services.rabbitmq import acks as rabbitmq
from devstack_tui.services.reference_api import acks as reference_api
from devstack_tui.services.vault import acks as vault


def raised(judge: object, *answer: object) -> tuple[type, str]:
    with pytest.raises((NotWritten, Indeterminate)) as caught:
        judge(*answer)  # type: ignore[operator]
    return type(caught.value), caught.value.kind


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        (307, NotWritten, "redirected"),
        (429, NotWritten, "standby"),
        (472, NotWritten, "standby"),
        (473, NotWritten, "standby"),
        (503, NotWritten, "sealed"),
        (500, Indeterminate, "unavailable"),
        (502, Indeterminate, "unavailable"),
        (308, NotWritten, "error-308"),
        (403, NotWritten, "error-403"),
        (428, NotWritten, "error-428"),
        (471, NotWritten, "error-471"),
        (474, NotWritten, "error-474"),
    ],
)
def test_what_vault_answers(status: int, outcome: type, kind: str) -> None:
    assert raised(vault.judge, status) == (outcome, kind)


def test_what_vault_acknowledges() -> None:
    for status in (200, 204, 299):
        vault.judge(status)


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        (500, Indeterminate, "error-500"),
        (501, Indeterminate, "error-501"),
        (502, Indeterminate, "unavailable"),
        (503, Indeterminate, "unavailable"),
        (504, Indeterminate, "unavailable"),
        (505, Indeterminate, "error-505"),
        (499, NotWritten, "error-499"),
        (201, NotWritten, "error-201"),
        (401, NotWritten, "error-401"),
    ],
)
def test_what_the_api_answers(status: int, outcome: type, kind: str) -> None:
    assert raised(reference_api.judge, status) == (outcome, kind)
    reference_api.judge(200)


@pytest.mark.parametrize(
    ("severity", "state", "outcome", "kind"),
    [
        ("FATAL", "57P01", Indeterminate, "stopping"),
        ("FATAL", "57P02", Indeterminate, "stopping"),
        ("FATAL", "57P03", Indeterminate, "starting"),
        ("FATAL", "08006", Indeterminate, "reset"),
        ("ERROR", "08P01", Indeterminate, "reset"),
        ("", "", Indeterminate, "reset"),
        ("ERROR", "25006", NotWritten, "readonly"),
        ("FATAL", "53300", Indeterminate, "full"),
        ("ERROR", "53100", NotWritten, "no-room"),
        ("ERROR", "42P01", NotWritten, "error-42P01"),
        ("PANIC", "XX000", Indeterminate, "error-XX000"),
        ("FATAL", "57P04", Indeterminate, "error-57P04"),
    ],
)
def test_what_postgres_answers(severity: str, state: str, outcome: type, kind: str) -> None:
    found = postgres.refusal(severity, state)
    assert (type(found), found.kind) == (outcome, kind)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("the database system is starting up", "starting"),
        ("the database system is in recovery mode", "starting"),
        ("the database system is not yet accepting connections", "starting"),
        ("the database system is not accepting connections", "starting"),
        ("the database system is shutting down", "stopping"),
        ("sorry, too many clients already", "full"),
        ("remaining connection slots are reserved for roles with SUPERUSER", "full"),
        ('password authentication failed for user "app"', ""),
    ],
)
def test_how_postgres_refuses_a_session(words: str, kind: str) -> None:
    assert postgres.refused(f'connection to server at "127.0.0.1" failed: FATAL:  {words}') == kind


@pytest.mark.parametrize(
    ("code", "words", "outcome", "kind"),
    [
        (1053, "Server shutdown in progress", Indeterminate, "stopping"),
        (1317, "Query execution was interrupted", Indeterminate, "stopping"),
        (1158, "Got an error reading communication packets", Indeterminate, "reset"),
        (1927, "Connection was killed", Indeterminate, "closed"),
        (2006, "MySQL server has gone away (BrokenPipeError(32, 'Broken pipe'))", Indeterminate,
         "reset"),
        (2013, "Lost connection to MySQL server during query", Indeterminate, "reset"),
        (2013, "Lost connection to MySQL server during query (timed out)", Indeterminate,
         "timeout"),
        (1040, "Too many connections", NotWritten, "full"),
        (1290, "The server is running with the --read-only option", NotWritten, "readonly"),
        (1114, "The table is full", NotWritten, "no-room"),
        (1052, "Column is ambiguous", NotWritten, "error-1052"),
        (1054, "Unknown column", NotWritten, "error-1054"),
        (1999, "anything", NotWritten, "error-1999"),
        (3000, "anything", NotWritten, "error-3000"),
    ],
)  # fmt: skip
def test_what_mysql_answers(code: int, words: str, outcome: type, kind: str) -> None:
    found = mysql.refusal(pymysql.err.OperationalError(code, words))
    assert (type(found), found.kind) == (outcome, kind)


@pytest.mark.parametrize(
    ("code", "outcome", "kind"),
    [
        (91, Indeterminate, "stopping"),
        (11600, Indeterminate, "stopping"),
        (11601, Indeterminate, "stopping"),
        (11602, Indeterminate, "readonly"),
        (189, NotWritten, "readonly"),
        (10107, NotWritten, "readonly"),
        (13435, NotWritten, "readonly"),
        (13436, NotWritten, "readonly"),
        (14031, NotWritten, "no-room"),
        (0, NotWritten, "error-0"),
        (90, NotWritten, "error-90"),
        (11603, NotWritten, "error-11603"),
        (11000, NotWritten, "error-11000"),
    ],
)
def test_what_mongodb_answers(code: int, outcome: type, kind: str) -> None:
    found = mongodb.refusal(code)
    assert (type(found), found.kind) == (outcome, kind)


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
         "stopping"),
        (404, "NOT_FOUND - home node 'rabbit@localhost' of durable queue 'q' in vhost '/' is down "
              "or inaccessible", "unavailable"),
        (541, "INTERNAL_ERROR - access to vhost '/' refused for user 'u': vhost '/' is down",
         "unavailable"),
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", "error-404"),
        (541, "INTERNAL_ERROR", "error-541"),
        (403, "ACCESS_REFUSED - Login was refused", "error-403"),
    ],
)  # fmt: skip
def test_what_rabbitmq_says_as_it_closes(code: int, words: str, kind: str) -> None:
    assert rabbitmq.reply_class(code, words) == kind
    said = pika.exceptions.ConnectionClosedByBroker(code, words)
    guess = pika.exceptions.ProbableAuthenticationError(repr(said))
    assert rabbitmq.hidden_class(str(guess)) == kind


def test_a_connection_that_broke_is_no_refusal_of_rabbitmq() -> None:
    broken = pika.exceptions.StreamLostError("Stream connection lost: ConnectionResetError(104)")
    guess = pika.exceptions.ProbableAuthenticationError(repr(broken))
    assert rabbitmq.hidden_class(str(guess)) == ""


def test_whoever_is_without_room_is_not_explained_by_a_fault() -> None:
    assert "no-room" not in KINDS
    assert all(KINDS.values())
