"""Servers that hang, drip, lie or hang up: each ends in time, with its reason in words."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from devstack_tui.contracts.audit import Audit, Finding, Listener, ProtocolFault, Untrusted
from devstack_tui.core.check import Status
from devstack_tui.loadgen.bounded_socket import Reader, begin_at_once, get, guarded, translated
from devstack_tui.security.tls import catalogue, handshake, paths, probe, protocol, session
from devstack_tui.security.tls.ciphers import STRONG
from devstack_tui.security.tls.client_hello import TLS1_0, TLS1_2, Offer
from devstack_tui.security.tls.listener_audit import ListenerView, decide
from devstack_tui.security.tls.properties import PROPERTIES
from devstack_tui.services.mysql.tls import begin as mysql_begin
from devstack_tui.services.postgres.tls import begin as postgres_begin
from tests.unit import tls_recorded as recorded
from tests.unit.tls_kit import FakeAudit, answering

MODERN = Offer(TLS1_2, STRONG)
LIMIT = 0.5
Serve = Callable[[socket.socket], None]


def _wait(connection: socket.socket) -> None:
    """Until the client hangs up."""
    while connection.recv(4096):
        pass


def saying(*parts: bytes) -> Serve:
    """Read the client's hello, send these bytes, and close."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        _wait(connection)

    return serve


def dripping(raw: bytes) -> Serve:
    """A byte at a time, each well within a socket's own time limit."""

    def serve(connection: socket.socket) -> None:
        connection.settimeout(LIMIT / 10)
        for byte in itertools.cycle(raw):  # who waits for its end waits for ever
            connection.sendall(bytes([byte]))
            try:
                if not connection.recv(4096):
                    return
            except TimeoutError:
                pass

    return serve


def endless(record: bytes) -> Serve:
    """The same record for ever."""

    def serve(connection: socket.socket) -> None:
        while True:
            connection.sendall(record)

    return serve


