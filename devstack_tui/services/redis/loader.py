"""One process of the Redis load: raw sockets, commands encoded beforehand, one at a time on each.

A program of its own that needs nothing but the standard library: `python -I loader.py`. It reads
an order (JSON, one line) from standard input, takes the connections that it inherits, which are
logged in, says that it is ready, and starts at the time that the next line names (nanoseconds of
the monotonic clock). Any further input, or its end,
stops it. It writes frames: a header and a body. Latencies go out raw, in small pieces, because to
sort them here would hold up the answers that arrive meanwhile.
"""

from __future__ import annotations

import array
import binascii
import contextlib
import faulthandler
import gc
import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

HEADER = struct.Struct("<BII")
"""Kind of frame, second (from 1), bytes of the body."""
READY, LATENCIES, SECOND, ERRORS, END = range(5)
SLOTS = 16384
PIECE = 2048
WARM_UP_NS = 300_000_000
"""How long the load is on before it is measured."""
LINGER_NS = 200_000_000
"""How long it goes on after the first error, to see what else is wrong."""
PATIENCE_NS = 5_000_000_000
"""How long an answer may take before the run is given up."""
LATE_NS = 1_000_000_000
"""At the end of a run, a request that waits for longer than this counts as unanswered."""

Exchange = tuple[bytes, bytes]
"""A command and the reply that it must get."""


def encode(*words: bytes) -> bytes:
    """A command as it goes over the wire."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def slot_of(key: bytes) -> int:
    """The slot of a key without braces: Redis' CRC16 is the one of XMODEM."""
    return binascii.crc_hqx(key, 0) % SLOTS


def keys_of(order: dict[str, Any], ranges: list[list[int]]) -> Iterator[bytes]:
    """The bench keys that lie in these slots."""
    mine = bytearray(SLOTS)
    for first, last in ranges:
        mine[first : last + 1] = b"\1" * (last + 1 - first)
    for number in range(order["keys"]):
        key = b"%b%d" % (order["prefix"].encode(), number)
        if mine[slot_of(key)]:
            yield key


def exchanges(order: dict[str, Any], ranges: list[list[int]]) -> list[Exchange]:
    """What is asked of the master of these slots, in an order that is the same in every run."""
    value = b"x" * order["value_bytes"]
    made: list[Exchange] = []
    for key in keys_of(order, ranges):
        if order["get"]:
            made.append((encode(b"GET", key), b"$%d\r\n%b\r\n" % (len(value), value)))
        if order["set"]:
            made.append((encode(b"SET", key, value), b"+OK\r\n"))
    random.Random(1).shuffle(made)  # noqa: S311 - nothing secret
    return made


def error_class(reply: bytes) -> str:
    """What a reply that was not expected counts as."""
    if reply.startswith(b"-"):
        return reply[1:].split(maxsplit=1)[0].decode(errors="replace")[:40]
    return "MissingKey" if reply.startswith(b"$-1") else "UnexpectedReply"


