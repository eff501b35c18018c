"""RabbitMQ's probe: a message published with confirmation and fetched again, over verified TLS."""

from __future__ import annotations

import re
import secrets
import time

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import SaturatedError
from devstack_tui.services.rabbitmq.client import Link, connect

# Connecting and asking are quick; what is left of the time limit shows that publishing is blocked.
_SHARE = 0.8
_NO_MORE = re.compile(r"(?:node |user )?(?:connection|channel)\w* limit \(\d+\)[\w ']*")


def probe(target: Target, timeout: float) -> Observation:
    """Publish a fresh body into a queue of our own and get it back.

    The latency is of the publish and the get. The queue is exclusive: it goes with the connection.
    """
    import pika

    problems: list[str] = []
    body = secrets.token_bytes(16)
    link: Link | None = None
    started = time.perf_counter()
    try:
        with connect(target, timeout * _SHARE) as link:
            channel = link.connection.channel()
            channel.confirm_delivery()
            queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
            started = time.perf_counter()
            channel.basic_publish("", queue, body, mandatory=True)
            _, _, seen = channel.basic_get(queue, auto_ack=True)
            latency = (time.perf_counter() - started) * 1000
            if seen != body:
                problems.append("a confirmed message could not be fetched")
    except (OSError, pika.exceptions.AMQPError) as error:
        # A node with a resource alarm keeps publishers waiting: it is there, and it is not well.
        if link is None and (found := _NO_MORE.search(str(error))):
            raise SaturatedError(target.service, found[0]) from None
        if link is None or not link.blocked:
            raise
        latency = (time.perf_counter() - started) * 1000
        problems.append(f"it takes no messages: {link.blocked[-1]}")
    return Observation(
        latency_ms=latency,
        version=str(link.server.get("version", "")),
        role="broker",
        tls=link.tls,
        problems=tuple(problems),
        facts={
            "runtime": str(link.server.get("platform", "")),
            "cluster": str(link.server.get("cluster_name", "")),
        },
    )
