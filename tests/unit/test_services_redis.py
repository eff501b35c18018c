"""Redis: what CLUSTER NODES says, how a cluster is laid out, which ports it needs."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from devstack_tui.core.errors import UsageError
from devstack_tui.services.redis import Settings, topology
from devstack_tui.services.redis.server import SERVER
from devstack_tui.services.redis.topology import View, parse_info, parse_nodes

ID = {name: name * 40 for name in "abcdef"}
NODES = f"""\
{ID["a"]} 127.0.0.1:16390@26390 myself,master - 0 1700000000000 1 connected 0-5460 6000
{ID["b"]} 127.0.0.1:16391@26391,,shard-id=77 master,fail - 1 2 2 disconnected 5461-10922
{ID["c"]} 127.0.0.1:16392@26392,localhost master,fail? - 0 2 3 connected 10923 [93->-{ID["a"]}]
{ID["d"]} 127.0.0.1:16393@26393 slave {ID["a"]} 0 2 1 connected
{ID["e"]} :0@0 master,handshake,noaddr - 0 0 0 disconnected
"""


def view(index: int, line: str, **replication: object) -> View:
    """A view that consists of the asked node alone."""
    return View(index, parse_nodes(line), {}, replication, {})


def layout(*lines: str) -> dict[int, View]:
    return {index: view(index, line) for index, line in enumerate(lines)}


def line(name: str, flags: str, master: str = "-", slots: str = "") -> str:
    return f"{ID[name]} 127.0.0.1:7000@17000 myself,{flags} {master} 0 0 1 connected {slots}"


def test_a_line_of_cluster_nodes_is_read_whole() -> None:
    first = parse_nodes(NODES)[0]
    assert (first.id, first.host, first.port, first.bus_port) == (
        ID["a"],
        "127.0.0.1",
        16390,
        26390,
    )
    assert first.myself
    assert first.master
    assert first.connected
    assert first.slots == ((0, 5460), (6000, 6000))
    assert first.slot_count == 5462


def test_addresses_with_hostname_or_shard_id_are_understood() -> None:
    _, second, third, *_ = parse_nodes(NODES)
    assert (second.host, second.port, second.bus_port) == ("127.0.0.1", 16391, 26391)
    assert (third.port, third.bus_port) == (16392, 26392)


def test_failure_and_suspicion_are_told_apart() -> None:
    _, second, third, *_ = parse_nodes(NODES)
    assert (second.failed, second.suspected, second.connected) == (True, False, False)
    assert (third.failed, third.suspected, third.connected) == (False, True, True)


def test_slots_on_the_move_count_for_the_node_that_has_them() -> None:
    assert parse_nodes(NODES)[2].slots == ((10923, 10923),)


def test_a_replica_names_its_master_and_has_no_slots() -> None:
    replica = parse_nodes(NODES)[3]
    assert not replica.master
    assert replica.master_id == ID["a"]
    assert replica.slots == ()


def test_a_node_in_handshake_has_no_address_yet() -> None:
    joining = parse_nodes(NODES)[4]
    assert joining.joining
    assert (joining.host, joining.port, joining.bus_port) == ("", 0, 0)


def test_nodes_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_nodes(NODES)[0].port = 1  # type: ignore[misc]


def test_cluster_info_keeps_every_pair() -> None:
    info = parse_info("cluster_state:ok\r\ncluster_slots_ok:16384\r\n")
    assert info == {"cluster_state": "ok", "cluster_slots_ok": "16384"}


def test_ranges_are_written_as_redis_writes_them() -> None:
    assert topology.describe([(0, 5460), (7, 7)]) == "0-5460 7"


@pytest.mark.parametrize("masters", [3, 4, 5, 7, 50])
def test_the_plan_covers_every_slot_once_in_even_shares(masters: int) -> None:
    plan = topology.plan(masters)
    covered = [slot for first, last in plan for slot in range(first, last + 1)]
    assert covered == list(range(topology.SLOTS))
    sizes = [topology.count([one]) for one in plan]
    assert max(sizes) - min(sizes) <= 1


def test_replicas_are_dealt_round_the_masters() -> None:
    assert [topology.planned_master(index, 3) for index in range(9)] == [0, 1, 2] * 3


def test_slots_that_nobody_claims_are_found() -> None:
    views = layout(line("a", "master", slots="0-99"), line("b", "master", slots="200-16383"))
    assert topology.unassigned(views.values()) == frozenset(range(100, 200))


def test_a_claim_of_somebody_else_is_no_claim() -> None:
    other = f"{ID['b']} 127.0.0.1:7001@17001 master - 0 0 2 connected 0-16383"
    views = [View(0, parse_nodes(line("a", "master") + "\n" + other), {}, {}, {})]
    assert len(topology.unassigned(views)) == topology.SLOTS


def test_after_a_failover_the_shard_is_the_new_master_s() -> None:
    views = layout(
        line("a", "slave", ID["b"]),
        line("b", "master", slots="0-16383"),
        line("c", "master"),
    )
    assert topology.shard_of(0, views) == 1
    assert topology.shard_of(1, views) == 1
    assert topology.replicas_of(views) == {1: 1}


def test_offset_and_link_are_read_by_role() -> None:
    master = view(0, line("a", "master"), role="master", master_repl_offset=70)
    replica = view(
        1,
        line("b", "slave", ID["a"]),
        role="slave",
        master_repl_offset=9,
        slave_repl_offset=60,
        master_link_status="down",
    )
    assert (master.offset, master.link_up) == (70, True)
    assert (replica.offset, replica.link_up) == (60, False)


def settings(**fields: object) -> Settings:
    ports = {"main": 16379, "tls": 16390}
    return msgspec.convert({"ports": ports, "node_timeout_ms": 900, **fields}, Settings)


def test_every_node_claims_three_ports() -> None:
    claims = SERVER.claims(settings())
    assert len(claims) == 18
    assert claims["redis-1"] == 16379
    assert claims["redis-6 tls"] == 16395
    assert claims["redis-6 bus"] == 26395


def test_a_topology_whose_ports_overlap_is_refused() -> None:
    with pytest.raises(UsageError, match="overlap"):
        SERVER.claims(settings(masters=4, replicas=2))


def test_a_bus_beyond_the_last_port_is_refused() -> None:
    with pytest.raises(UsageError, match="bus"):
        SERVER.claims(settings(ports={"main": 50000, "tls": 60000}))


@pytest.mark.parametrize(
    "fields", [{"masters": 2}, {"replicas": 3}, {"replicas": -1}, {"node_timeout_ms": 99}]
)
def test_a_topology_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        settings(**fields)


def test_masters_without_replicas_are_a_topology() -> None:
    assert len(SERVER.claims(settings(replicas=0))) == 9