class Loader:
    """The connections of this process and what it counts."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._advance: dict[int, Callable[[], Exchange]] = {}
        self._errors: dict[str, int] = {}
        self._buffers: dict[int, bytes] = {}
        self._latencies = array.array("Q")

    def connect(self) -> None:
        """Take every connection; each begins at another place of the commands."""
        order = self._order
        made = {node: exchanges(order, order["nodes"][node]["slots"]) for node in order["clients"]}
        count = len(order["clients"])
        for number, (node, fd) in enumerate(zip(order["clients"], order["sockets"], strict=True)):
            self._open[fd] = socket.socket(fileno=fd)
            start = len(made[node]) * number // count
            turned = made[node][start:] + made[node][:start]
            self._advance[fd] = itertools.cycle(turned).__next__
            self._poll.register(fd, select.EPOLLIN)
        self._poll.register(0, select.EPOLLIN)

    def run(self, begin: int, until: int) -> int:
        """Measure between these times; returns how long it was, nanoseconds."""
        clock = time.monotonic_ns
        time.sleep(max(0, begin - WARM_UP_NS - clock()) / 1e9)
        poll, read, write = self._poll.poll, os.read, os.write
        size = max(self._open) + 1
        sent, expected = [0] * size, [b""] * size
        advance = self._advance
        second, boundary, ending = 0, begin, until
        self._begin(sent, expected)
        latencies = self._latencies
        checked = now = clock()
        while now < ending and self._open:
            for fd, _ in poll(0.05):
                if fd == 0:
                    ending = now
                    continue
                try:
                    data = read(fd, 65536)
                    now = clock()
                    if data != expected[fd] and not self._complete(fd, data, expected[fd]):
                        continue
                    latencies.append(now - sent[fd])
                    command, expected[fd] = advance[fd]()
                    sent[fd] = now
                    write(fd, command)
                except OSError as error:
                    self._fail(fd, type(error).__name__)
            now = clock()
            if len(latencies) >= PIECE:
                self._flush(second)
            if now >= boundary:
                self._flush(second)
                _send(SECOND, second)
                second, boundary = second + 1, boundary + 1_000_000_000
            if now - checked > 100_000_000:
                checked = now
                self._fail_late(sent, now - PATIENCE_NS)
            if self._errors and ending == until:
                ending = min(until, now + LINGER_NS)
        self._fail_late(sent, now - LATE_NS)
        self._flush(second)
        _send(ERRORS, second, json.dumps(self._errors).encode())
        return max(1, min(now, until) - begin)

    def _begin(self, sent: list[int], expected: list[bytes]) -> None:
        """The first command on every connection."""
        for fd in list(self._open):
            command, expected[fd] = self._advance[fd]()
            sent[fd] = time.monotonic_ns()
            os.write(fd, command)

    def _complete(self, fd: int, data: bytes, expected: bytes) -> bool:
        """Whether the right reply is there; a part of it is kept, a wrong one ends it all."""
        reply = self._buffers.pop(fd, b"") + data
        if reply == expected:
            return True
        if not data:
            self._fail(fd, "ConnectionClosed")
        elif expected.startswith(reply) or not reply.endswith(b"\r\n"):
            self._buffers[fd] = reply
        else:
            self._fail(fd, error_class(reply))
        return False

    def _fail_late(self, sent: list[int], before: int) -> None:
        for fd in [fd for fd in self._open if sent[fd] < before]:
            self._fail(fd, "NoAnswer")

    def _fail(self, fd: int, what: str) -> None:
        self._errors[what] = self._errors.get(what, 0) + 1
        self._poll.unregister(fd)
        self._open.pop(fd).close()

    def _flush(self, second: int) -> None:
        """Send the latencies; those of the warm-up, second 0, are nobody's."""
        if self._latencies and second:
            _send(LATENCIES, second, self._latencies.tobytes())
        del self._latencies[:]


def _send(kind: int, second: int, body: bytes = b"") -> None:
    sys.stdout.buffer.write(HEADER.pack(kind, second, len(body)) + body)
    sys.stdout.buffer.flush()


def main() -> None:
    """Run the order on standard input."""
    with contextlib.suppress(KeyError, OSError):
        # As `core.files.dump_crashes` does it.
        log = os.environ["DEVSTACK_TUI_CRASH_LOG"]
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        faulthandler.enable(os.open(log, flags))
    # The parent process decides what ctrl-C or a closed terminal means, and closes the input.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Unbuffered: what is read later must still be seen by the poll.
    source = os.fdopen(0, "rb", buffering=0, closefd=False)
    end: dict[str, Any] = {}
    try:
        order = json.loads(source.readline())
        loader = Loader(order)
        loader.connect()
        _send(READY, 0)
        if line := source.readline().strip():
            gc.collect()
            gc.freeze()
            gc.disable()
            begin = int(line)
            end["nanoseconds"] = loader.run(begin, begin + int(order["seconds"] * 1e9))
    except BrokenPipeError:
        return
    except OSError as error:
        end["failed"] = str(error.strerror or error)
    _send(END, 0, json.dumps(end).encode())


if __name__ == "__main__":
    main()