WARNING = bytes.fromhex("15030300020170")
LIES = {
    "silence": (_wait, TimeoutError, "timed out|in time"),
    "drip": (dripping(recorded.MODERN[:30]), TimeoutError, "timed out|in time"),
    "http": (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ProtocolFault, "not TLS.*HTTP"),
    "garbage": (saying(bytes(range(200, 250))), ProtocolFault, "not TLS"),
    "header": (saying(recorded.MODERN[:3]), ProtocolFault, "after 0 of 2|without an answer|closed"),
    "half": (saying(recorded.MODERN[:40]), ProtocolFault, "after 35 of"),
    "huge record": (saying(bytes.fromhex("160303ffff") + bytes(99)), ProtocolFault, "65535 bytes"),
    "huge hello": (
        saying(bytes.fromhex("160303000402ffffff")),
        ProtocolFault,
        "ServerHello of 16777215",
    ),
    "empty record": (saying(bytes.fromhex("1603030000")), ProtocolFault, "record of 0 bytes"),
    "endless warnings": (endless(WARNING), ProtocolFault, "record after record"),
    "endless fragments": (
        endless(bytes.fromhex("1603030001") + b"\2"),
        ProtocolFault,
        "record after record|announced",
    ),
    "another message": (saying(bytes.fromhex("16030300040e000000")), ProtocolFault, "message 14"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_ends_in_time_and_is_named(lie: str) -> None:
    serve, error, words = LIES[lie]
    with answering(serve) as listener, pytest.raises(error, match=words):
        probe.ask(listener, MODERN, LIMIT)


@pytest.mark.parametrize("lie", LIES)
def test_a_whole_handshake_ends_in_time_too(lie: str) -> None:
    serve, _, _ = LIES[lie]
    with answering(serve) as listener, pytest.raises((ProtocolFault, TimeoutError)):
        handshake.look(listener, LIMIT)


@pytest.mark.parametrize("lie", LIES)
def test_a_client_of_our_own_ends_in_time_too(lie: str) -> None:
    serve, _, _ = LIES[lie]
    with answering(serve) as listener, pytest.raises((ProtocolFault, TimeoutError)):
        session.ask(listener, LIMIT)


class Recorded:
    """As much of a socket as a client needs: what a server sent once, with some bytes changed."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def gettimeout(self) -> float:
        return LIMIT

    def settimeout(self, seconds: float) -> None: ...

    def sendall(self, raw: bytes) -> None: ...

    def recv(self, size: int) -> bytes:
        part, self._raw = self._raw[:size], self._raw[size:]
        return part


def test_whatever_a_server_sends_is_read_or_named() -> None:
    chosen = random.Random(20)
    whole = recorded.FLIGHT
    for _ in range(3000):
        raw = bytearray(whole[: chosen.randint(1, len(whole))])
        for _ in range(chosen.randint(0, 6)):
            raw[chosen.randrange(len(raw))] = chosen.choice((0, 1, 20, 22, 127, 255))
        with contextlib.suppress(ProtocolFault, OSError):
            session._Client(cast("socket.socket", Recorded(bytes(raw))), None).run()


@pytest.mark.parametrize("lie", ["silence", "drip"])
def test_a_check_of_a_server_that_does_not_answer_is_an_error_and_no_fail(lie: str) -> None:
    serve, _, _ = LIES[lie]
    with answering(serve) as listener:
        view = ListenerView(FakeAudit(Path("none"), timeout=LIMIT), listener)  # type: ignore[arg-type]
        found = decide(view, protocol.accepts(TLS1_2))
    assert found.status is Status.ERROR
    assert "no answer in time" in found.evidence


def test_a_server_without_tls_fails_what_it_should_do_and_decides_nothing_else() -> None:
    serve, _, _ = LIES["http"]
    with answering(serve) as listener:
        view = ListenerView(FakeAudit(Path("none")), listener)  # type: ignore[arg-type]
        modern = decide(view, protocol.accepts(TLS1_2))
        old = decide(view, protocol.refuses(TLS1_0))
    assert (modern.status, old.status) == (Status.FAIL, Status.INCONCLUSIVE)
    assert "not TLS" in modern.evidence
    assert "not TLS" in old.evidence


def test_what_somebody_else_answers_at_a_port_is_an_error_that_names_the_holder() -> None:
    known = next(one for one in PROPERTIES if one.name == "tls1_2")
    with answering(LIES["garbage"][0]) as found:
        listener = dataclasses.replace(found, service="postgres")
        audit = FakeAudit(Path("none"))
        run = catalogue._run(listener, known, "")
        assert run(cast("Audit", audit)).status is Status.FAIL  # the server's own garbage
        audit = FakeAudit(Path("none"))
        audit.foreign = {listener.port: "python3 (pid 7)"}
        finding = run(cast("Audit", audit))
        assert finding.status is Status.ERROR
        assert f"port {listener.port} is held by python3 (pid 7), not by" in finding.evidence
        audit.up = False
        finding = run(cast("Audit", audit))
    assert finding == Finding(Status.ERROR, "PostgreSQL does not run", "`devstack-tui up postgres`")


def test_our_own_file_of_whom_to_trust_is_named_when_it_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nonsense")
    for path in (tmp_path / "ca.crt", tmp_path / "gone"):
        view = ListenerView(FakeAudit(path), Listener("x", "postgres", begin_at_once))  # type: ignore[arg-type]
        for body in (paths.query, paths.wrong_ca, paths.wrong_host):
            found = decide(view, body)
            assert found.status is Status.ERROR
            assert f"{path} cannot be read as certificates" in found.evidence


def test_a_port_that_nobody_listens_on_fails() -> None:
    with answering(_wait) as listener:
        pass
    found = decide(
        ListenerView(FakeAudit(Path("none")), listener),  # type: ignore[arg-type]
        protocol.accepts(TLS1_2),
    )
    assert found.status is Status.FAIL
    assert found.evidence == f"nothing listens at 127.0.0.1:{listener.port}"


def test_a_refusal_says_nothing_where_good_offers_are_refused_too() -> None:
    alert = bytes.fromhex("15030300020228")
    with answering(saying(alert)) as listener:
        found = decide(
            ListenerView(FakeAudit(Path("none")), listener),  # type: ignore[arg-type]
            protocol.refuses(TLS1_0),
        )
    assert found.status is Status.INCONCLUSIVE
    assert "handshake_failure" in found.evidence


def test_closing_at_once_is_a_refusal() -> None:
    with answering(saying()) as listener:
        answer = probe.ask(listener, MODERN, LIMIT)
    assert not answer.accepted
    assert str(answer) == "connection closed"


def test_a_warning_before_the_answer_is_passed_over() -> None:
    with answering(saying(WARNING, recorded.ERLANG)) as listener:
        assert probe.ask(listener, MODERN, LIMIT).version_accepted


def test_a_hello_in_fragments_is_put_together() -> None:
    body = recorded.ERLANG[5:]
    parts = (body[:1], body[1:3], body[3:20], body[20:])
    records = [bytes.fromhex("160303") + len(p).to_bytes(2, "big") + p for p in parts]
    with answering(saying(*records)) as listener:
        assert probe.ask(listener, MODERN, LIMIT).version_accepted


PG, MY = postgres_begin, mysql_begin


@pytest.mark.parametrize(
    ("begin", "raw", "words"),
    [
        (PG, b"N", "TLS is off"),
        (PG, b"", "without an answer"),
        (PG, b"H", "byte 0x48: not PostgreSQL"),
        (PG, b"E\x00\x00\x00\x0eSFATAL\0Mno\0", "error: no"),
        (PG, b"E\xff\xff\xff\xff", "bytes long"),
        (MY, b"", "without an answer"),
        (MY, b"\xff\xff\xff\x00", "16777215 bytes"),
        (MY, b"\x03\x00\x00\x00SSH", "does not greet as MySQL"),
        (MY, b"\x20\x00\x00\x00\x0a5.5\0", "closed the connection after 5 of 32"),
        (MY, b"\x05\x00\x00\x00\x0a5.5\0", "greeting ends after 5"),
        (MY, recorded.GREETING.replace(b"\xfe\xff", b"\xfe\xf7", 1), "does not offer TLS"),
    ],
)
def test_a_protocol_s_own_beginning_is_checked(begin: Serve, raw: bytes, words: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        _wait(connection)

    with answering(serve) as listener, pytest.raises(ProtocolFault, match=words):
        probe.ask(dataclasses.replace(listener, begin=begin), MODERN, LIMIT)


@pytest.mark.parametrize("begin", [postgres_begin, mysql_begin])
def test_a_beginning_that_drips_ends_in_time(begin: Serve) -> None:
    answers = answering(dripping(b"\x50\x00\x00\x00\x0a"))
    with answers as listener, pytest.raises((TimeoutError, ProtocolFault)):
        probe.ask(dataclasses.replace(listener, begin=begin), MODERN, LIMIT)


def test_http_that_drips_ends_in_time() -> None:
    with answering(dripping(b"HTTP/1.1 200 OK\r\n")) as listener, pytest.raises(TimeoutError):
        get("127.0.0.1", listener.port, "/", LIMIT)


def test_what_is_no_http_is_named() -> None:
    with (
        answering(saying(b"\x15\x03\x03\x00\x02\x02\x28")) as listener,
        pytest.raises(ProtocolFault, match="no HTTP"),
    ):
        get("127.0.0.1", listener.port, "/", LIMIT)


def test_the_guard_lets_what_ends_in_time_pass_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with guarded(ours.fileno(), 5):
            theirs.sendall(b"x")
            assert Reader(ours).exactly(1) == b"x"
        assert threading.active_count() == before
        begin_at_once(ours)
        theirs.sendall(b"y")
        assert ours.recv(1) == b"y"


def _wrapped(inner: BaseException) -> Exception:
    """As a driver wraps: by argument, then by context."""
    outer = ValueError("no connection\nsecond line")
    outer.__context__ = RuntimeError("pool", inner)
    return outer


def test_a_driver_s_wrapping_is_seen_through() -> None:
    refused = ConnectionRefusedError()
    assert translated(_wrapped(refused)) is refused
    distrust = ssl.SSLCertVerificationError()
    distrust.verify_message, distrust.verify_code = "certificate has expired", 10
    found = translated(_wrapped(distrust))
    assert isinstance(found, Untrusted)
    assert (found.reason, found.code) == ("certificate has expired", 10)
    assert str(translated(ValueError("password=hunter22 is wrong\nmore"))) == (
        "password=•••••• is wrong"
    )
    alert = ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE]")
    alert.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    for raised, words in (
        (ssl.SSLEOFError(8, "EOF"), "closed the connection"),
        (ConnectionResetError(), "closed the connection"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "not TLS"),
        (alert, "refused the handshake: sslv3 alert handshake failure"),
    ):
        fault = translated(_wrapped(raised))
        assert isinstance(fault, ProtocolFault)
        assert words in fault.message
