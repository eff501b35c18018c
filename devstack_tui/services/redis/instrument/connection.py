"""A connection to one node that never waits: commands go out when they are due, answers come in.

It uses the plain port of the node: the drill measures the cluster, and a TLS handshake at every
attempt to reach a dead node would cost more than all the rest of the instrument. The port of a
dead node may be bound by anybody: the answer to a first PING shows that the connection was
accepted, then it must be the node that holds it, and only then is the password sent.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from devstack_tui.contracts.peer import ForeignPeerError, Peer
from devstack_tui.loadgen.acknowledged_writes import Outcome, classified
from devstack_tui.services.redis.instrument.clock_loop import READ, WRITE, Loop
from devstack_tui.services.redis.instrument.resp import Parser, ProtocolError, Refusal, Reply
from devstack_tui.services.redis.loader import encode

REFUSED, UNREACHABLE = "refused", "unreachable"
TIMEOUT, CLOSED, GARBLED = "timeout", "closed", "garbled"
FOREIGN = "foreign"
"""Something else than the node answers at its port."""
_PING = encode(b"PING")


class Answer(NamedTuple):
    """What came of a command: a reply at `at`, or none and `why`. `sent` is 0.0 if it never was."""

    reply: Reply
    sent: float
    at: float
    why: str = ""

    @property
    def outcome(self) -> Outcome:
        """What it means for a write."""
        refusal = self.reply.kind if isinstance(self.reply, Refusal) else ""
        return classified(refusal=refusal, failure=self.why, sent=self.sent > 0)


class _PendingCommand:
    """A command whose answer is due until `deadline`."""

    __slots__ = ("data", "deadline", "done", "sent")

    def __init__(self, data: bytes, deadline: float, done: Callable[[Answer], None]) -> None:
        self.data = data
        self.deadline = deadline
        self.done = done
        self.sent = 0.0


class Address(NamedTuple):
    """Where a node is, how to log in there, and who may be sent the password: `unit` of `peer`."""

    host: str
    port: int
    user: str
    password: str
    peer: Peer = Peer("redis")
    unit: str = ""

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"


class Wire:
    """One connection. When it breaks, every command that waits is answered; then it is `broken`."""

    def __init__(self, loop: Loop, address: Address) -> None:
        self.broken = False
        self._loop = loop
        self._parser = Parser()
        self._unsent: deque[_PendingCommand] = deque()
        self._asked: deque[_PendingCommand] = deque()
        self._partial = b""
        self._connected = False
        self._socket = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = address
        self._admitted = not address.password
        if address.password:
            # Without a deadline of its own, as the login: the command behind them has one.
            self._unsent.append(_PendingCommand(_PING, float("inf"), self._admit))
        code = self._socket.connect_ex((address.host, address.port))
        if code not in (0, errno.EINPROGRESS):
            loop.at(loop.clock(), lambda _: self.close(_why(code)))
        else:
            loop.watch(self._socket.fileno(), WRITE, self._on_connect)

    def __len__(self) -> int:
        return len(self._unsent) + len(self._asked)

    def ask(self, command: bytes, deadline: float, done: Callable[[Answer], None]) -> None:
        """Send now, or as soon as it is connected; `done` is called exactly once."""
        waiting = _PendingCommand(command, deadline, done)
        if self.broken:
            done(Answer(None, 0.0, self._loop.clock(), CLOSED))
            return
        self._unsent.append(waiting)
        if self._connected and not self._partial and len(self._unsent) == 1:
            self._send()

    def expire(self, now: float) -> None:
        """Break it when an answer is overdue."""
        waiting = (*self._asked, *self._unsent)
        oldest = next((one for one in waiting if one.deadline < float("inf")), None)
        if oldest is not None and oldest.deadline <= now:
            self.close(TIMEOUT)

    def close(self, why: str = CLOSED) -> None:
        """Break it."""
        if self.broken:
            return
        self.broken = True
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        now = self._loop.clock()
        for waiting in (*self._asked, *self._unsent):
            waiting.done(Answer(None, waiting.sent, now, why))
        self._asked.clear()
        self._unsent.clear()

    def _admit(self, answer: Answer) -> None:
        """The PING was answered, or refused for want of a login: log in if it was by the node."""
        if answer.why:
            return
        address = self._address
        try:
            address.peer.prove(self._socket, address.unit)
        except OSError as error:
            self.close(FOREIGN if isinstance(error, ForeignPeerError) else CLOSED)
            return
        self._admitted = True
        user, password = address.user or "default", address.password
        login = encode(b"AUTH", user.encode(), password.encode())
        self._unsent.appendleft(_PendingCommand(login, float("inf"), _ignore))
        self._send()

    def _on_connect(self, _: int) -> None:
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close(_why(code))
            return
        self._connected = True
        self._loop.watch(self._socket.fileno(), READ, self._on_ready)
        self._send()

    def _on_ready(self, ready: int) -> None:
        if ready & WRITE:
            self._send()
        if ready & READ and not self.broken:
            self._receive()

    def _send(self) -> None:
        """Hand over what the kernel takes; a command counts as sent from its first byte on."""
        try:
            while self._partial or self._unsent:
                if not self._partial:
                    if not self._admitted and self._asked:
                        break  # until the PING is answered
                    waiting = self._unsent[0]
                    waiting.sent = self._loop.clock()
                    taken = self._socket.send(waiting.data)
                    self._asked.append(self._unsent.popleft())
                    self._partial = waiting.data[taken:]
                else:
                    self._partial = self._partial[self._socket.send(self._partial) :]
            self._loop.watch(self._socket.fileno(), READ, self._on_ready)
        except BlockingIOError:
            if self._unsent:
                self._unsent[0].sent = 0.0
            self._loop.watch(self._socket.fileno(), READ | WRITE, self._on_ready)
        except OSError as error:
            if self._unsent and not self._partial:
                self._unsent[0].sent = 0.0
            self.close(_why(error.errno or 0))

    def _receive(self) -> None:
        try:
            data = self._socket.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(_why(error.errno or 0))
            return
        if not data:
            self.close(CLOSED)
            return
        now = self._loop.clock()
        try:
            for reply in self._parser.feed(data):
                if not self._asked:
                    raise ProtocolError("a reply that was not asked for")  # noqa: TRY301
                waiting = self._asked.popleft()
                waiting.done(Answer(reply, waiting.sent, now))
                if self.broken:
                    return
        except ProtocolError:
            self.close(GARBLED)


def _ignore(_: Answer) -> None:
    """A login that is refused shows in the answer of the next command: NOAUTH."""


def _why(code: int) -> str:
    match code:
        case errno.ECONNREFUSED:
            return REFUSED
        case errno.ECONNRESET | errno.EPIPE:
            return CLOSED
        case errno.ETIMEDOUT:
            return TIMEOUT
    return UNREACHABLE
