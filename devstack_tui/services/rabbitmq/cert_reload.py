"""Reload of a running RabbitMQ's certificate."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.services.rabbitmq import erl_call


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """Erlang forgets the files that it has read, and reads them for the next handshake; by itself
    it would do so within two minutes. Connections keep theirs.

    False where the tool that reaches the node is missing.
    """
    if erl_call.caller() is None:
        return False
    erl_call.evaluate(units, files, "ssl:clear_pem_cache()")
    return True
