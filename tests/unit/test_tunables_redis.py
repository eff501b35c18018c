"""Redis' parameters: what is written for the nodes, and what is thought of values."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.services.redis import aof
from devstack_tui.services.redis.config_syntax import (
    apply_to,
    canonical,
    configured,
    in_file,
    native,
    wrong_save,
)
from devstack_tui.services.redis.rolling import _dissent, _heir, _unsettled
from devstack_tui.services.redis.topology import View, parse_nodes
from devstack_tui.services.redis.tunables import TUNABLES, in_stack
from devstack_tui.state.parameter_values import to_server

MB, GB = 1 << 20, 1 << 30

REDIS_7 = Installation(Path("redis-server"), "7.0.15", "Redis", "7")
MACHINE = Machine(16 * GB, 4)
CATALOGUE = TUNABLES.parameters(REDIS_7)
BY_NAME = {parameter.name: parameter for parameter in CATALOGUE}
OPTIONS: dict[str, int | str | bool] = {"masters": 3, "replicas": 1, "node_timeout_ms": 1500}


def values(**changed: str) -> dict[str, str]:
    """All defaults and what is reported; `_` stands for `-` in the names."""
    told = {name.replace("_", "-"): value for name, value in changed.items()}
    return {parameter.name: parameter.default for parameter in CATALOGUE} | told


def problems(counters: dict[str, float] | None = None, **changed: str) -> dict[str, bool]:
    """Whether each parameter's problem is fatal."""
    found = TUNABLES.problems(values(**changed), MACHINE, counters or {})
    return {problem.parameter: problem.fatal for problem in found}


@pytest.mark.parametrize("parameter", CATALOGUE, ids=lambda p: p.name)
def test_defaults_and_candidates_are_canonical_and_in_range(parameter: Parameter) -> None:
    for text in (parameter.default, *parameter.candidates):
        assert units.canonical(parameter.kind, text) == text
        assert canonical(parameter, native(parameter, to_server(parameter, text))) == text
        if parameter.choices:
            assert text in parameter.choices
        elif parameter.minimum is not None and text not in parameter.special:
            number = float(units.parse(parameter.kind, text))
            assert parameter.minimum <= number <= (parameter.maximum or number)


def test_values_are_written_as_redis_spells_them() -> None:
    tuning = {
        "maxmemory": "512MB",
        "appendonly": "on",
        "save": "3600 1 300 100",
        "tcp-keepalive": "1min",
        "cluster-node-timeout": "2s",
    }
    lines = configured(REDIS_7, tuning).values()
    assert [line for named in lines for line in named] == [
        "maxmemory 536870912",
        "appendonly yes",
        "save 3600 1",
        "save 300 100",
        "tcp-keepalive 60",
        "cluster-node-timeout 2000",
    ]
    assert configured(REDIS_7, {"save": "off"}) == {"save": ['save ""']}


def test_a_tuned_line_replaces_the_one_of_the_stack() -> None:
    text = "port 1\ncluster-node-timeout 1000\nhz 10\n"
    lines = configured(REDIS_7, {"cluster-node-timeout": "2s"})
    assert apply_to(text, lines) == "port 1\nhz 10\ncluster-node-timeout 2000\n"
    assert apply_to(text, {}) == text


def test_a_configuration_tells_its_values_and_their_lines() -> None:
    found = in_file('# hz 5\nsave 3600 1\nsave 300 100\ndir "/x"\nhz 10\nhz 20\n')
    assert found["save"] == ("3600 1 300 100", 3)
    assert found["hz"] == ("20", 6)
    assert in_file('save ""\n')["save"][0] == ""


def test_a_parameter_of_another_version_is_refused_by_name() -> None:
    older = Installation(Path("redis-server"), "6.2.7", "Redis", "6")
    with pytest.raises(UsageError, match="latency-tracking"):
        configured(older, {"latency-tracking": "off"})


