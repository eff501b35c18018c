"""What the kernel lists of sockets, and what is decided of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack_tui.contracts.bindings import Bindings, Bound
from devstack_tui.core import socket_table
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.socket_table import Entry
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.network import catalogue
from devstack_tui.services.rabbitmq.server import RabbitmqServer
from devstack_tui.stack.stack import Stack

TCP = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 0100007F:1F90 0200007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
   damaged
   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 x 1
"""
TCP6 = b"""  sl  local_address remote_address st
   0: 00000000000000000000000001000000:1234 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5
   1: 0000000000000000FFFF00000100007F:1234 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6
"""
UNIX = b"""Num       RefCount Protocol Flags    Type St Inode Path
00000000e7ed199d: 00000002 00000000 00010000 0001 01 81 /run/with a space.sock
00000000e7ed199e: 00000002 00000000 00010000 0001 01 82 @abstract
00000000e7ed199f: 00000003 00000000 00000000 0001 03 83
"""


def test_the_kernel_s_tables_are_read_and_damaged_lines_passed_over() -> None:
    assert dict(socket_table.parse("tcp", TCP)) == {
        4711: Entry("tcp", "127.0.0.1", 8080, "", True),
        4712: Entry("tcp", "127.0.0.1", 8080, "127.0.0.2", False),
    }
    assert dict(socket_table.parse("tcp6", TCP6)) == {
        5: Entry("tcp", "::1", 0x1234, "", True),
        6: Entry("tcp", "127.0.0.1", 0x1234, "", True),
    }
    assert dict(socket_table.parse("unix", UNIX)) == {
        81: Entry("unix", "/run/with a space.sock", 0, "", True),
        82: Entry("unix", "@abstract", 0, "", True),
        83: Entry("unix", "", 0, "", False),
    }


def test_own_sockets_of_every_kind_are_found(tmp_path: Path) -> None:
    with ExitStack() as opened:
        tcp = opened.enter_context(socket.create_server(("127.0.0.2", 0)))
        udp = opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        path = opened.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(tmp_path / "one"))
        path.listen()
        client = opened.enter_context(socket.create_connection(tcp.getsockname()))
        listed, held = socket_table.read(), socket_table.held(os.getpid())
        own = {listed[inode] for inode in held & listed.keys()}
        assert Entry("tcp", *tcp.getsockname(), "", True) in own
        assert Entry("udp", *udp.getsockname(), "", True) in own
        assert Entry("unix", str(tmp_path / "one"), 0, "", True) in own
        assert Entry("tcp", *client.getsockname(), "127.0.0.2", False) in own
    assert socket_table.held(2**22 + 1) == set()


SOUND = (Bound("redis-1", "tcp", "127.0.0.1", 6379), Bound("redis-1", "unix", "/own/sock", 0))


class Looked(StackAudit):
    """An audit of sockets that are given: one look after another."""

    def __init__(self, *looks: tuple[Bound, ...], foreign: dict[int, str] | None = None) -> None:
        super().__init__(Stack("none"))
        self._looks = [
            Bindings("127.0.0.1", {"redis-1": 6379}, one, foreign or {}) for one in looks
        ]

    def claims(self, service: str) -> dict[str, int]:
        return {"redis-1": 6379} if service == "redis" else {}

    def bindings(self) -> dict[str, Bindings]:
        return {"redis": self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]}


def decide(audit: Looked, name: str) -> tuple[Status, str]:
    found = {check.id: check for check in catalogue.checks(audit)}[f"network.redis.{name}"]
    finding = found.run(audit)
    return finding.status, finding.evidence


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(catalogue, "AGAIN_S", 0)
    yield


NAMES = ("listeners", "loopback", "unix", "outgoing", "port.redis-1")
WRONG = {
    Bound("redis-1", "tcp", "127.0.0.2", 6379): "listeners",
    Bound("redis-1", "tcp", "127.0.0.1", 9999): "listeners",
    Bound("redis-1", "tcp", "::1", 6379): "listeners",
    Bound("redis-1", "udp", "127.0.0.1", 53): "listeners",
    Bound("helper:redis", "tcp", "127.0.0.1", 1): "listeners",
    Bound("redis-1", "tcp", "0.0.0.0", 6379): "loopback",
    Bound("redis-1", "tcp", "::", 6379): "loopback",
    Bound("redis-1", "tcp", "192.0.2.2", 6379): "loopback",
    Bound("redis-1", "udp", "0.0.0.0", 5353): "loopback",
    Bound("redis-1", "unix", "@abstract", 0, exposed=True): "unix",
    Bound("redis-1", "unix", "/tmp/open", 0, exposed=True): "unix",
    Bound("redis-1", "tcp", "192.0.2.2", 40000, remote="198.51.100.1"): "outgoing",
}


@pytest.mark.parametrize("extra", WRONG, ids=str)
def test_what_is_not_declared_fails_one_kind_and_no_other(extra: Bound) -> None:
    for name in NAMES:
        status, evidence = decide(Looked((*SOUND, extra)), name)
        assert status is (Status.FAIL if name == WRONG[extra] else Status.PASS), (name, evidence)
        assert name != WRONG[extra] or str(extra) in evidence
        # Of a moment only: no alarm.
        assert decide(Looked((*SOUND, extra), SOUND), name)[0] is Status.PASS


def test_a_port_that_is_gone_or_another_s_fails() -> None:
    gone = SOUND[1:]
    assert decide(Looked(gone), "port.redis-1") == (
        Status.FAIL,
        "nothing listens at 127.0.0.1:6379",
    )
    assert decide(Looked(gone, SOUND), "port.redis-1")[0] is Status.PASS
    thief = Looked(SOUND, foreign={6379: "nc (pid 7)"})
    assert decide(thief, "port.redis-1") == (Status.FAIL, "port 6379 is held by nc (pid 7)")


def test_whoever_holds_the_port_of_a_service_that_is_down_is_named() -> None:
    thief = Looked((), foreign={6379: "nc (pid 7)"})
    assert decide(thief, "port.redis-1") == (Status.FAIL, "port 6379 is held by nc (pid 7)")
    with pytest.raises(DevstackError, match="no socket"):
        decide(thief, "listeners")
    ports = [one for one in catalogue.checks(thief) if ".port." in one.id]
    assert ports
    assert all(one.without_server for one in ports)


def test_without_any_socket_nothing_is_decided() -> None:
    with pytest.raises(DevstackError, match="no socket"):
        decide(Looked(()), "listeners")


def test_an_address_that_a_server_cannot_do_without_is_declared() -> None:
    assert RabbitmqServer.further == {"epmd": "::1"}
    sockets = (Bound("rabbitmq-epmd", "tcp", "::1", 4369),)
    further = Bindings("127.0.0.1", {"epmd": 4369}, sockets, {}, frozenset({("::1", 4369)}))
    assert list(catalogue._undeclared(further)) == []
