"""Ports: who holds one, and how another stack moves out of the way."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded import ports

LISTEN = """
import socket, sys
sock = socket.create_server(("127.0.0.1", 0))
print(sock.getsockname()[1])
sys.stdin.readline()
"""


@pytest.fixture
def listener(python: Callable[..., subprocess.Popen[str]]) -> tuple[int, int]:
    """The port and the pid of another process that listens."""
    process = python(LISTEN)
    assert process.stdout is not None
    return int(process.stdout.readline()), process.pid


@pytest.fixture
def own() -> Iterator[int]:
    """A port that we listen on ourselves."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_a_port_that_nobody_listens_on_is_free() -> None:
    assert ports.free(unused())


def test_a_port_that_another_process_listens_on_is_not_free(listener: tuple[int, int]) -> None:
    assert not ports.free(listener[0])


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")],
    ids=["every IPv4 address", "every address"],
)
def test_a_port_that_is_taken_on_every_address_is_not_free(
    family: socket.AddressFamily, address: str
) -> None:
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    dual = family == socket.AF_INET6
    with socket.create_server((address, 0), family=family, dualstack_ipv6=dual) as sock:
        assert not ports.free(sock.getsockname()[1])


def test_a_port_whose_last_connection_lingers_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # who closes first is left in TIME_WAIT
            assert client.recv(1) == b""
    assert ports.free(port)


@pytest.mark.parametrize("port", [65536, 70000])
def test_a_port_that_cannot_exist_is_not_free(port: int) -> None:
    assert not ports.free(port)


def test_the_holder_of_a_port_is_named_with_its_pid(listener: tuple[int, int]) -> None:
    port, pid = listener
    assert ports.holder(port).startswith("python")
    assert ports.holder(port).endswith(f"(pid {pid})")


def test_nobody_is_named_for_a_port_that_nobody_holds() -> None:
    assert "pid" not in ports.holder(unused())


def test_free_ports_are_accepted() -> None:
    ports.require_free("redis", {"main": unused(), "tls": unused()}, "default")


def test_a_taken_port_names_its_holder_and_the_way_out(listener: tuple[int, int]) -> None:
    port, pid = listener
    with pytest.raises(DevstackError) as caught:
        ports.require_free("redis", {"main": unused(), "redis-1 bus": port}, "default")
    message, remedy = caught.value.message, caught.value.remedy
    assert message.startswith(f"redis needs port {port} (redis-1 bus), which python")
    assert f"(pid {pid}) holds" in message
    assert "port_offset" in remedy
    assert "services.redis.ports" in remedy
    assert "stack.toml" in remedy
    assert "--port-offset" not in remedy


def test_a_stack_of_another_name_is_told_of_the_option_too(own: int) -> None:
    with pytest.raises(DevstackError) as caught:
        ports.require_free("redis", {"main": own}, "work")
    assert "start it with --port-offset" in caught.value.remedy


@pytest.fixture
def all_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake look at the machine: which of its ports are free is not ours to choose."""
    monkeypatch.setattr(ports, "free", lambda port: port <= 65535)


@pytest.mark.usefixtures("all_free")
def test_a_new_stack_gets_the_first_offset() -> None:
    assert ports.choose_offset([15432, 16379], []) == 100


@pytest.mark.usefixtures("all_free")
def test_an_offset_avoids_the_ports_of_other_stacks() -> None:
    assert ports.choose_offset([15432, 16379], [15532]) == 200


@pytest.mark.usefixtures("all_free")
def test_an_offset_never_moves_a_stack_onto_its_own_ports() -> None:
    assert ports.choose_offset([13000, 13100, 13200], []) == 300


def test_an_offset_avoids_a_port_that_is_taken_now(own: int) -> None:
    base = own - 100
    assert ports.choose_offset([base], []) != 100


def test_an_offset_never_leads_above_the_last_port() -> None:
    with pytest.raises(DevstackError, match="no free range of ports"):
        ports.choose_offset([65500], [])


def test_a_machine_without_a_free_range_says_so_and_what_to_do() -> None:
    with pytest.raises(DevstackError) as caught:
        ports.choose_offset([20000], range(20000, 30001))
    assert "no free range of ports" in caught.value.message
    assert "down --wipe" in caught.value.remedy
