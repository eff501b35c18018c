"""Tuning of a real stack: refused whole, applied and read back, or undone by itself."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from tests.conftest import Cli
from tests.stack.clients import ca, ports, postgres, secret


def rows(cli: Cli, *services: str) -> dict[str, dict[str, Any]]:
    """The rows of `tune show` by `service.parameter`."""
    found = cli.json("tune", "show", *services)["parameters"]
    return {f"{row['service']}.{row['name']}": row for row in found}


def confirmed(cli: Cli) -> tuple[str, str, str]:
    return ("--yes", "--stack", cli.stack)


def pending(cli: Cli) -> object:
    """What the store keeps as pending."""
    return msgspec.json.decode((cli.root / "tuning.json").read_bytes())["pending"]


@contextlib.contextmanager
def node(cli: Cli, index: int = 0) -> Iterator[redis.Redis]:
    """One node of the cluster, asked directly."""
    client = redis.Redis(
        host="127.0.0.1",
        port=ports(cli, "redis")["tls"] + index,
        username=secret(cli, "redis-admin")["user"],
        password=secret(cli, "redis-admin")["password"],
        ssl=True,
        ssl_ca_certs=ca(cli),
    )
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("postgres", "shared_buffers=900GB"), r"postgres\.shared_buffers.*900 ?GB.*this machine"),
        (("redis", "maxmemory=1kb"), r"redis\.maxmemory: 1kB is below 16MB, the limit of"),
        (("postgres", "shared_bufers=1GB"), r"did you mean shared_buffers"),
        (("mysql", "max_connections=10MB"), r"mysql\.max_connections: expected a whole number"),
        (("mongodb", "journalCommitInterval=9s"), r"mongodb\.journalCommitInterval: 9s is above"),
        (("rabbitmq", "x=1"), r"rabbitmq has no parameters"),
        (("postgres", "work_mem"), r"is not NAME=VALUE"),
        (("postgres", "work_mem=8MB", "jit=perhaps"), r"postgres\.jit: expected on or off"),
    ],
)
def test_what_cannot_be_set_is_refused_whole_with_its_name_and_limit(
    live: Cli, words: tuple[str, ...], told: str
) -> None:
    ended = live.run("tune", "set", *words)
    assert ended.returncode == 2, ended.stderr
    assert re.search(told, ended.stderr), ended.stderr
    assert not (live.root / "tuning.json").exists() or not pending(live)


def test_a_stack_that_is_down_cannot_be_tuned(fresh: Cli) -> None:
    fresh_default = Cli(fresh.state / "empty")
    (fresh.state / "empty").mkdir(exist_ok=True)
    for words in (("show",), ("set", "postgres", "work_mem=8MB")):
        ended = fresh_default.run("tune", *words)
        assert ended.returncode == 3, ended.stderr


def test_an_apply_that_nobody_confirmed_changes_nothing(live: Cli) -> None:
    ended = live.run("tune", "apply", "durable")
    assert ended.returncode == 2
    assert "nothing was changed" in ended.stderr
    assert "postgres.shared_buffers: default → 512MB  (restart)" in ended.stderr
    assert not [row for row in rows(live).values() if row["changed"]]


def test_the_published_profile_is_applied_and_taken_back_to_the_same_document(live: Cli) -> None:
    before = live.json("tune", "show")
    applied = live.json("tune", "apply", "optimized", *confirmed(live))
    try:
        assert applied["exit_code"] == 0, applied
        assert all(outcome["ok"] for outcome in applied["outcomes"])
        warned = " ".join(applied["warnings"])
        for relaxed in ("synchronous_commit", "innodb_flush_log_at_trx_commit", "redis.save"):
            assert relaxed in warned
        assert "development only" in warned
        changed = live.json("tune", "show", "--changed")["parameters"]
        effective = {f"{row['service']}.{row['name']}": row["effective"] for row in changed}
        assert effective["postgres.shared_buffers"] == "512MB"
        assert effective["postgres.synchronous_commit"] == "off"
        assert effective["mysql.innodb_buffer_pool_size"] == "512MB"
        assert effective["mongodb.wiredTigerCacheSizeGB"] == "1GB"
        assert effective["redis.appendonly"] == "off"
        assert {row["set_by"] for row in changed} == {"profile optimized"}
        relaxed = {
            f"{one['service']}.{one['name']}": one["production"]
            for row in live.json("status")["services"]
            for one in row["development_only"]
        }
        assert relaxed == {
            "postgres.synchronous_commit": "on",
            "mysql.innodb_flush_log_at_trx_commit": "1",
            "redis.save": "3600 1 300 100 60 10000",
            "redis.appendonly": "on",
        }
        shown = live.run("status").stdout
        assert "development only: postgres.synchronous_commit = off, for production on: a " in shown
        reported = live.json("report")["development_only"]
        assert {f"{one['service']}.{one['name']}" for one in reported} == relaxed.keys()
        with postgres(live) as connection:
            told = connection.execute("SHOW shared_buffers").fetchone()
        assert told == ("512MB",)
        for index in range(6):
            with node(live, index) as client:
                assert client.config_get("maxmemory")["maxmemory"] == str(512 << 20)
    finally:
        ended = live.run("tune", "revert", *confirmed(live))
    assert ended.returncode == 0, ended.stderr
    after = live.json("tune", "show")
    assert after["parameters"] == before["parameters"]
    assert [row["undone"] for row in after["history"]][-1:] == [True]
    assert live.json("status")["stack"] == live.stack
    assert live.run("status").returncode == 0


def test_what_is_pending_becomes_effective_by_apply_alone(live: Cli) -> None:
    assert live.run("tune", "set", "postgres", "work_mem=16384kB").returncode == 0
    try:
        waiting = rows(live, "postgres")["postgres.work_mem"]
        assert (waiting["effective"], waiting["pending"]) == ("4MB", "16MB")
        done = live.json("tune", "apply", *confirmed(live))
        (outcome,) = done["outcomes"]
        assert (outcome["effective"], outcome["source"]) == ("16MB", "configuration file")
        now = rows(live, "postgres")["postgres.work_mem"]
        assert (now["effective"], now["pending"], now["tuned"]) == ("16MB", None, "16MB")
        last = live.json("tune", "history")["history"][-1]
        assert last["values"] == {"postgres.work_mem": [None, "16MB"]}
        assert last["sources"] == {"postgres.work_mem": "configuration file"}
    finally:
        live.run("tune", "revert", "--pending", "--yes")
        ended = live.run("tune", "revert", "--all", *confirmed(live))
    assert ended.returncode == 0, ended.stderr
    assert not [row for row in rows(live).values() if row["changed"] or row["pending"]]


def test_a_value_that_the_server_cannot_start_with_is_taken_back(live: Cli) -> None:
    free = re.search(r"HugePages_Free:\s+(\d+)", Path("/proc/meminfo").read_text())
    if free is None or int(free[1]):
        pytest.skip("this machine keeps huge pages: it would start")
    before = live.json("tune", "show")["parameters"]
    words = ("postgres", "huge_pages=on", "work_mem=5MB", "--now")
    done = live.json("tune", "set", *words, *confirmed(live))
    assert done["exit_code"] == 1
    assert done["restored"]
    assert done["seconds"] < 30
    assert "huge_pages=on" in done["message"]
    assert "FATAL" in done["message"]
    assert live.json("tune", "show")["parameters"] == before
    assert live.status()["postgres"]["state"] == "healthy"


def test_a_value_that_another_source_overrules_is_taken_back_and_the_source_told(
    live: Cli,
) -> None:
    with postgres(live, account="postgres-admin") as connection:
        connection.execute("ALTER SYSTEM SET work_mem = '7MB'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            row = rows(live, "postgres")["postgres.work_mem"]
            assert row["changed"]
            assert "changed by somebody else" in row["warning"]
            words = ("tune", "set", "postgres", "maintenance_work_mem=99MB", "--now")
            refused = live.run(*words, *confirmed(live))
            assert refused.returncode == 2
            for part in ("postgres.work_mem", "7MB", "4MB", "ALTER SYSTEM", "auto.conf"):
                assert part in refused.stderr
            forced = ("tune", "set", "postgres", "work_mem=9MB", "--now", "--force")
            done = live.json(*forced, *confirmed(live))
            assert (done["exit_code"], done["restored"]) == (1, True)
            assert "asked for 9MB, but it is 7MB (ALTER SYSTEM" in done["message"]
        finally:
            connection.execute("ALTER SYSTEM RESET work_mem")
            connection.execute("SELECT pg_reload_conf()")
    assert not [row for row in rows(live).values() if row["changed"]]


def test_a_node_that_somebody_set_differently_is_told_by_its_name(live: Cli) -> None:
    with node(live, 2) as client:
        client.config_set("hz", "50")
        try:
            row = rows(live, "redis")["redis.hz"]
            assert "redis-3" in row["warning"]
            ended = live.run("tune", "set", "redis", "maxmemory=1GB", "--now", *confirmed(live))
            assert ended.returncode == 2
            assert "redis.hz" in ended.stderr
            assert client.config_get("maxmemory") == {"maxmemory": "0"}
        finally:
            client.config_set("hz", "10")


def test_one_node_without_snapshots_is_shown_as_for_development_only(live: Cli) -> None:
    with node(live, 2) as client:
        client.config_set("save", "")
        try:
            found = live.status()["redis"]["development_only"]
            assert {one["name"]: one["value"] for one in found} == {
                "save": "off",
                "appendonly": "off",
            }
        finally:
            client.config_set("save", "3600 1 300 100 60 10000")
    found = live.status()["redis"]["development_only"]
    assert [(one["name"], one["production"]) for one in found] == [("appendonly", "on")]


def test_a_profile_for_another_server_version_is_refused(live: Cli) -> None:
    path = live.state / "config" / "devstack-tui" / "tuning" / "old.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('[versions]\npostgres = "PostgreSQL 9"\n[values.postgres]\nwork_mem = "8MB"\n')
    try:
        ended = live.run("tune", "apply", "old", *confirmed(live))
        assert ended.returncode == 2
        assert "made for PostgreSQL 9, this machine has PostgreSQL" in ended.stderr
        assert not rows(live, "postgres")["postgres.work_mem"]["changed"]
    finally:
        path.unlink()


def test_what_is_set_survives_down_and_up(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    ended = fresh.run("tune", "apply", "durable", *confirmed(fresh))
    assert ended.returncode == 0, ended.stderr
    saved = fresh.run("tune", "save", "kept")
    kept = Path(saved.stdout.strip())
    try:
        assert 'shared_buffers = "512MB"' in kept.read_text()
    finally:
        kept.unlink()
    assert fresh.run("down").returncode == 0
    assert fresh.run("tune", "show").returncode == 3
    assert fresh.run("up").returncode == 0
    row = rows(fresh, "postgres")["postgres.shared_buffers"]
    assert (row["effective"], row["source"]) == ("512MB", "configuration file")
    assert (row["set_by"], row["warning"]) == ("profile durable", "")
    # The same value once more, by another: the last to set it is named, until that is undone.
    assert fresh.run("tune", "apply", "optimized", *confirmed(fresh)).returncode == 0
    assert rows(fresh, "postgres")["postgres.shared_buffers"]["set_by"] == "profile optimized"
    assert fresh.run("tune", "revert", *confirmed(fresh)).returncode == 0
    assert rows(fresh, "postgres")["postgres.shared_buffers"]["set_by"] == "profile durable"
    assert str(fresh.root / "tuning.json") in row["lives"]
