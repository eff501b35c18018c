"""Every spelling that a server takes is understood as that server understands it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.cli.verbs.tune import _assignments
from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core.errors import UsageError
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_values import reading, understood

WORDS: list[tuple[list[str], dict[str, str]]] = [
    (["work_mem=16MB"], {"work_mem": "16MB"}),
    (["work_mem", "=", "16MB"], {"work_mem": "16MB"}),
    (["work_mem =", "16 MB"], {"work_mem": "16 MB"}),
    (["work_mem = 16MB"], {"work_mem": "16MB"}),
    (["maxmemory", "1gb"], {"maxmemory": "1gb"}),
    (["maxmemory 1gb"], {"maxmemory": "1gb"}),
    (["a=1", "b", "=", "2", "c= 3"], {"a": "1", "b": "2", "c": "3"}),
    (["save=", "hz=20"], {"save": "", "hz": "20"}),
    (["save=900", "1", "300", "10"], {"save": "900 1 300 10"}),
    (["networkMessageCompressors=zstd,", "snappy"], {"networkMessageCompressors": "zstd, snappy"}),
    (["innodb-buffer-pool-size=1G"], {"innodb-buffer-pool-size": "1G"}),
]
VERSIONS = {
    "postgres": ("PostgreSQL", "15.18"),
    "mysql": ("MariaDB", "10.11.19"),
    "mongodb": ("MongoDB", "6.0.16"),
    "redis": ("Redis", "7.0.15"),
}


def catalogue(service: str) -> dict[str, Parameter]:
    flavour, version = VERSIONS[service]
    installation = Installation(Path("x"), version, flavour, version)
    return {p.name: p for p in parameter_catalogue.parameters(service, installation)}


def meant(key: str, text: str) -> tuple[str, Value | None]:
    service, _, name = key.partition(".")
    return tuple(understood(catalogue(service)[name], text))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("key", "text", "canonical"),
    [
        # PostgreSQL: pg_settings.unit.
        ("postgres.shared_buffers", "65536", "512MB"),
        ("postgres.effective_cache_size", "524288", "4GB"),
        ("postgres.work_mem", "16384", "16MB"),
        ("postgres.work_mem", "100.6", "101kB"),
        ("postgres.maintenance_work_mem", "1e5", "100000kB"),
        ("postgres.wal_buffers", "2048", "16MB"),
        ("postgres.wal_buffers", "-1", "default"),
        ("postgres.wal_writer_flush_after", "128", "1MB"),
        ("postgres.wal_writer_flush_after", "0", "0"),
        ("postgres.checkpoint_flush_after", "32", "256kB"),
        ("postgres.max_wal_size", "4096", "4GB"),
        ("postgres.min_wal_size", "80", "80MB"),
        ("postgres.checkpoint_timeout", "600", "10min"),
        ("postgres.autovacuum_naptime", "30", "30s"),
        ("postgres.wal_writer_delay", "50", "50ms"),
        ("postgres.commit_delay", "250", "250us"),
        ("postgres.checkpoint_completion_target", ".9", "0.9"),
        ("postgres.random_page_cost", "11e-1", "1.1"),
        ("postgres.fsync", "1", "on"),
        ("postgres.fsync", "f", "off"),
        ("postgres.synchronous_commit", "true", "on"),
        ("postgres.synchronous_commit", "NO", "off"),
        ("postgres.huge_pages", "0", "off"),
        ("postgres.wal_compression", "on", "pglz"),
        ("postgres.wal_compression", "1", "pglz"),
        ("postgres.wal_level", "hot_standby", "replica"),
        ("postgres.shared_buffers", "shared_buffers = '1GB'", "1GB"),
        ("postgres.shared_buffers", ' "1 GB" ', "1GB"),
        ("postgres.shared_buffers", "DEFAULT", "default"),
        # MySQL: bytes for sizes, seconds for ..._timeout, K for 1024 everywhere.
        ("mysql.innodb_buffer_pool_size", "268435456", "256MB"),
        ("mysql.innodb_flush_log_at_timeout", "3", "3s"),
        ("mysql.innodb_flush_log_at_trx_commit", "2", "2"),
        ("mysql.innodb_io_capacity", "10K", "10240"),
        ("mysql.innodb_buffer_pool_size", "1g", "1GB"),
        ("mysql.innodb_max_dirty_pages_pct", ".5", "0.5"),
        ("mysql.innodb_buffer_pool_size", "innodb-buffer-pool-size=1G", "1GB"),
        ("mysql.innodb_flush_method", "O_DIRECT", "o_direct"),
        # MongoDB: GB with a fraction, seconds, milliseconds.
        ("mongodb.wiredTigerCacheSizeGB", "0.5", "512MB"),
        ("mongodb.wiredTigerCacheSizeGB", ".75", "768MB"),
        ("mongodb.wiredTigerCacheSizeGB", "2", "2GB"),
        ("mongodb.wiredTigerCacheSizeGB", "512MB", "512MB"),
        ("mongodb.syncdelay", "60", "1min"),
        ("mongodb.journalCommitInterval", "300", "300ms"),
        ("mongodb.slowOpThresholdMs", "250", "250ms"),
        ("mongodb.internalQueryMaxBlockingSortMemoryUsageBytes", "33554432", "32MB"),
        ("mongodb.networkMessageCompressors", "zstd, snappy", "zstd,snappy"),
        ("mongodb.ttlMonitorEnabled", "true", "on"),
        # Redis: seconds, bytes, k is 1000 and kb is 1024.
        ("redis.timeout", "300", "5min"),
        ("redis.tcp-keepalive", "60", "1min"),
        ("redis.repl-diskless-sync-delay", "5", "5s"),
        ("redis.cluster-node-timeout", "2000", "2s"),
        ("redis.maxmemory", "268435456", "256MB"),
        ("redis.maxmemory", "256mb", "256MB"),
        ("redis.maxmemory", "256m", "250000kB"),
        ("redis.save", "", "off"),
        ("redis.save", '""', "off"),
        ("redis.save", "900  1   300 10", "900 1 300 10"),
        ("redis.appendonly", "YES", "on"),
    ],
)
def test_a_text_means_what_it_means_to_the_server(key: str, text: str, canonical: str) -> None:
    assert meant(key, text)[0] == canonical


@pytest.mark.parametrize(("words", "given"), WORDS, ids=[" ".join(one) for one, _ in WORDS])
def test_an_assignment_is_one_however_the_shell_has_split_it(
    words: list[str], given: dict[str, str]
) -> None:
    assert _assignments(words) == given


@pytest.mark.parametrize("words", [["work_mem"], ["=1"], ["1", "a=2"], [""], ["a=1", "a=2"]])
def test_what_is_no_assignment_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        _assignments(words)


@pytest.mark.parametrize(
    ("key", "text", "native"),
    [
        ("mysql.innodb_flush_log_at_timeout", "3", 3),
        ("mongodb.wiredTigerCacheSizeGB", "0.5", 0.5),
        ("mongodb.syncdelay", "5min", 300),
        ("redis.timeout", "1min", 60),
        ("postgres.commit_delay", "1ms", 1000),
        ("postgres.wal_buffers", "-1", None),
    ],
)
def test_the_server_is_given_it_in_its_own_unit(key: str, text: str, native: Value) -> None:
    assert meant(key, text)[1] == native


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("mysql.innodb_flush_log_at_timeout", "400ms", "would be rounded to 0: it counts in 1s"),
        ("mysql.tmp_table_size", "1000", "would be rounded to 0: it counts in 16kB"),
        ("redis.repl-diskless-sync-delay", "5ms", "would be rounded to 0: it counts in 1s"),
        ("redis.timeout", "0.4", "would be rounded to 0"),
        ("mongodb.syncdelay", "60ms", "would be rounded to 0: it counts in 1s"),
        ("mongodb.journalCommitInterval", ".2", "would be rounded to 0: it counts in 1ms"),
        ("postgres.wal_writer_flush_after", "1kB", "would be rounded to 0: it counts in 8kB"),
        ("postgres.commit_delay", "0.1", "would be rounded to 0: it counts in 1us"),
        ("mysql.innodb_max_dirty_pages_pct", "1e-9", "would be rounded to 0: it counts in 1e-06"),
        ("postgres.shared_buffers", "8", "8 → 64 kB is below 128kB, the limit of PostgreSQL 15"),
        ("postgres.work_mem", "3TB", "3TB is above 2147483647kB, the limit of PostgreSQL 15"),
        ("postgres.work_mem", "-1", "below 64kB"),
        ("mongodb.wiredTigerCacheSizeGB", "0.1", "0.1 → 102 MB is below 256MB"),
        ("redis.maxclients", "10", "10 is below 100"),
        ("mysql.innodb_flush_method", "fast", "none of its values"),
        ("postgres.max_connections", "1K", "whole number"),
        ("postgres.work_mem", "", "expected a size"),
        ("postgres.work_mem", "nan", "expected a size"),
        ("postgres.random_page_cost", "4MB", "expected a number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(key: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        meant(key, text)
    assert f"{key}: " in caught.value.message
    assert message in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("service", VERSIONS)
def test_what_was_understood_is_understood_as_the_same_again(service: str) -> None:
    for parameter in catalogue(service).values():
        for text in (parameter.default, *parameter.candidates, *parameter.choices):
            once = understood(parameter, text)
            assert understood(parameter, once.text) == once, (parameter.key, text)


@pytest.mark.parametrize(
    ("written", "text", "shown"),
    [
        ("524288", "4GB", "524288 → 4 GB"),
        ("4096", "4GB", "4096 → 4 GB"),
        ("-1", "default", "-1 → default"),
        ("4gb", "4GB", ""),
        ("4 G", "4GB", ""),
        ("on", "on", ""),
        ("true", "on", "true → on"),
        ("3", "3s", "3 → 3 s"),
    ],
)
def test_what_was_understood_is_shown_where_it_was_written_otherwise(
    written: str, text: str, shown: str
) -> None:
    assert reading(written, text) == shown
