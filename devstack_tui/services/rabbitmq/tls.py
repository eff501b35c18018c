"""RabbitMQ's TLS: AMQPS on a port of its own, AMQP in plain on another."""

from __future__ import annotations

from devstack_tui.contracts.audit import Listener, OneListener, PlainRefused, ProtocolFault, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.loadgen.bounded_socket import begin_at_once, translated
from devstack_tui.services.rabbitmq.cert_reload import reload
from devstack_tui.services.rabbitmq.client import connect

# Erlang speaks TLS by itself, with every cipher that it ever had but NULL and export grade.
WEAK = frozenset(
    {"anonymous", "rc4", "md5", "des", "3des", "psk", "static_rsa", "static_rsa_cbc_sha1"}
)
SETTINGS = {
    "tls": "listeners.ssl.1",
    "protocols": "ssl_options.versions.1 = tlsv1.3 and .2 = tlsv1.2",
    "ciphers": "ssl_options.ciphers: those of TLS 1.3, and ECDHE with GCM or ChaCha20",
    "plain": "listeners.tcp.1 (listeners.tcp = none closes it)",
}


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
        """A message through an exclusive queue, which goes with the connection."""
        import pika

        body = b"devstack-tui"
        try:
            with connect(target, timeout, tls) as link:
                channel = link.connection.channel()
                channel.confirm_delivery()
                queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
                channel.basic_publish("", queue, body, mandatory=True)
                _, _, seen = channel.basic_get(queue, auto_ack=True)
                if seen != body:
                    raise ProtocolFault("a confirmed message could not be fetched")
                return f"publish and get answered {f'over {link.tls}' if tls else 'in plain'}"
        except ConnectionRefusedError as error:
            if tls:
                raise
            raise PlainRefused(f"nothing listens at port {target.ports['main']}") from error
        except (OSError, pika.exceptions.AMQPError) as error:
            raise translated(error) from None


TLS: TlsPart = RabbitmqTls()
