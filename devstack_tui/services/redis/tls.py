"""Redis' TLS: every node has a TLS port and a plain one, and its cluster bus speaks TLS with the
certificates of both sides."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from devstack_tui.contracts.audit import (
    OPENSSL_WEAK,
    Listener,
    PlainRefused,
    ProtocolFault,
    TlsPart,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.peer import Peer
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import client_context
from devstack_tui.loadgen.bounded_socket import Reader, begin_at_once, guarded, translated
from devstack_tui.services.redis.cert_reload import reload
from devstack_tui.services.redis.client import node_count, node_name, session, tls_version
from devstack_tui.services.redis.loader import encode

BUS = 10000
_SUFFIX = "-bus"
SETTINGS = {
    "tls": "tls-port, tls-cert-file, tls-key-file and tls-ca-cert-file",
    "protocols": 'tls-protocols "TLSv1.2 TLSv1.3"',
    "ciphers": "tls-ciphers ECDHE+AESGCM:ECDHE+CHACHA20",
    "plain": "port (0 closes it)",
}
BUS_SETTINGS = {**SETTINGS, "tls": "tls-cluster yes", "plain": "tls-cluster yes"}
# A PING of the bus (cluster.h, clusterMsg): signature, length, version 1, port, type 0, no gossip,
# two epochs, an offset; the sender is nobody that a node knows, so it answers and forgets.
_HEADER = 2256
_SIGNATURE = b"RCmb"
_SENDER = 40


class RedisTls:
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reload = staticmethod(reload)

    def listeners(self, target: Target) -> tuple[Listener, ...]:
        """For each node the TLS port, and its bus."""
        clients, buses = [], []
        for index in range(node_count(target)):
            name, host = node_name(index), target.endpoint.host
            plain, tls = target.ports["main"] + index, target.ports["tls"] + index
            core = {"verified": 12} | ({"plain": 9 + index} if index < 3 else {})
            clients.append(
                Listener(
                    name,
                    "redis",
                    begin_at_once,
                    host,
                    tls,
                    dual=True,
                    plain_port=plain,
                    core=core,
                    weak=OPENSSL_WEAK,
                    settings=SETTINGS,
                )
            )
            # Without TLS, the bus would be above the plain port.
            buses.append(
                Listener(
                    name + _SUFFIX,
                    "redis",
                    begin_at_once,
                    host,
                    tls + BUS,
                    mutual=True,
                    plain_port=plain + BUS,
                    weak=OPENSSL_WEAK,
                    settings=BUS_SETTINGS,
                )
            )
        return (*clients, *buses)

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:
        """PING and DBSIZE on that node, in plain a PING without a login; on a bus its own PING,
        over TLS or in plain."""
        bus = listener.name.endswith(_SUFFIX)
        index = listener.port - target.ports["tls"] - (BUS if bus else 0)
        if not tls:
            return _plain_bus(listener, timeout) if bus else _without_login(target, index, timeout)
        return (
            _encrypted_bus(target, listener, index, timeout)
            if bus
            else _ask(target, index, timeout)
        )


def _ask(target: Target, index: int, timeout: float) -> str:
    import redis

    try:
        with session(target, index, timeout) as client:
            client.ping()
            client.dbsize()
            return f"PING and DBSIZE answered over {tls_version(client)}"
    except (redis.RedisError, OSError) as error:
        raise translated(error) from None


def _without_login(target: Target, index: int, timeout: float) -> str:
    """That the node itself answers in plain is shown by its refusal: no password is sent."""
    port = target.ports["main"] + index
    try:
        with socket.create_connection((target.endpoint.host, port), timeout) as sock:
            Peer.of(target).prove(sock, node_name(index))
            sock.sendall(encode(b"PING"))
            answer = Reader(sock).some(256).decode(errors="replace").strip()
    except ConnectionRefusedError:
        raise PlainRefused(f"nothing listens at port {port}") from None
    except OSError as error:
        raise translated(error) from None
    if answer.startswith(("-NOAUTH", "+PONG")):
        return f"a PING without a login was answered in plain with {answer[1:].partition(' ')[0]}"
    raise ProtocolFault(f"it answered a PING without a login with {answer[:80]!r}")


def _encrypted_bus(target: Target, listener: Listener, index: int, timeout: float) -> str:
    """A PING of the bus over TLS, verified by both sides, with the node's own certificate."""
    context = client_context(target.ca, target.name)
    try:
        _identify(context, *_own_files(target, index, timeout))
        with (
            socket.create_connection((listener.host, listener.port), timeout) as plain,
            guarded(plain.fileno(), timeout),
            context.wrap_socket(plain) as sock,
        ):
            sock.sendall(_ping())
            answer = Reader(sock).some(4)
            version = sock.version()
    except OSError as error:
        raise translated(error) from None
    if answer != _SIGNATURE:
        raise ProtocolFault(f"the bus answered a PING over TLS with {answer.hex() or 'nothing'}")
    return f"the bus answered a PING over {version}"


def _identify(context: ssl.SSLContext, cert: str, key: str) -> None:
    """Our side of a handshake. Raises `DevstackError`: the bus was not asked then."""
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise DevstackError(f"{cert} and its key cannot be used: {error.strerror}") from None


def _own_files(target: Target, index: int, timeout: float) -> tuple[str, str]:
    """The certificate and the key that the node itself says it uses."""
    import redis

    try:
        with session(target.as_admin(), index, timeout) as client:
            found: Any = client.config_get("tls-*-file")
            return found["tls-cert-file"], found["tls-key-file"]
    except (redis.RedisError, OSError) as error:
        why = translated(error)
        if isinstance(why, TimeoutError):  # a busy node, which decides nothing
            raise why from None
        summary = str(why) or "nothing listens there"
        raise ProtocolFault(
            f"the node does not report its certificate over TLS: {summary}"
        ) from None


def _plain_bus(listener: Listener, timeout: float) -> str:
    """Raises `PlainRefused` unless the bus answers in plain, on its own port or on the other."""
    for port in (listener.port, listener.plain_port or listener.port):
        try:
            with socket.create_connection((listener.host, port), timeout) as sock:
                sock.sendall(_ping())
                answer = Reader(sock).some(4)
        except ConnectionError:
            continue
        if answer == _SIGNATURE:
            return f"the bus answered a PING in plain at port {port}"
    raise PlainRefused(
        f"port {listener.port} does not answer a PING in plain, nor does {listener.plain_port}"
    )


def _ping() -> bytes:
    head = _SIGNATURE + _HEADER.to_bytes(4, "big") + (1).to_bytes(2, "big")
    return head.ljust(40, b"\0").ljust(40 + _SENDER, b"0").ljust(_HEADER, b"\0")


TLS: TlsPart = RedisTls()
