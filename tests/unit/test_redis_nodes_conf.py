"""A node's file of the cluster is made anew by what the others wrote, where it is spoilt."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.services.redis import nodes_conf
from devstack_tui.services.redis.topology import ClusterNode

IDS = [f"{number:x}" * 40 for number in range(1, 7)]
SLOTS = ["0-5460", "5461-10922", "10923-16383", "", "", ""]
VARS = "vars currentEpoch 6 lastVoteEpoch 0\n"


def line(number: int, seen_by: int, base: int = 7000) -> str:
    flags = "master" if number < 3 else "slave"
    flags = f"myself,{flags}" if number == seen_by else flags
    master = "-" if number < 3 else IDS[number - 3]
    where = f"127.0.0.1:{base + number}@{base + number + 10000}"
    words = (IDS[number], where, flags, master, "0 1795791466924", str(number % 3), "connected")
    return " ".join([*words, SLOTS[number]]).rstrip()


def whole(index: int) -> str:
    return "\n".join([*(line(number, index) for number in range(6)), VARS])


class Home:
    """As much of a service's place as is needed. Nothing listens at its ports."""

    def __init__(self, root: Path) -> None:
        self.files = RootedFiles(root)
        self.said: list[str] = []
        endpoint = SimpleNamespace(host="127.0.0.1")
        self.target: Any = SimpleNamespace(options={"masters": 3, "replicas": 1}, endpoint=endpoint)
        for index in range(6):
            self.files.directory(f"redis-{index + 1}")
            self.files.write(f"redis-{index + 1}/nodes.conf", whole(index))
        self.ports = {"main": 1, "tls": 7000}

    def port(self, name: str) -> int:
        return self.ports[name]

    def say(self, text: str) -> None:
        self.said.append(text)

    def nodes(self, index: int) -> tuple[ClusterNode, ...]:
        text = self.files.read(f"redis-{index + 1}/nodes.conf").decode()
        assert nodes_conf._epoch(text) == 6
        return nodes_conf._nodes(text)


@pytest.fixture
def home(room: Path) -> Home:
    return Home(room)


def mend(home: Home) -> None:
    nodes_conf.mend(cast("ServerHome", home))


def key(node: ClusterNode) -> tuple[object, ...]:
    return (node.id, node.port, node.flags, node.master_id, node.config_epoch, node.slots)


def test_files_that_are_whole_are_left_as_they_are(home: Home) -> None:
    mend(home)
    assert home.said == []
    assert home.files.read("redis-4/nodes.conf").decode() == whole(3)


@pytest.mark.parametrize("index", [0, 3])
def test_a_file_that_is_cut_anywhere_is_made_anew(home: Home, index: int) -> None:
    expected = {key(node) for node in nodes_conf._nodes(whole(index))}
    name, text = f"redis-{index + 1}/nodes.conf", whole(index)
    for length in [*range(0, len(text) - 1, 7), len(text) - 1]:
        home.files.write(name, text[:length])
        home.said.clear()
        mend(home)
        assert len(home.said) == 1, length
        assert {key(node) for node in home.nodes(index)} == expected
    home.files.remove(name)
    mend(home)
    assert "nodes.conf is gone: made anew" in home.said[-1]
    assert {key(node) for node in home.nodes(index)} == expected


def test_a_node_that_the_others_hold_for_dead_is_not_so_in_its_own_file(home: Home) -> None:
    for index in range(6):
        if index != 3:
            text = whole(index).replace(" slave ", " slave,fail ", 1)
            home.files.write(f"redis-{index + 1}/nodes.conf", text)
    home.files.write("redis-4/nodes.conf", "")
    mend(home)
    assert not any(node.failed for node in home.nodes(3))


def test_the_ports_may_have_moved(home: Home) -> None:
    home.ports["tls"] = 9000
    home.files.remove("redis-5/nodes.conf")
    mend(home)
    assert next(node.id for node in home.nodes(4) if node.myself) == IDS[4]


def test_a_node_that_runs_keeps_its_file_to_itself(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        home.ports["main"] = server.getsockname()[1] - 3
        home.files.write("redis-4/nodes.conf", "")
        mend(home)
    assert home.said == []


def test_one_that_nobody_knows_joins_anew_and_its_file_is_kept_aside(home: Home) -> None:
    for index in range(6):
        known = [line(number, index) for number in range(6) if number != 3]
        home.files.write(f"redis-{index + 1}/nodes.conf", "\n".join([*known, VARS]))
    home.files.write("redis-4/nodes.conf", "rubbish")
    mend(home)
    assert home.files.list("redis-4") == ("nodes.conf.damaged",)


def test_before_a_first_start_there_is_nothing_to_mend(home: Home) -> None:
    for index in range(6):
        home.files.remove(f"redis-{index + 1}/nodes.conf")
    mend(home)
    assert home.said == []
