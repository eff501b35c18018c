"""Logging in to AMQP 0-9-1 (RabbitMQ's AMQP) by hand: the driver has no mechanism but PLAIN, and
never tries an empty password."""

from __future__ import annotations

import socket
import struct

from devstack_tui.contracts.audit import ProtocolFault
from devstack_tui.loadgen.bounded_socket import Reader

_HEADER = b"AMQP\0\0\x09\x01"
_METHOD, _END = 1, b"\xce"
_CONNECTION, _START, _START_OK, _TUNE = 10, 10, 11, 30
_LARGEST = 1 << 20
# A server that knows it says no at once, in place of closing after a while.
_CAPABILITIES = b"\x1cauthentication_failure_closet\x01"
_CLIENT = b"\x0ccapabilitiesF" + struct.pack(">I", len(_CAPABILITIES)) + _CAPABILITIES


def is_let_in(sock: socket.socket, mechanism: str, response: bytes) -> bool:
    """Whether a login on a connected socket, whose timeout is set, is accepted; it ends there.

    Raises `OSError` and `ProtocolFault`.
    """
    reader = Reader(sock)
    sock.sendall(_HEADER)
    method, greeting = _method(reader)
    if method != _START:
        raise ProtocolFault("it does not begin as AMQP 0-9-1")
    if mechanism not in _offered(greeting):
        return False  # it would say so after three seconds
    arguments = struct.pack(">I", len(_CLIENT)) + _CLIENT
    arguments += bytes([len(mechanism)]) + mechanism.encode()
    arguments += struct.pack(">I", len(response)) + response + b"\x05en_US"
    body = struct.pack(">HH", _CONNECTION, _START_OK) + arguments
    sock.sendall(struct.pack(">BHI", _METHOD, 0, len(body)) + body + _END)
    try:
        return _method(reader)[0] == _TUNE
    except (ConnectionError, ProtocolFault):
        return False  # refused, and no reason is given


def _offered(greeting: bytes) -> list[str]:
    """The mechanisms in the arguments of Start, behind the version and the server's properties."""
    at = 2 + 4 + int.from_bytes(greeting[2:6], "big")
    size = int.from_bytes(greeting[at : at + 4], "big")
    return greeting[at + 4 : at + 4 + size].decode(errors="replace").split()


def _method(reader: Reader) -> tuple[int, bytes]:
    """The method of the next frame, of those about the connection, and its arguments."""
    kind, channel, size = struct.unpack(">BHI", reader.exactly(7))
    if kind != _METHOD or channel or not 4 <= size <= _LARGEST:
        raise ProtocolFault("its answer is no AMQP 0-9-1")
    body = reader.exactly(size + 1)
    group, method = struct.unpack(">HH", body[:4])
    if group != _CONNECTION or body[-1:] != _END:
        raise ProtocolFault("its answer is no AMQP 0-9-1")
    return int(method), body[4:-1]