@pytest.mark.parametrize("text", ["off", "60 1", "3600 1 300 100 60 10000"])
def test_save_takes_pairs_or_off(text: str) -> None:
    assert wrong_save(text) == ""


@pytest.mark.parametrize(
    "text", ["", "60", "60 x", "0 1", "60 1 300", "-1 5", "60, 1", "060 1", "60  1"]
)
def test_save_refuses_what_redis_refuses(text: str) -> None:
    assert wrong_save(text)
    assert problems(save=text)["save"]


def test_the_node_timeout_of_the_stack_is_the_default() -> None:
    assert in_stack(BY_NAME["cluster-node-timeout"], OPTIONS).default == "1500ms"
    assert in_stack(BY_NAME["min-replicas-to-write"], OPTIONS).maximum == 1


def test_a_memory_limit_that_would_refuse_every_write_is_fatal() -> None:
    assert problems(maxmemory="1kB") == {"maxmemory": True}
    assert problems({"used_memory": 40.0 * MB}, maxmemory="32MB") == {"maxmemory": True}
    assert problems({"nodes": 6}, maxmemory="4GB") == {"maxmemory": True}
    assert problems({"used_memory": 2.0 * MB, "nodes": 6}, maxmemory="512MB") == {}


def test_a_memory_limit_below_what_is_used_tells_the_figure_and_its_source() -> None:
    found = TUNABLES.problems(values(maxmemory="32MB"), MACHINE, {"used_memory": 40.0 * MB})
    assert "40 MB" in found[0].message
    assert "INFO used_memory" in found[0].message


def test_what_is_dangerous_is_allowed_with_a_warning() -> None:
    assert problems(maxmemory="32MB") == {"maxmemory": False}
    assert problems(maxmemory="32MB", maxmemory_policy="allkeys-lru") == {}
    assert problems(io_threads="8") == {"io-threads": False}
    assert problems(save="off") == {"save": False}
    assert problems(save="off", appendonly="on") == {}
    assert problems(cluster_node_timeout="150ms") == {"cluster-node-timeout": False}


def test_more_replicas_than_there_are_would_refuse_every_write() -> None:
    assert problems({"replicas": 1}, min_replicas_to_write="2") == {"min-replicas-to-write": True}
    assert problems({"replicas": 1}, min_replicas_to_write="1") == {"min-replicas-to-write": False}
    assert problems({"replicas": 2}, min_replicas_to_write="1") == {}


def test_memory_counts_every_node_and_its_copies_at_worst() -> None:
    limited = TUNABLES.memory(values(maxmemory="512MB"), OPTIONS)
    assert sum(s.bytes for s in limited if not s.worst_only) == 6 * (512 + 10) * MB
    assert sum(s.bytes for s in limited if s.worst_only) == 6 * (512 + 1) * MB
    unsaved = TUNABLES.memory(values(maxmemory="512MB", save="off"), OPTIONS)
    assert sum(s.bytes for s in unsaved if s.worst_only) == 6 * MB


def test_no_memory_limit_is_said_to_be_none() -> None:
    shares = TUNABLES.memory(values(), OPTIONS)
    assert any("no limit" in share.label and share.worst_only for share in shares)


def test_advice_has_figures_and_durable_advice_relaxes_nothing() -> None:
    counters = {
        "nodes": 6.0,
        "used_memory_peak": 3.0 * MB,
        "evicted_keys": 1200.0,
        "stream_bytes_per_s": 5.0 * MB,
    }
    free = {a.parameter: a for a in TUNABLES.advise(values(), MACHINE, counters, False)}
    assert free["maxmemory"].value == "512MB"
    assert "3 MB at its peak" in free["maxmemory"].reason
    assert free["save"].value == "off"
    assert free["repl-backlog-size"].value == "64MB"
    durable = {a.parameter: a.value for a in TUNABLES.advise(values(), MACHINE, counters, True)}
    assert durable["appendonly"] == "on"
    assert "maxmemory-policy" not in durable
    for name, value in durable.items():
        assert value not in BY_NAME[name].relaxed


