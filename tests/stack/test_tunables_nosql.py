"""Parameters of MongoDB and Redis on real servers, and Redis' nodes one after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.tunable import Apply, Parameter, Reading
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.machine import Machine
from devstack_tui.services.redis.client import node_count
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from tests.conftest import Cli
from tests.stack.conftest import take_down

MONGODB = {
    "wiredTigerCacheSizeGB": "512MB",
    "wiredTigerJournalCompressor": "none",
    "journalCommitInterval": "300ms",
    "wiredTigerCollectionBlockCompressor": "zstd",
    "eviction_dirty_target": "10",
    "eviction_threads_max": "8",
    "diagnosticDataCollectionEnabled": "off",
    "slowOpThresholdMs": "1s",
    "networkMessageCompressors": "disabled",
    "wiredTigerConcurrentReadTransactions": "64",
}
REDIS = {
    "maxmemory": "512MB",
    "maxmemory-policy": "allkeys-lru",
    "save": "3600 1 300 100",
    "appendonly": "on",
    "cluster-node-timeout": "2s",
    "io-threads": "2",
    "tcp-backlog": "128",
}


@pytest.fixture(scope="module")
def nosql(state_home: Path) -> Iterator[Cli]:
    """A stack of MongoDB and Redis alone, shared by the tests that leave it as they found it."""
    cli = Cli(state_home, "nosql")
    with pytest.MonkeyPatch.context() as patch:
        cli.enter(patch)
        try:
            started = cli.run("up", "mongodb", "redis")
            assert started.returncode == 0, started.stderr
            yield cli
        finally:
            take_down(cli)


def target(cli: Cli, name: str) -> Target:
    return Stack(cli.stack).engine().target(service(name))


def files_of(cli: Cli, name: str) -> ServiceFiles:
    return Stack(cli.stack).engine().files(service(name))


def read(cli: Cli, name: str) -> Reading:
    found = service(name).tunables()
    assert found is not None
    return found.read(target(cli, name), service(name).launcher().locate(), files_of(cli, name))


def set_live(cli: Cli, name: str, values: Mapping[str, str | None]) -> None:
    found = service(name).tunables()
    assert found is not None
    known = {parameter.name: parameter for parameter in read(cli, name).parameters}
    found.set_live(target(cli, name), [known[key] for key in values], values)


def configure(cli: Cli, values: parameter_store.Table) -> None:
    """Write the configurations anew, and nothing else."""
    stack = Stack(cli.stack)
    parameter_store.write(stack.paths, parameter_store.StoredParameters(values=values))
    for name in ("mongodb", "redis"):
        stack.engine().configure(service(name), Run())


@contextlib.contextmanager
def node(cli: Cli, number: int) -> Iterator[redis.Redis]:
    """A client of redis-`number`, of the test's own."""
    where = target(cli, "redis")
    client = redis.Redis(
        port=where.ports["tls"] + number - 1,
        username=where.admin.user,
        password=where.admin.password,
        ssl=True,
        ssl_ca_certs=str(where.ca),
    )
    with client:
        yield client


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def another(parameter: Parameter) -> str:
    return next((text for text in parameter.candidates if text != parameter.default), "")


@pytest.mark.parametrize("name", ["mongodb", "redis"])
def test_every_live_parameter_takes_its_candidate_and_its_default_again(
    nosql: Cli, name: str
) -> None:
    untouched = read(nosql, name)
    live = [p for p in untouched.parameters if p.apply is not Apply.RESTART and another(p)]
    assert len(live) > 5
    assert all(untouched.effective[p.name].value == p.default for p in live)
    set_live(nosql, name, {p.name: another(p) for p in live})
    changed = read(nosql, name).effective
    assert {p.name: changed[p.name].value for p in live} == {p.name: another(p) for p in live}
    assert {changed[p.name].source for p in live} == {"set at run time"}
    set_live(nosql, name, dict.fromkeys((p.name for p in live), None))
    assert read(nosql, name).effective == untouched.effective


def test_mongod_names_what_it_refuses(nosql: Cli) -> None:
    with pytest.raises(DevstackError, match="journalCommitInterval=501ms"):
        set_live(nosql, "mongodb", {"journalCommitInterval": "501ms"})
    with pytest.raises(DevstackError, match="wiredTigerConcurrentReadTransactions=4"):
        set_live(nosql, "mongodb", {"wiredTigerConcurrentReadTransactions": "4"})
    effective = read(nosql, "mongodb").effective
    assert effective["wiredTigerConcurrentReadTransactions"].value == "128"


