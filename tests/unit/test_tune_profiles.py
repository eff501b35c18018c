"""Profiles: DevStack Core's two columns, the user's own, and what cannot be meant."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core.errors import ConfigError, UsageError
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from devstack_tui.state.parameter_store import StoredParameters
from devstack_tui.state.parameter_values import relaxed
from devstack_tui.tuning import catalogue, profiles

INSTALLED = {
    "postgres": Installation(Path("/postgres"), "15.18", "PostgreSQL", "15"),
    "mysql": Installation(Path("/mysqld"), "10.11.19", "MariaDB", "10.11"),
    "mongodb": Installation(Path("/mongod"), "6.0.5", "MongoDB", "6.0"),
    "redis": Installation(Path("/redis-server"), "7.0.15", "Redis", "7"),
}
# DevStack Core's Task 3.1 and 3.2.2, column by column; "(default)" where it says so.
PUBLISHED = {
    "baseline": {
        "postgres": {
            "shared_buffers": "256MB",
            "effective_cache_size": "1GB",
            "work_mem": "8MB",
            "maintenance_work_mem": "default",
            "synchronous_commit": "on",
            "wal_buffers": "default",
        },
        "mysql": {
            "innodb_buffer_pool_size": "256MB",
            "innodb_log_file_size": "48MB",
            "innodb_flush_log_at_trx_commit": "1",
            "innodb_flush_method": "fsync",
            "max_connections": "100",
        },
        "mongodb": {
            "wiredTigerCacheSizeGB": "512MB",
            "wiredTigerJournalCompressor": "snappy",
            "journalCommitInterval": "100ms",
        },
        "redis": {
            "maxmemory": "256MB",
            "maxmemory-policy": "allkeys-lru",
            "save": "default",
            "appendonly": "on",
        },
    },
    "optimized": {
        "postgres": {
            "shared_buffers": "512MB",
            "effective_cache_size": "2GB",
            "work_mem": "16MB",
            "maintenance_work_mem": "128MB",
            "synchronous_commit": "off",
            "wal_buffers": "16MB",
        },
        "mysql": {
            "innodb_buffer_pool_size": "512MB",
            "innodb_log_file_size": "128MB",
            "innodb_flush_log_at_trx_commit": "2",
            "innodb_flush_method": "o_direct",
            "max_connections": "200",
        },
        "mongodb": {
            "wiredTigerCacheSizeGB": "1GB",
            "wiredTigerJournalCompressor": "zstd",
            "journalCommitInterval": "100ms",
        },
        "redis": {
            "maxmemory": "512MB",
            "maxmemory-policy": "allkeys-lru",
            "save": "off",
            "appendonly": "off",
        },
    },
}


ENGINE = Stack("default").engine()


def _known(_: object, name: str) -> dict[str, Parameter]:
    part = catalogue.tunable(name).tunables()
    assert part is not None
    return {p.name: p for p in part.parameters(INSTALLED[name])}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENGINE, "locate", lambda found: INSTALLED[found.name])
    monkeypatch.setattr(profiles, "known", _known)


def _write(room: Path, name: str, text: str) -> Path:
    path = room / "config" / "devstack-tui" / "tuning" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["baseline", "optimized"])
def test_a_shipped_profile_is_the_published_column_exactly(name: str) -> None:
    assert profiles.load(ENGINE, name).values == PUBLISHED[name]


def test_the_durable_profile_relaxes_nothing_and_names_what_optimized_names() -> None:
    found = profiles.load(ENGINE, "durable").values
    optimized = profiles.load(ENGINE, "optimized").values
    for service, values in found.items():
        parameters = _known(ENGINE, service)
        assert values.keys() >= optimized[service].keys()
        given = {n: parameters[n].default if t == "default" else t for n, t in values.items()}
        assert [n for n, text in given.items() if relaxed(parameters[n], text)] == []


def test_our_profiles_come_first_then_the_users(room: Path) -> None:
    _write(room, "aaa", "")
    assert profiles.names() == ("baseline", "optimized", "durable", "aaa")


def test_an_unknown_profile_lists_the_close_matches() -> None:
    with pytest.raises(UsageError, match="unknown profile 'optimised'") as caught:
        profiles.load(ENGINE, "optimised")
    assert "optimized" in caught.value.remedy


def test_values_become_canonical_and_may_be_toml_of_any_type(room: Path) -> None:
    text = '[values.postgres]\nwork_mem = "16384kB"\njit = false\nrandom_page_cost = 1.10\n'
    _write(room, "mine", text)
    found = profiles.load(ENGINE, "mine").values["postgres"]
    assert found == {"work_mem": "16MB", "jit": "off", "random_page_cost": "1.1"}


def test_a_wrong_value_names_file_line_and_parameter(room: Path) -> None:
    path = _write(room, "mine", '# mine\n[values.postgres]\nwork_mem = "16 parsecs"\n')
    with pytest.raises(ConfigError, match="unknown unit 'parsecs'") as caught:
        profiles.load(ENGINE, "mine")
    assert f"{path}:3: values.postgres.work_mem" in caught.value.message


def test_a_wrong_service_names_file_and_line(room: Path) -> None:
    path = _write(room, "mine", "[values.postgre]\nwork_mem = 1\n")
    with pytest.raises(ConfigError, match="postgres") as caught:
        profiles.load(ENGINE, "mine")
    assert f"{path}:1" in caught.value.message


def test_saving_keeps_the_comments_of_a_file(room: Path) -> None:
    path = _write(
        room,
        "mine",
        "# why I made this\n[values.postgres] # on my laptop\n"
        'work_mem = "8MB" # measured\nwal_buffers = "16MB"\n',
    )
    profiles.save(ENGINE, "mine", {"postgres": {"work_mem": "8MB", "jit": "off"}}, "my laptop")
    text = path.read_text()
    assert "# why I made this" in text
    assert 'work_mem = "8MB" # measured' in text
    assert "# on my laptop" in text
    assert tomllib.loads(text)["values"] == {"postgres": {"work_mem": "8MB", "jit": "off"}}
    assert profiles.load(ENGINE, "mine").title == "my laptop"


def test_saving_a_shipped_profile_makes_a_copy_with_its_comments(room: Path) -> None:
    path = profiles.save(ENGINE, "durable", {"redis": {"maxmemory": "1GB"}}, "")
    assert path.is_relative_to(room)
    assert "every acknowledged write is as safe as before" in path.read_text()
    assert profiles.load(ENGINE, "durable").values == {"redis": {"maxmemory": "1GB"}}


@pytest.mark.parametrize("name", ["current", "pending", "../x", "A", ""])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a profile"):
        profiles.save(ENGINE, name, {"redis": {"maxmemory": "1GB"}}, "")


def test_a_saved_profile_is_for_the_servers_that_it_was_made_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profiles.save(ENGINE, "mine", {"postgres": {"work_mem": "8MB"}}, "")
    found = profiles.load(ENGINE, "mine")
    profiles.require_versions(ENGINE, found, found.values)
    newer = {**INSTALLED, "postgres": Installation(Path("/p"), "17.1", "PostgreSQL", "17")}
    monkeypatch.setattr(ENGINE, "locate", lambda found: newer[found.name])
    with pytest.raises(UsageError, match="made for PostgreSQL 15, this machine has PostgreSQL 17"):
        profiles.require_versions(ENGINE, found, found.values)


def test_current_and_pending_name_the_same_services() -> None:
    stack = Stack("default")
    stack.paths.root.mkdir(parents=True)
    store = StoredParameters(
        values={"postgres": {"work_mem": "8MB"}},
        pending={"redis": {"maxmemory": "1GB"}, "postgres": {"work_mem": "default"}},
    )
    parameter_store.write(StackPaths.of("default"), store)
    assert profiles.load_for(stack, "current").values == {
        "postgres": {"work_mem": "8MB"},
        "redis": {},
    }
    assert profiles.load_for(stack, "pending").values == {
        "postgres": {"work_mem": "default"},
        "redis": {"maxmemory": "1GB"},
    }
