"""Acknowledged writes against the real servers: what is promised of `contracts.acks.Acks`."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator

import msgspec
import pytest

from devstack_tui.contracts.acks import KINDS, Acks, Indeterminate, NotWritten
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.loadgen.ack_stream import Stream
from devstack_tui.loadgen.acknowledged_writes import verdict
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.unit.fake_acks import wait_for

SERVICES = ("postgres", "mysql", "mongodb", "redis", "rabbitmq", "vault", "reference_api")
SINGLE = tuple(name for name in SERVICES if name != "redis")
NUMBERS = range(1, 61)


@pytest.fixture
def run() -> str:
    """A run's name of its own."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
def stack(live: Cli, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The shared stack, as this process sees it."""
    live.enter(monkeypatch)
    return Stack(live.stack)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def parts(stack: Stack, name: str) -> tuple[Acks, Target]:
    found = service(name)
    acks = found.acks()
    assert acks is not None
    return acks, stack.engine().target(found)


def elsewhere(target: Target, port: int) -> Target:
    """The same service, looked for at another port."""
    endpoint = msgspec.structs.replace(
        target.endpoint, port=port, tls_port=port if target.endpoint.tls_port else None
    )
    return msgspec.structs.replace(
        target, endpoint=endpoint, ports=dict.fromkeys(target.ports, port)
    )


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_acknowledged_is_there_and_goes_with_the_run(
    stack: Stack, run: str, name: str
) -> None:
    acks, target = parts(stack, name)
    acks.prepare(target, run)
    try:
        stream = Stream(acks, target, run, clients=2)
        stream.start()
        wait_for(lambda: len(stream.snapshot()) >= len(NUMBERS))
        writes = stream.stop()
        assert all(write.ok for write in writes)
        numbers = {write.number for write in writes}
        beyond = max(numbers) + 1
        present = acks.present(target, run, [*numbers, beyond])
        assert verdict(writes, {"": sorted(present)}, 0).lost == ()
        assert beyond not in present
        assert acks.present(target, run, numbers) == present, "reading takes nothing away"
        assert acks.present(target, run, [1]) == {1}
    finally:
        acks.cleanup(target, run)
    assert acks.present(target, run, NUMBERS) == set()
    acks.cleanup(target, run)


@pytest.mark.parametrize("name", SERVICES)
def test_two_runs_do_not_see_each_other(stack: Stack, run: str, name: str) -> None:
    acks, target = parts(stack, name)
    other = f"{run}x"
    for one in (run, other):
        acks.prepare(target, one)
    try:
        writer = acks.writer(target, run, 2.0)
        writer.write(7)
        writer.close()
        assert acks.present(target, other, [7]) == set()
        acks.cleanup(target, other)
        assert acks.present(target, run, [7]) == {7}
    finally:
        for one in (run, other):
            acks.cleanup(target, one)


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_there_is_a_refusal(stack: Stack, run: str, name: str) -> None:
    acks, target = parts(stack, name)
    acks.prepare(target, run)
    try:
        with pytest.raises(NotWritten) as caught:
            acks.writer(elsewhere(target, 1), run, 1.0)
    finally:
        acks.cleanup(target, run)
    assert caught.value.kind == "refused"


@pytest.mark.parametrize("name", SINGLE)
def test_a_server_without_a_word_is_given_up(
    stack: Stack, run: str, name: str, silent: int
) -> None:
    acks, target = parts(stack, name)
    acks.prepare(target, run)
    try:
        with pytest.raises(NotWritten) as caught:
            acks.writer(elsewhere(target, silent), run, 0.3)
    finally:
        acks.cleanup(target, run)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("name", SINGLE)
def test_a_write_to_a_server_that_is_held_still_is_indeterminate(
    live: Cli, stack: Stack, run: str, name: str
) -> None:
    acks, target = parts(stack, name)
    acks.prepare(target, run)
    pids = [unit["pid"] for unit in live.status()[name]["units"]]
    family = process.descendants(pids, process.table()) | set(pids)
    try:
        writer = acks.writer(target, run, 2.0)  # logging in counts as well
        writer.write(1)
        # A server that just forked a session is held still with it.
        family |= process.descendants(pids, process.table())
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            # A busy machine's server may still answer for a moment.
            wait_for(lambda: all(process.frozen(pid) for pid in family))
            with pytest.raises(Indeterminate) as caught:
                writer.write(2)
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)
            writer.close()
        assert caught.value.kind == "timeout"
        assert 1 in acks.present(target, run, [1, 2])
    finally:
        acks.cleanup(target, run)


def test_redis_keys_lie_on_every_master(stack: Stack, run: str) -> None:
    acks, target = parts(stack, "redis")
    from devstack_tui.services.redis.client import close, connect, look

    writer = acks.writer(target, run, 2.0)
    for number in NUMBERS:
        writer.write(number)
    writer.close()
    held = 0
    try:
        for index in range(6):
            client = connect(target, index, 2.0)
            if look(client, index).me.master:
                keys = list(client.scan_iter(f"devstack-tui:acks:{run}:*", count=1000))
                assert keys
                held += len(keys)
            close(client)
        assert held == len(NUMBERS)
    finally:
        acks.cleanup(target, run)


def test_what_mongodb_may_lose_is_read_from_the_server(stack: Stack) -> None:
    acks, target = parts(stack, "mongodb")
    found = acks.allowance(target)
    assert 0 < found.seconds <= 1
    assert "journal" in found.reason


def test_a_table_that_is_gone_is_a_failure_without_a_class(stack: Stack, run: str) -> None:
    acks, target = parts(stack, "postgres")
    acks.prepare(target, run)
    writer = acks.writer(target, run, 2.0)
    acks.cleanup(target, run)
    with pytest.raises(NotWritten) as caught:
        writer.write(1)
    writer.close()
    assert caught.value.kind == "error-42P01"
    assert caught.value.kind not in KINDS
