"""Every check beyond TLS' handshakes, asked of a service that is gone, hangs or lies: none passes
by what it was told, none crashes, each ends in time with its reason.

The stack is real and sound; the audit is led to other ports, where we answer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import CheckDone, CheckRow
from devstack_tui.security.runner import Limits, Runner
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli

TIMEOUT_S = 1.0
LIMIT_S = 60.0
"""Against hanging only: others may keep the machine busy."""
SERVICES = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq", "reference_api")
OWN = ("files.", "network.", "trust.")
"""What is asked of the kernel, of the file system and of Vault, whatever the server says."""
Answer = Callable[[socket.socket], None]


class Misled(StackAudit):
    """The audit of a stack one of whose services answers at other ports."""

    def __init__(self, stack: Stack, name: str, offset: int) -> None:
        super().__init__(stack, TIMEOUT_S)
        self._name, self._offset = name, offset

    def target(self, service: str) -> Target:
        """Its ports moved by the offset."""
        found = super().target(service)
        if service != self._name:
            return found
        ports = {name: port + self._offset for name, port in found.ports.items()}
        endpoint = msgspec.structs.replace(
            found.endpoint, port=ports["main"], tls_port=ports.get("tls")
        )
        return msgspec.structs.replace(found, ports=ports, endpoint=endpoint)


def garbage(sock: socket.socket) -> None:
    """Bytes of no protocol, for ever."""
    while True:
        sock.sendall(bytes(range(255, -1, -1)) * 16)


def drip(sock: socket.socket) -> None:
    """A byte at a time, each well within a time limit; it begins as several protocols do."""
    sock.settimeout(TIMEOUT_S / 10)
    for byte in itertools.cycle(b"\x16\x03\x03\x00\x50HTTP/1.1 200 OK\r\n"):
        sock.sendall(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            if not sock.recv(65536):
                return


def http(sock: socket.socket) -> None:
    """Another server, which agrees to everything."""
    while sock.recv(65536):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


ANSWERS: dict[str, Answer | None] = {
    "gone": None,
    "garbage": garbage,
    "drip": drip,
    "http": http,
}


@contextlib.contextmanager
def answering(answer: Answer | None, ports: list[int]) -> Iterator[None]:
    ended = threading.Event()

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(LIMIT_S)
            assert answer is not None
            answer(sock)

    def listen(server: socket.socket) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = server.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    with contextlib.ExitStack() as opened:
        threads = []
        for port in ports if answer else ():
            server = opened.enter_context(socket.create_server(("127.0.0.1", port), backlog=64))
            server.settimeout(0.2)
            threads.append(threading.Thread(target=listen, args=(server,)))
            threads[-1].start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def stack(live: Cli) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        live.enter(patch)
        yield Stack(live.stack)


async def asked(stack: Stack, name: str, offset: int) -> list[CheckRow]:
    """Every check of the service beyond the matrix and the handshakes."""
    audit = Misled(stack, name, offset)
    catalogue = Catalogue.of(audit)
    chosen = [
        check
        for check in catalogue.checks.values()
        if name in (check.service, *check.needs) and check.suite not in ("tls", "approle")
    ]
    runner = Runner(
        stack, audit, catalogue, chosen, keep=False, limits=Limits(LIMIT_S, 10 * LIMIT_S)
    )
    async with contextlib.aclosing(runner.run()) as events:
        return [event.row async for event in events if isinstance(event, CheckDone)]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("lie", ANSWERS)
def test_no_check_is_misled(stack: Stack, name: str, lie: str) -> None:
    engine = stack.engine()
    claims = engine.claims(service(name)).values()
    offset = engine.free_offset(claims, [])
    with answering(ANSWERS[lie], [port + offset for port in claims]):
        rows = asyncio.run(asked(stack, name, offset))
    told = [row for row in rows if not row.id.startswith(OWN) or row.group == "door"]
    assert rows
    for row in rows:
        assert row.evidence, row.id
        for words in ("the check itself failed", "given up", "not begun", "Traceback"):
            assert words not in row.evidence, (row.id, row.evidence)
    sound = {row.id: row.evidence for row in told if row.status is Status.PASS}
    # RabbitMQ's accounts are asked for beside the node, not at its ports.
    assert sound == {} or name == "rabbitmq"
    if lie == "gone":
        failed = {row.id: row.evidence for row in told if row.status is Status.FAIL}
        assert failed == {}
