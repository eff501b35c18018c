"""Suite `network` on a real stack: what servers bind by their own settings, and the API's door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack_tui.contracts.audit import Finding
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.network import catalogue
from devstack_tui.services.redis.cert_reload import configure
from devstack_tui.services.reference_api.checks import CHECKS
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli


@pytest.fixture
def stack(live: Cli) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        live.enter(patch)
        yield Stack(live.stack)


def findings(stack: Stack) -> dict[str, Finding]:
    with StackAudit(stack) as audit:
        checks = [
            *catalogue.checks(audit),
            *CHECKS.checks(audit),
        ]
        here = set(audit.services())
        return {check.id: check.run(audit) for check in checks if check.service in here}


def red(found: dict[str, Finding]) -> set[str]:
    return {id for id, one in found.items() if one.status is not Status.PASS}


def test_a_sound_stack_has_its_declared_sockets_and_its_door_is_closed(stack: Stack) -> None:
    found = findings(stack)
    assert {id: found[id].evidence for id in red(found)} == {}
    assert "[::1]" in found["network.rabbitmq.listeners"].evidence


@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
def test_a_second_address_that_a_server_takes_while_it_runs_is_seen(
    stack: Stack, address: str
) -> None:
    target = stack.engine().target(service("redis"))
    configure(target, 2, {"bind": f"127.0.0.1 {address}"})
    try:
        found = findings(stack)
    finally:
        configure(target, 2, {"bind": "127.0.0.1"})
    assert red(found) == {"network.redis.listeners"}
    assert address in found["network.redis.listeners"].evidence
