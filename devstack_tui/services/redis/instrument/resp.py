"""Redis' protocol as far as the instrument reads it: replies that are one value."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE = 64 * 1024
MAX_BULK = 1024 * 1024


class ProtocolError(ValueError):
    """What came is no reply of a Redis node."""


class Refusal(str):
    """An error reply, without its dash: `MOVED 42 127.0.0.1:7001`."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """Its class, the first word."""
        return self.partition(" ")[0][:40]


Reply = bytes | int | Refusal | None
"""A simple string or a bulk string, a number, an error, or nothing there."""


class Parser:
    """Takes pieces as they come, returns the replies that are whole."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, piece: bytes) -> Iterator[Reply]:
        """The replies that end in this piece. Raises `ProtocolError`; it is of no use then."""
        data = self._data + piece
        start = 0
        try:
            while (end := data.find(b"\r\n", start)) >= 0:
                found = _reply(data, start, end)
                if found is None:
                    return
                start = found[1]
                yield found[0]
            if len(data) - start > MAX_LINE:
                raise ProtocolError("a line of a reply does not end")
        finally:
            self._data = data[start:]


def _reply(data: bytes, start: int, end: int) -> tuple[Reply, int] | None:
    """The reply whose first line is between `start` and `end`, and where the next one begins."""
    kind, line, after = data[start : start + 1], data[start + 1 : end], end + 2
    match kind:
        case b"$":
            size = _number(line)
            if size == -1:
                return None, after
            if not 0 <= size <= MAX_BULK:
                raise ProtocolError(f"a reply of {size} bytes")
            if len(data) < after + size + 2:
                return None
            if data[after + size : after + size + 2] != b"\r\n":
                raise ProtocolError("a reply is longer than its length")
            return data[after : after + size], after + size + 2
        case b":":
            return _number(line), after
        case b"+":
            return line, after
        case b"-":
            return Refusal(line.decode(errors="replace")), after
    raise ProtocolError(f"a reply begins with {kind!r}")


def _number(digits: bytes) -> int:
    try:
        number = int(digits[:32])
    except ValueError:
        number = 2**63
    if len(digits) > 20 or not -(2**63) <= number < 2**63:
        raise ProtocolError(f"{digits[:32]!r} is no number")
    return number
