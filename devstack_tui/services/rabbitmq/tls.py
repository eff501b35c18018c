"""RabbitMQ's TLS: AMQPS on a port of its own, AMQP in plain on another."""

from __future__ import annotations

import socket

from devstack_tui.contracts.audit import Listener, OneListener, PlainRefused, ProtocolFault, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.peer import Peer
from devstack_tui.loadgen.bounded_socket import Reader, begin_at_once, translated
from devstack_tui.services.rabbitmq.cert_reload import reload
from devstack_tui.services.rabbitmq.client import connect

# Erlang speaks TLS by itself, with every cipher that it ever had but NULL and export grade.
WEAK = frozenset(
    {"anonymous", "rc4", "md5", "des", "3des", "psk", "static_rsa", "static_rsa_cbc_sha1", "cbc"}
)
SETTINGS = {
    "tls": "listeners.ssl.1",
    "protocols": "versions of ssl_options in advanced.config to 'tlsv1.3' and 'tlsv1.2'",
    "ciphers": "ssl_options of advanced.config: ciphers of TLS 1.3, and ECDHE with GCM or ChaCha20",
    "plain": "listeners.tcp.1 (listeners.tcp = none closes it)",
}


_HEADER = b"AMQP\0\0\x09\x01"
_START = b"\0\x0a\0\x0a"
"""Class and method of Connection.Start, behind a frame's type, channel and length."""


class RabbitmqTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reload = staticmethod(reload)

    listener = Listener(
        "rabbitmq",
        "rabbitmq",
        begin_at_once,
        dual=True,
        core={"plain": 15, "verified": 16},
        weak=WEAK,
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:  # noqa: ARG002
        """A message through an exclusive queue, which goes with the connection; in plain, the
        greeting by which it asks for a login."""
        if not tls:
            return _greeting(target, timeout)
        import pika

        body = b"devstack-tui"
        try:
            with connect(target, timeout) as link:
                channel = link.connection.channel()
                channel.confirm_delivery()
                queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
                channel.basic_publish("", queue, body, mandatory=True)
                _, _, seen = channel.basic_get(queue, auto_ack=True)
                if seen != body:
                    raise ProtocolFault("a confirmed message could not be fetched")
                return f"publish and get answered over {link.tls}"
        except (OSError, pika.exceptions.AMQPError) as error:
            raise translated(error) from None


def _greeting(target: Target, timeout: float) -> str:
    """That it answers in plain is shown by the question for a login: no password is sent."""
    where = target.endpoint.host, target.ports["main"]
    try:
        with socket.create_connection(where, timeout) as sock:
            Peer.of(target).prove(sock)
            sock.sendall(_HEADER)
            first = Reader(sock).exactly(11)
    except ConnectionRefusedError:
        raise PlainRefused(f"nothing listens at port {where[1]}") from None
    except OSError as error:
        raise translated(error) from None
    if first[:3] != b"\1\0\0" or first[7:] != _START:
        raise ProtocolFault(f"it answered AMQP's header with {first.hex(' ')}")
    return "it greeted in plain, and asked for a login"


TLS: TlsPart = RabbitmqTls()
