"""Mutations of what servers really sent, and a socket that plays them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"-1", b"9" * 25)


@dataclass(frozen=True)
class Parser:
    """What reads a server's bytes: it returns, or raises one of `errors`, for whatever bytes."""

    name: str
    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    errors: tuple[type[BaseException], ...] = ()


class Played:
    """A connected socket whose other end sent `data` and closed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def recv(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        self._at += len(part)
        return part

    def sendall(self, data: bytes) -> None:
        del data

    def settimeout(self, seconds: float | None) -> None:
        del seconds

    def gettimeout(self) -> float:
        return 60.0


def mutated(raw: bytes, dice: random.Random) -> bytes:
    """`raw` with one to four changes: bits, bytes, cuts, repeats, lengths that lie."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 1 if at < len(data):
                data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x2D, 0x0A, 0x20))
            case 2:
                del data[at:]
            case 3:
                data[at:at] = dice.randbytes(dice.randint(1, 8))
            case 4:
                data[at : at + 4] = dice.choice(LARGE)
            case 5:
                other = dice.randrange(len(data) + 1)
                data[at:at] = data[min(at, other) : max(at, other)][:256]
            case _:
                del data[at : at + dice.randint(1, 8)]
    return bytes(data)