def test_advice_never_leaves_the_memory_of_the_machine() -> None:
    small = Machine(512 * MB, 1)
    for advice in TUNABLES.advise(values(), small, {"nodes": 6, "used_memory_peak": 0}, False):
        if advice.parameter == "maxmemory":
            assert 2 * 6 * int(units.parse("bytes", advice.value)) <= 512 * MB


def test_what_only_a_start_can_change_is_marked_so() -> None:
    restart = {parameter.name for parameter in CATALOGUE if parameter.apply is Apply.RESTART}
    assert restart == {"io-threads", "io-threads-do-reads", "tcp-backlog", "rdbchecksum"}


def test_a_node_that_gets_an_aof_begins_it_with_its_snapshot(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0010 snapshot")
    old = tmp_path / "appendonlydir"
    old.mkdir()
    (old / "appendonly.aof.manifest").write_text("file old.aof seq 7 type i\n")
    aof.begin(RootedFiles(tmp_path.parent), tmp_path.name, had_one=False)
    (base,) = old.glob("*.rdb")
    assert base.read_bytes() == b"REDIS0010 snapshot"
    assert (old / "appendonly.aof.manifest").read_text() == f"file {base.name} seq 1 type b\n"


def test_an_aof_that_nobody_opened_follows_the_snapshot(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        (tmp_path / "dump.rdb").write_bytes(content)
        aof.begin(RootedFiles(tmp_path.parent), tmp_path.name, had_one=True)
        (base,) = (tmp_path / "appendonlydir").glob("*.rdb")
        assert base.read_bytes() == content


def test_an_aof_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"older")
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    manifest = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n"
    (folder / "appendonly.aof.manifest").write_text(manifest)
    aof.begin(RootedFiles(tmp_path.parent), tmp_path.name, had_one=True)
    assert (folder / "appendonly.aof.manifest").read_text() == manifest


def shard(up: bool = True, flags: str = "slave") -> dict[int, View]:
    """A master with all slots and its replica, as both see it."""
    master = "{} 127.0.0.1:7001@17001 {}master - 0 0 1 connected 0-16383"
    replica = "{} 127.0.0.1:7002@17002 {}{} aa 0 0 1 connected"
    info = {"cluster_state": "ok", "cluster_slots_ok": "16384"}

    def view(index: int, replication: dict[str, object]) -> View:
        lines = [
            master.format("aa", "myself," if index == 0 else ""),
            replica.format("bb", "myself," if index == 1 else "", flags),
        ]
        return View(index, parse_nodes("\n".join(lines)), info, replication, {})

    link = "up" if up else "down"
    return {
        0: view(0, {"role": "master", "connected_slaves": int(up)}),
        1: view(1, {"role": "slave", "master_link_status": link, "slave_repl_offset": 7}),
    }


def test_a_whole_cluster_is_settled() -> None:
    assert _unsettled(shard(), replicas=1) == ""


def test_a_cluster_that_is_not_whole_says_what_is_missing() -> None:
    assert "redis-2 is not in sync" in _unsettled(shard(up=False), replicas=1)
    assert "for dead" in _unsettled(shard(flags="slave,fail?"), replicas=1)
    alone = {0: shard()[0]}
    assert "redis-1 has no replica" in _unsettled(alone, replicas=1)


def test_only_a_replica_in_sync_inherits() -> None:
    assert _heir(shard(), 0) == (1, "")
    heir, why = _heir(shard(up=False), 0)
    assert heir is None
    assert "no replica of redis-1 is in sync" in why


def test_nodes_that_see_different_owners_disagree() -> None:
    views = shard()
    lines = "aa 127.0.0.1:7001@17001 master - 0 0 1 connected 0-99\n"
    other = parse_nodes(lines + "bb 127.0.0.1:7002@17002 myself,slave aa 0 0 1 connected")
    views[1] = View(1, other, views[1].info, views[1].replication, {})
    assert "redis-2 sees other masters" in _dissent(views)
