"""How a running RabbitMQ takes another certificate."""

from __future__ import annotations

from collections.abc import Callable

from devstack_tui.contracts.model import Target, Tls
from devstack_tui.services.rabbitmq import erl_call


def reload(target: Target, tls: Tls, reload_unit: Callable[[str], None]) -> bool:  # noqa: ARG001
    """Erlang forgets the files that it has read, and reads them for the next handshake; by itself
    it would do so within two minutes. Connections keep theirs.

    False where the tool that reaches the node is missing.
    """
    if erl_call.caller() is None:
        return False
    erl_call.evaluate(target, tls.cert.parent.parent, "ssl:clear_pem_cache()")
    return True
