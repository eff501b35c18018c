"""Parameters of PostgreSQL and MariaDB on real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.tunable import Apply, Parameter, Reading, Tunables
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.machine import Machine
from devstack_tui.services.mysql.client import connect
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from tests.conftest import Cli
from tests.stack import clients
from tests.stack.conftest import take_down

NAMES = ("postgres", "mysql")
POSTGRES = {
    "shared_buffers": "64MB",
    "effective_cache_size": "2GB",
    "work_mem": "9MB",
    "maintenance_work_mem": "96MB",
    "max_connections": "60",
    "huge_pages": "off",
    "synchronous_commit": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_buffers": "1MB",
    "wal_compression": "lz4",
    "wal_sync_method": "open_datasync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_writer_delay": "1s",
    "wal_writer_flush_after": "4MB",
    "commit_delay": "150us",
    "max_wal_size": "3GB",
    "min_wal_size": "160MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.75",
    "checkpoint_flush_after": "0",
    "bgwriter_lru_maxpages": "0",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "autovacuum": "off",
    "autovacuum_naptime": "15s",
    "autovacuum_max_workers": "2",
}
MYSQL = {
    "innodb_buffer_pool_size": "192MB",
    "innodb_adaptive_hash_index": "on",
    "innodb_log_file_size": "64MB",
    "innodb_log_buffer_size": "8MB",
    "innodb_flush_log_at_trx_commit": "2",
    "innodb_flush_log_at_timeout": "2s",
    "innodb_doublewrite": "off",
    "innodb_flush_method": "fsync",
    "log_bin": "on",
    "sync_binlog": "1",
    "innodb_io_capacity": "4000",
    "innodb_io_capacity_max": "8000",
    "innodb_flush_neighbors": "0",
    "innodb_max_dirty_pages_pct": "75",
    "innodb_read_io_threads": "2",
    "innodb_write_io_threads": "8",
    "max_connections": "70",
    "thread_cache_size": "12",
    "table_open_cache": "1500",
    "tmp_table_size": "64MB",
    "max_heap_table_size": "48MB",
    "sort_buffer_size": "512kB",
    "join_buffer_size": "1MB",
}


@pytest.fixture(scope="module")
def sql(state_home: Path) -> Iterator[Cli]:
    """A stack of the two databases, shared by the tests that leave it as they found it."""
    cli = Cli(state_home, "sql")
    with pytest.MonkeyPatch.context() as patch:
        cli.enter(patch)
        try:
            started = cli.run("up", *NAMES)
            assert started.returncode == 0, started.stderr
            yield cli
        finally:
            take_down(cli)


def part(name: str) -> Tunables:
    found = service(name).tunables()
    assert found is not None
    return found


def target(cli: Cli, name: str) -> Target:
    return Stack(cli.stack).engine().target(service(name))


def files_of(cli: Cli, name: str) -> ServiceFiles:
    return Stack(cli.stack).engine().files(service(name))


def read(cli: Cli, name: str) -> Reading:
    return part(name).read(
        target(cli, name), service(name).launcher().locate(), files_of(cli, name)
    )


def value(cli: Cli, name: str, parameter: str) -> str:
    return read(cli, name).effective[parameter].value


def known(name: str) -> dict[str, Parameter]:
    """The catalogue of the server that is installed."""
    installation = service(name).launcher().locate()
    return {found.name: found for found in part(name).parameters(installation)}


def configure(cli: Cli, name: str, values: Mapping[str, str]) -> None:
    """Write the configuration anew, and nothing else."""
    stack = Stack(cli.stack)
    parameter_store.write(
        stack.paths, parameter_store.StoredParameters(values={name: dict(values)})
    )
    stack.engine().configure(service(name), Run())


def restart(cli: Cli, name: str, values: Mapping[str, str]) -> None:
    configure(cli, name, values)
    Stack(cli.stack).engine().cycle(service(name), Run(), lambda unit: None)


def set_live(cli: Cli, name: str, values: Mapping[str, str | None]) -> tuple[str, ...]:
    """As an apply does it: the configuration first."""
    configure(cli, name, {key: text for key, text in values.items() if text is not None})
    chosen = [known(name)[key] for key in values]
    return part(name).set_live(target(cli, name), chosen, values)


@contextlib.contextmanager
def mysql(cli: Cli) -> Iterator[Any]:
    with contextlib.closing(connect(target(cli, "mysql").as_admin(), 10)) as connection:
        yield connection.cursor()


def stranger(found: Target) -> Target:
    """The same server for a user that may do nothing."""
    return msgspec.structs.replace(
        found,
        credentials=Credentials("stranger", "a-stranger", found.credentials.database),
        admin=Credentials(),
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_server_knows_every_parameter_and_agrees_about_each(sql: Cli, name: str) -> None:
    told = {found.name: found for found in read(sql, name).parameters}
    assert told.keys() == known(name).keys()
    for key, ours in known(name).items():
        for field in ("default", "apply", "choices", "minimum", "maximum", "candidates"):
            assert getattr(ours, field) == getattr(told[key], field), (key, field)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_server_runs_with_the_defaults(sql: Cli, name: str) -> None:
    seen = read(sql, name)
    for found in seen.parameters:
        assert seen.effective[found.name].value == found.default, found.name


@pytest.mark.parametrize("name", NAMES)
def test_the_counters_are_there_for_the_advice(sql: Cli, name: str) -> None:
    seen = read(sql, name)
    values = {key: found.value for key, found in seen.effective.items()}
    machine = Machine(memory_bytes=16 << 30, cores=4, rotational=False)
    assert all(number >= 0 for number in seen.counters.values())
    assert part(name).problems(values, machine, seen.counters) == ()
    assert part(name).advise(values, machine, seen.counters, durable=True)
    assert sum(share.bytes for share in part(name).memory(values, {})) > 128 << 20


@pytest.mark.parametrize(("name", "values"), [("postgres", POSTGRES), ("mysql", MYSQL)])
def test_after_a_restart_every_value_is_in_effect_and_afterwards_none_is(
    sql: Cli, name: str, values: dict[str, str]
) -> None:
    restart(sql, name, values)
    try:
        seen = read(sql, name).effective
        assert {key: seen[key].value for key in values} == values
        for key in values:
            assert "configuration file" in seen[key].source, key
            # Of log_bin MariaDB does not report where it is set.
            assert key == "log_bin" or seen[key].where.startswith(str(sql.root)), key
    finally:
        restart(sql, name, {})
    after = read(sql, name)
    assert {after.effective[p.name].value == p.default for p in after.parameters} == {True}
    assert {found.source for found in after.effective.values()} == {"default"}


@pytest.mark.parametrize(("name", "values"), [("postgres", POSTGRES), ("mysql", MYSQL)])
def test_what_is_live_takes_effect_without_a_restart_and_goes_back(
    sql: Cli, name: str, values: dict[str, str]
) -> None:
    live = {k: v for k, v in values.items() if known(name)[k].apply is not Apply.RESTART}
    assert set_live(sql, name, live) == ()
    try:
        seen = read(sql, name).effective
        assert {key: seen[key].value for key in live} == live
        assert not any(found.pending_restart for found in seen.values())
    finally:
        assert set_live(sql, name, dict.fromkeys(live)) == ()
    after = read(sql, name)
    for found in after.parameters:
        assert after.effective[found.name].value == found.default, found.name


class TestPostgres:
    def test_a_value_that_needs_a_restart_waits_for_it(self, sql: Cli) -> None:
        configure(sql, "postgres", {"shared_buffers": "64MB", "work_mem": "7MB"})
        chosen = [known("postgres")["work_mem"]]
        wanted = {"work_mem": "7MB"}
        assert part("postgres").set_live(target(sql, "postgres"), chosen, wanted) == ()
        found = read(sql, "postgres").effective
        assert found["work_mem"].value == "7MB"
        assert found["shared_buffers"].pending_restart
        set_live(sql, "postgres", {"work_mem": None})

    def test_alter_system_by_somebody_else_is_told_as_the_winner(self, sql: Cli) -> None:
        with clients.postgres(sql, account="postgres-admin") as connection:
            connection.execute("ALTER SYSTEM SET work_mem = '5MB'")
            try:
                (warning,) = set_live(sql, "postgres", {"work_mem": "8MB"})
                assert "5MB" in warning
                assert "ALTER SYSTEM" in warning
                found = read(sql, "postgres").effective["work_mem"]
                assert (found.value, found.source) == ("5MB", "ALTER SYSTEM")
                assert "postgresql.auto.conf:" in found.where
            finally:
                connection.execute("ALTER SYSTEM RESET work_mem")
                assert set_live(sql, "postgres", {"work_mem": None}) == ()

    def test_alter_role_by_somebody_else_is_told_as_the_winner(self, sql: Cli) -> None:
        with clients.postgres(sql) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET work_mem = '6MB'")
            try:
                found = read(sql, "postgres").effective["work_mem"]
                assert (found.value, found.source) == ("6MB", "ALTER ROLE")
            finally:
                connection.execute("ALTER ROLE CURRENT_USER RESET work_mem")

    def test_a_refused_value_is_named_and_the_old_one_stays(self, sql: Cli) -> None:
        with pytest.raises(DevstackError, match=r"work_mem = '1kB'.*postgresql\.conf:\d+"):
            set_live(sql, "postgres", {"work_mem": "1kB"})
        assert value(sql, "postgres", "work_mem") == "4MB"
        set_live(sql, "postgres", {"work_mem": None})

    def test_without_the_right_to_reload_it_says_which_is_missing(self, sql: Cli) -> None:
        found = target(sql, "postgres")
        chosen = [known("postgres")["work_mem"]]
        with clients.postgres(sql, account="postgres-admin") as connection:
            connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'a-stranger'")
            try:
                with pytest.raises(DevstackError, match="no right") as caught:
                    part("postgres").set_live(stranger(found), chosen, {"work_mem": "8MB"})
                assert "pg_reload_conf" in caught.value.remedy
                installation = service("postgres").launcher().locate()
                seen = part("postgres").read(
                    stranger(found), installation, files_of(sql, "postgres")
                )
                assert seen.effective["work_mem"].value == "4MB"
            finally:
                connection.execute("DROP ROLE stranger")

    def test_a_wrong_password_is_no_answer_and_is_not_shown(self, sql: Cli) -> None:
        installation = service("postgres").launcher().locate()
        with pytest.raises(UnreachableError) as caught:
            part("postgres").read(
                stranger(target(sql, "postgres")), installation, files_of(sql, "postgres")
            )
        assert "a-stranger" not in str(caught.value)


class TestMysql:
    def test_what_somebody_else_set_at_run_time_is_told_as_that(self, sql: Cli) -> None:
        with mysql(sql) as cursor:
            cursor.execute("SET GLOBAL max_connections = 77")
            found = read(sql, "mysql").effective["max_connections"]
            assert (found.value, found.source) == ("77", "set at run time")
            cursor.execute("SET GLOBAL max_connections = DEFAULT")

    def test_a_value_that_the_server_changes_is_warned_of(self, sql: Cli) -> None:
        (warning,) = set_live(sql, "mysql", {"max_connections": "5"})
        assert warning.startswith("max_connections: Truncated")
        assert value(sql, "mysql", "max_connections") == "10"
        set_live(sql, "mysql", {"max_connections": None})

    def test_a_refused_value_is_named_and_the_old_one_stays(self, sql: Cli) -> None:
        with pytest.raises(DevstackError, match=r"innodb_log_file_size = 4194304.*log_buffer_size"):
            set_live(sql, "mysql", {"innodb_log_file_size": "4MB"})
        assert value(sql, "mysql", "innodb_log_file_size") == "96MB"

    def test_without_the_right_to_set_it_says_which_is_missing(self, sql: Cli) -> None:
        found = target(sql, "mysql")
        chosen = [known("mysql")["max_connections"]]
        with mysql(sql) as cursor:
            cursor.execute("CREATE USER stranger@'127.0.0.1' IDENTIFIED BY 'a-stranger'")
            cursor.execute(
                f"GRANT SELECT ON {found.credentials.database}.* TO stranger@'127.0.0.1'"
            )
            try:
                with pytest.raises(
                    DevstackError, match="no right to set max_connections"
                ) as caught:
                    part("mysql").set_live(stranger(found), chosen, {"max_connections": "80"})
                assert "SUPER" in caught.value.remedy
            finally:
                cursor.execute("DROP USER stranger@'127.0.0.1'")

    def test_the_buffer_pool_grows_and_shrinks_while_it_runs(self, sql: Cli) -> None:
        for text in ("256MB", "64MB"):
            set_live(sql, "mysql", {"innodb_buffer_pool_size": text})
            assert value(sql, "mysql", "innodb_buffer_pool_size") == text
        set_live(sql, "mysql", {"innodb_buffer_pool_size": None})
        assert value(sql, "mysql", "innodb_buffer_pool_size") == "128MB"
