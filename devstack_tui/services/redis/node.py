"""One node asked without a driver's weight: over verified TLS, by RESP2, one answer a command."""

from __future__ import annotations

import socket

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.redis.client import trust
from devstack_tui.services.redis.topology import View, parse_info, parse_nodes

Reply = str | int | None | list[object]


class RefusedError(DevstackError):
    """The node answered with an error."""


class Node:
    """A connection that is opened, and logged in, here. Raises `OSError`, and `RefusedError` for
    wrong credentials. `timeout` (seconds) covers connecting and each wait. Close it after use."""

    def __init__(self, target: Target, index: int, timeout: float) -> None:
        host, port = target.endpoint.host, target.ports["tls"] + index
        plain = socket.create_connection((host, port), timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = trust(target.ca, target.name).wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        self._replies = self._socket.makefile("rb")
        try:
            user = target.credentials.user or "default"
            if target.credentials.password:
                self.ask(("AUTH", user, target.credentials.password))
            self.ask(("CLIENT", "SETNAME", "devstack-tui"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._replies.close()
        self._socket.close()

    @property
    def tls_version(self) -> str:
        """`TLSv1.3` say."""
        return self._socket.version() or ""

    def ask(self, *commands: tuple[str, ...]) -> list[Reply]:
        """The answers to commands that are sent at once; each is a string, a number, nothing or
        a list of these. Raises `RefusedError` for the first that is an error, and `OSError`."""
        self._socket.sendall(b"".join(map(_encoded, commands)))
        found = [self._reply() for _ in commands]
        for reply in found:
            if isinstance(reply, RefusedError):
                raise reply
        return [reply for reply in found if not isinstance(reply, RefusedError)]

    def look(self, index: int) -> View:
        """What the node, number `index`, sees, in one round trip."""
        replies = self.ask(
            ("CLUSTER", "NODES"), ("CLUSTER", "INFO"), ("INFO", "replication"), ("INFO", "server")
        )
        nodes, info, replication, server = map(str, replies)
        return View(
            index,
            parse_nodes(nodes),
            parse_info(info),
            parse_info(replication),
            parse_info(server),
        )

    def _reply(self, inside: bool = False) -> Reply | RefusedError:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the node closed the connection")
        kind, text = line[:1], line[1:-2].decode(errors="replace")
        match kind:
            case b"+":
                return text
            case b"-":
                return RefusedError(text)
            case b":":
                return int(text)
            case b"$" if text == "-1":
                return None
            case b"$":
                return self._replies.read(int(text) + 2)[:-2].decode(errors="replace")
            case b"*" if not inside:
                return [self._reply(inside=True) for _ in range(int(text))]
        raise OSError(f"a reply begins with {kind!r}")


def _encoded(words: tuple[str, ...]) -> bytes:
    made = [f"*{len(words)}\r\n".encode()]
    for word in map(str.encode, words):
        made.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(made)