def test_a_change_of_somebody_else_is_seen_on_its_node(nosql: Cli) -> None:
    with node(nosql, 3) as client:
        client.config_set("hz", 33)
        found = read(nosql, "redis").effective["hz"]
        client.config_set("hz", 10)
    assert found.source == "the nodes differ"
    assert (found.value, found.nodes["redis-3"], found.nodes["redis-4"]) == ("10", "33", "10")


def test_what_one_node_refuses_is_taken_back_on_the_others(nosql: Cli) -> None:
    with node(nosql, 4) as client:
        client.execute_command("ACL", "SETUSER", "devstack_admin", "-config|set")
        try:
            with pytest.raises(DevstackError, match="redis-4 refuses hz=50"):
                set_live(nosql, "redis", {"hz": "50"})
        finally:
            client.execute_command("ACL", "SETUSER", "devstack_admin", "+@all")
    assert read(nosql, "redis").effective["hz"].value == "10"


def test_a_memory_limit_below_what_the_nodes_use_is_refused_before_it_is_set(nosql: Cli) -> None:
    found = service("redis").tunables()
    assert found is not None
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(node(nosql, 1))
        stack.callback(client.function_flush)
        # Functions lie outside of all slots: any node takes them, and they count as used.
        body = "-- " + "x" * 20_000_000
        client.function_load(
            f"#!lua name=ballast\n{body}\nredis.register_function('b', function() return 1 end)"
        )
        reading = read(nosql, "redis")
    values = {name: one.value for name, one in reading.effective.items()} | {"maxmemory": "17MB"}
    (problem,) = found.problems(values, Machine(1 << 34, 2), reading.counters)
    assert problem.fatal
    assert "that a node uses now" in problem.message


def test_a_master_hands_over_before_it_ends_and_comes_back_as_a_replica(nosql: Cli) -> None:
    rolling = service("redis").rolling()
    assert rolling is not None
    where = target(nosql, "redis")

    def role(unit: str) -> Any:
        with node(nosql, int(unit.removeprefix("redis-"))) as client:
            return client.info("replication")["role"]

    order = rolling.order(where)
    assert [role(unit) for unit in order] == ["slave"] * 3 + ["master"] * 3
    victim = order[-1]
    wait_until(lambda: not rolling.settled(where), "the cluster is settled")
    rolling.hand_over(where, victim)
    assert role(victim) == "slave"
    rolling.hand_over(where, order[0])
    rolling.hand_over(where, victim)  # nothing is left to do
    assert rolling.order(where).index(victim) < 3

    units = nosql.status()["redis"]["units"]
    os.kill(next(unit["pid"] for unit in units if unit["unit"] == victim), signal.SIGKILL)
    wait_until(lambda: victim in rolling.settled(where), f"{victim} is missed")
    with pytest.raises(UnreachableError, match=victim):
        read(nosql, "redis")
    brought = nosql.run("up", "mongodb", "redis")
    assert brought.returncode == 0, brought.stderr
    wait_until(lambda: not rolling.settled(where), "the cluster is settled again")
    assert role(victim) == "slave"


def test_the_configuration_counts_at_the_start_and_loses_no_key(nosql: Cli) -> None:
    def keys() -> int:
        found = 0
        for number in range(1, node_count(target(nosql, "redis")) + 1):
            with node(nosql, number) as client:
                found += sum(1 for _ in client.scan_iter("tuned:*"))
        return found

    with node(nosql, 1) as client:
        for number in range(300):
            with contextlib.suppress(redis.ResponseError):  # MOVED: the key is another node's
                client.set(f"tuned:{number}", number)
    wait_until(lambda: keys() % 2 == 0, "the replica has the keys of its master")
    before = keys()
    assert before > 0

    configure(nosql, {"mongodb": MONGODB, "redis": REDIS})
    waiting = {one.name for one in read(nosql, "redis").effective.values() if one.pending_restart}
    assert waiting == {"io-threads", "tcp-backlog"}
    restarted = nosql.run("restart", "mongodb", "redis")
    assert restarted.returncode == 0, restarted.stderr
    for name, wanted in (("mongodb", MONGODB), ("redis", REDIS)):
        effective = read(nosql, name).effective
        assert {key: effective[key].value for key in wanted} == wanted
        assert {effective[key].source for key in wanted} == {"configuration file"}
        assert not any(one.pending_restart for one in effective.values())
    # The nodes came up with an AOF that they did not have before.
    assert keys() == before

    configure(nosql, {})
    left = read(nosql, "mongodb").effective
    assert left["wiredTigerJournalCompressor"].pending_restart
    assert left["wiredTigerJournalCompressor"].source == "configuration at the start"
