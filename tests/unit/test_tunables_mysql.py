"""The catalogue, spelling and judgement of MySQL and MariaDB, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter, Problem
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.services.mysql.config_syntax import configured
from devstack_tui.services.mysql.server import MARIADB, MYSQL
from devstack_tui.services.mysql.tunables import TUNABLES, in_order
from devstack_tui.services.mysql.variables import (
    Variable,
    automatic,
    described,
    effect,
    variables,
    with_automatic,
)
from devstack_tui.state.parameter_values import from_server, to_server

GB = 1 << 30
MACHINE = Machine(memory_bytes=16 * GB, cores=4, rotational=False)
PUBLISHED = {
    "innodb_buffer_pool_size": "512MB",
    "innodb_log_file_size": "128MB",
    "innodb_flush_log_at_trx_commit": "2",
    "innodb_flush_method": "o_direct",
    "max_connections": "200",
}


def installed(flavour: str, version: str) -> Installation:
    return Installation(Path("/usr/sbin/mysqld"), version, flavour, version.rpartition(".")[0])


def of(flavour: str, version: str) -> dict[str, Parameter]:
    return {found.name: found for found in TUNABLES.parameters(installed(flavour, version))}


MARIA = of(MARIADB, "10.11.19")
ORACLE = of(MYSQL, "8.0.40")
COUNTERS = {"open_files_limit": 20000.0, "pool_step": float(1 << 20)}
DEFAULTS = {name: found.default for name, found in MARIA.items()}
RELEASES = [
    (MARIADB, "10.5.29"),
    (MARIADB, "10.11.14"),
    (MARIADB, "10.11.19"),
    (MARIADB, "11.8.3"),
    (MYSQL, "8.0.28"),
    (MYSQL, "8.0.40"),
    (MYSQL, "8.4.3"),
]


def problems(**values: str) -> dict[str, Problem]:
    found = TUNABLES.problems({**DEFAULTS, **values}, MACHINE, COUNTERS)
    return {p.parameter: p for p in found}


def advice(
    durable: bool = True, counters: dict[str, float] | None = None, **values: str
) -> dict[str, tuple[str, str]]:
    found = TUNABLES.advise({**DEFAULTS, **values}, MACHINE, counters or {}, durable)
    return {a.parameter: (a.value, a.reason) for a in found}


class Answers:
    """A cursor whose server answers each statement with fixed rows."""

    def __init__(self, answers: dict[str, list[tuple[Any, ...]]]) -> None:
        self._answers = answers
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str, args: object = None) -> None:  # noqa: ARG002
        (self._rows,) = [rows for part, rows in self._answers.items() if part in statement]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def oracle(*rows: tuple[Any, ...], persisted: tuple[str, ...] = ()) -> dict[str, Variable]:
    """What MySQL's performance schema answers: name, value, source, path, least, most."""
    full = [(*row[:4], None, *row[4:], None, None, 0) for row in rows]
    cursor: Any = Answers(
        {"variables_info": full, "persisted_variables": [(name,) for name in persisted]}
    )
    return variables(cursor, [row[0] for row in rows], mariadb=False)


class TestCatalogue:
    @pytest.mark.parametrize(("flavour", "version"), RELEASES)
    def test_every_default_and_candidate_is_canonical_and_within_the_limits(
        self, flavour: str, version: str
    ) -> None:
        for parameter in of(flavour, version).values():
            for text in (parameter.default, *parameter.candidates):
                assert units.canonical(parameter.kind, text) == text, parameter.name
                assert from_server(parameter, to_server(parameter, text)) == text
                value = units.parse(parameter.kind, text)
                if isinstance(value, int | float):
                    assert value >= (parameter.minimum or 0), parameter.name
                    assert value <= (parameter.maximum or value), parameter.name

    @pytest.mark.parametrize(("flavour", "version"), RELEASES)
    def test_what_may_lose_data_says_what(self, flavour: str, version: str) -> None:
        for parameter in of(flavour, version).values():
            assert bool(parameter.relaxed) == bool(parameter.durability), parameter.name
            assert parameter.help.endswith("."), parameter.name
            assert parameter.reader and parameter.limits_from, parameter.name

    def test_all_that_devstack_core_tunes_is_there(self) -> None:
        assert MARIA.keys() >= PUBLISHED.keys()

    def test_the_redo_log_is_sized_as_the_version_has_it(self) -> None:
        assert "innodb_redo_log_capacity" in ORACLE
        assert "innodb_log_file_size" not in ORACLE
        assert of(MYSQL, "8.0.28")["innodb_log_file_size"].apply is Apply.RESTART
        assert MARIA["innodb_log_file_size"].apply is Apply.LIVE
        assert of(MARIADB, "10.6.20")["innodb_log_file_size"].apply is Apply.RESTART

    def test_what_a_version_does_not_have_is_not_offered(self) -> None:
        assert "innodb_change_buffering" not in of(MARIADB, "11.8.3")
        assert "innodb_change_buffering" in ORACLE
        assert "thread_handling" not in ORACLE

    @pytest.mark.parametrize(
        ("version", "grows"),
        [
            ((10, 11, 11), True),
            ((10, 11, 12), False),
            ((10, 11, 16), False),
            ((10, 11, 17), True),
            ((11, 4, 5), True),
            ((11, 4, 6), False),
            ((12, 0, 1), False),
        ],
    )
    def test_a_pool_that_cannot_grow_while_it_runs_needs_a_restart(
        self, version: tuple[int, ...], grows: bool
    ) -> None:
        found = of(MARIADB, ".".join(map(str, version)))["innodb_buffer_pool_size"]
        assert (found.apply is Apply.LIVE) is grows

    def test_defaults_follow_the_flavour_and_the_version(self) -> None:
        assert MARIA["innodb_flush_method"].default == "o_direct"
        assert ORACLE["innodb_flush_method"].default == "fsync"
        assert of(MYSQL, "8.4.3")["innodb_io_capacity"].default == "10000"
        assert (MARIA["sync_binlog"].default, ORACLE["sync_binlog"].default) == ("0", "1")
        assert MARIA["sync_binlog"].relaxed == ()
        assert ORACLE["sync_binlog"].relaxed == ("0",)


class TestSpelling:
    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("innodb_buffer_pool_size", "134217728", "128MB"),
            ("innodb_flush_log_at_timeout", "1", "1s"),
            ("innodb_flush_log_at_timeout", "60", "1min"),
            ("innodb_flush_log_at_trx_commit", "2", "2"),
            ("innodb_flush_method", "O_DIRECT_NO_FSYNC", "o_direct_no_fsync"),
            ("innodb_max_dirty_pages_pct", "90.000000", "90"),
            ("innodb_doublewrite", "ON", "on"),
            ("innodb_doublewrite", "0", "off"),
            ("innodb_doublewrite", "DETECT_AND_RECOVER", "detect_and_recover"),
        ],
    )
    def test_what_the_servers_tables_say_is_made_canonical(
        self, name: str, value: str, text: str
    ) -> None:
        assert from_server(MARIA[name], value) == text

    def test_the_file_has_the_servers_own_spelling(self) -> None:
        tuning = {
            "innodb_buffer_pool_size": "512MB",
            "innodb_flush_log_at_timeout": "2s",
            "innodb_flush_log_at_trx_commit": "2",
            "innodb_doublewrite": "off",
            "log_bin": "on",
        }
        assert configured(installed(MARIADB, "10.11.19"), tuning).splitlines() == [
            "# set by tuning",
            "innodb_buffer_pool_size = 536870912",
            "innodb_doublewrite = OFF",
            "innodb_flush_log_at_timeout = 2",
            "innodb_flush_log_at_trx_commit = 2",
            "log-bin",
        ]
        without = configured(installed(MYSQL, "8.0.40"), {"log_bin": "off"})
        assert without.splitlines()[1:] == ["skip-log-bin"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("innodb_buffer_pool_size", "512 bananas"),
            ("innodb_flush_method", "nosync"),
            ("innodb_flush_method", "fsync\nskip-grant-tables"),
            ("innodb_doublewrite", "maybe"),
            ("max_connections", "1.5"),
        ],
    )
    def test_what_the_server_cannot_read_is_never_written(self, name: str, text: str) -> None:
        with pytest.raises(UsageError, match=rf"mysql\.{name}"):
            configured(installed(MARIADB, "10.11.19"), {name: text})

    def test_a_parameter_that_this_version_does_not_have_is_named(self) -> None:
        with pytest.raises(UsageError, match=r"MySQL 8\.0\.40 has no parameter 'thread_handling'"):
            configured(installed(MYSQL, "8.0.40"), {"thread_handling": "pool-of-threads"})


class TestReading:
    def test_mysql_tells_values_limits_and_who_won(self) -> None:
        rows = oracle(
            ("innodb_buffer_pool_size", "536870912", "EXPLICIT", "/s/my.cnf", "5242880", "1e19"),
            ("max_connections", "200", "DYNAMIC", "", "1", "100000"),
            ("innodb_flush_method", "fsync", "COMPILED", "", None, None),
            ("sort_buffer_size", "262144", "COMMAND_LINE", "", "32768", "1e19"),
        )
        seen = {name: effect(ORACLE[name], row) for name, row in rows.items()}
        assert seen["innodb_buffer_pool_size"].value == "512MB"
        assert seen["innodb_buffer_pool_size"].where == "/s/my.cnf"
        assert [found.source for found in seen.values()] == [
            "configuration file",
            "set at run time",
            "default",
            "command line",
        ]
        found = described(ORACLE["max_connections"], rows["max_connections"], "MySQL 8.0.40")
        assert (found.minimum, found.maximum, found.default) == (1, 100000, "151")

    def test_what_mysql_persists_wins_whatever_was_set_since(self) -> None:
        rows = oracle(
            ("max_connections", "200", "DYNAMIC", "", "1", "100000"), persisted=("max_connections",)
        )
        assert effect(ORACLE["max_connections"], rows["max_connections"]).source == "SET PERSIST"

    def test_a_variable_that_mariadb_calls_read_only_needs_a_restart(self) -> None:
        told = Variable(
            "innodb_write_io_threads", "4", "AUTO", "", "4", "2", "64", "0", None, read_only=True
        )
        found = described(MARIA["innodb_write_io_threads"], told, "MariaDB")
        assert (found.apply, found.minimum) == (Apply.RESTART, 2)

    def test_what_follows_from_other_values_is_a_default_by_them(self) -> None:
        assert automatic("thread_cache_size", {"max_connections": "70"}, mariadb=True) == "70"
        assert automatic("thread_cache_size", {"max_connections": "151"}, mariadb=False) == "9"
        assert automatic("innodb_io_capacity_max", {"innodb_io_capacity": "4000"}, True) == "8000"
        told = Variable(
            "thread_cache_size", "70", "AUTO", "", "256", "0", "16384", "1", None, read_only=False
        )
        seen = {
            "thread_cache_size": effect(MARIA["thread_cache_size"], told),
            "max_connections": effect(MARIA["max_connections"], _variable("70")),
        }
        (found,) = with_automatic((MARIA["thread_cache_size"],), seen, mariadb=True)
        assert (found.default, seen["thread_cache_size"].source) == ("70", "default")

    @pytest.mark.parametrize(
        ("usual", "most", "now", "order"),
        [
            ("4000", "8000", 200, ["innodb_io_capacity_max", "innodb_io_capacity"]),
            ("200", "2000", 4000, ["innodb_io_capacity", "innodb_io_capacity_max"]),
        ],
    )
    def test_the_capacity_is_never_above_its_maximum_on_the_way(
        self, usual: str, most: str, now: int, order: list[str]
    ) -> None:
        values = {"innodb_io_capacity": usual, "innodb_io_capacity_max": most}
        assert in_order(values, now) == order


def _variable(value: str) -> Variable:
    return Variable(
        "max_connections", value, "CONFIG", "/my.cnf", "151", "10", "100000", "1", None, False
    )


class TestJudgement:
    def test_the_defaults_and_the_published_values_are_no_problem(self) -> None:
        assert problems() == {}
        assert problems(**PUBLISHED) == {}

    @pytest.mark.parametrize(
        ("name", "values", "words"),
        [
            ("innodb_buffer_pool_size", {"innodb_buffer_pool_size": "900GB"}, "than the 16 GB"),
            ("innodb_log_file_size", {"innodb_log_file_size": "8MB"}, "log_buffer_size (16 MB)"),
            ("innodb_io_capacity", {"innodb_io_capacity": "4000"}, "io_capacity_max (2000)"),
            ("max_connections", {"max_connections": "19"}, "the stack itself needs"),
        ],
    )
    def test_what_cannot_work_is_refused_with_the_limit(
        self, name: str, values: dict[str, str], words: str
    ) -> None:
        found = problems(**values)[name]
        assert found.fatal
        assert words in found.message

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("innodb_buffer_pool_size", {"innodb_buffer_pool_size": "9GB"}),
            ("innodb_buffer_pool_size", {"innodb_buffer_pool_size": "100000kB"}),
            ("innodb_log_file_size", {"innodb_log_file_size": "1GB"}),
            ("table_open_cache", {"table_open_cache": "12000"}),
            ("tmp_table_size", {"tmp_table_size": "64MB"}),
            ("sync_binlog", {"log_bin": "on"}),
            (
                "innodb_flush_log_at_timeout",
                {"innodb_flush_log_at_timeout": "5s", "innodb_flush_log_at_trx_commit": "0"},
            ),
        ],
    )
    def test_what_is_to_be_feared_is_said_and_allowed(
        self, name: str, values: dict[str, str]
    ) -> None:
        assert not problems(**values)[name].fatal

    def test_memory_is_the_pool_and_at_worst_what_sessions_take(self) -> None:
        shares = TUNABLES.memory(DEFAULTS, {})
        assert sum(s.bytes for s in shares if not s.worst_only) == 144 << 20
        worst = 151 * ((2 << 20) + (256 << 10) + (16 << 20))
        assert sum(s.bytes for s in shares if s.worst_only) == worst


class TestAdvice:
    def test_it_stays_within_its_share_of_the_machine(self) -> None:
        found = advice(innodb_buffer_pool_size="1536MB", counters={"pool_waits": 5.0})
        value, reason = found.get("innodb_buffer_pool_size", ("0", ""))
        assert int(units.parse(Kind.BYTES, value)) <= 0.12 * MACHINE.memory_bytes
        assert not reason or "16 GB of this machine" in reason
        value, reason = advice()["innodb_buffer_pool_size"]
        assert value == "1GB"
        assert "16 GB of this machine" in reason

    def test_a_pool_that_serves_all_is_left_alone(self) -> None:
        counters = {"pool_read_requests": 1e6, "pool_reads": 100.0, "pool_bytes_data": 1e7}
        assert "innodb_buffer_pool_size" not in advice(counters=counters)

    def test_nothing_relaxed_when_it_must_be_durable(self) -> None:
        for durable in (True, False):
            found = advice(durable)
            relaxed = [name for name, (v, _) in found.items() if v in MARIA[name].relaxed]
            assert relaxed == ([] if durable else ["innodb_flush_log_at_trx_commit"])

    def test_a_log_that_is_written_around_is_too_small(self) -> None:
        counters = {"log_bytes": 2.0 * GB, "uptime_s": 3600.0}
        value, reason = advice(counters=counters)["innodb_log_file_size"]
        assert value == "512MB"
        assert "2 GB of log in 60 min" in reason

    def test_mysql_gets_the_same_for_its_redo_log(self) -> None:
        values = {name: found.default for name, found in ORACLE.items()}
        counters = {"log_bytes": 2.0 * GB, "uptime_s": 3600.0}
        found = {a.parameter: a.value for a in TUNABLES.advise(values, MACHINE, counters, True)}
        assert found["innodb_redo_log_capacity"] == "512MB"
        assert found["innodb_flush_method"] == "o_direct"
        assert found["log_bin"] == "off"

    def test_every_suggestion_is_canonical_and_causes_no_problem(self) -> None:
        counters = {
            "tmp_tables": 1000.0,
            "tmp_disk_tables": 500.0,
            "sort_merge_passes": 100.0,
            "threads_created": 900.0,
            "connections_made": 1000.0,
            "max_used_connections": 150.0,
            "log_waits": 7.0,
        }
        found = advice(False, counters)
        values = {name: value for name, (value, _) in found.items()}
        assert len(values) >= 8
        for name, value in values.items():
            assert units.canonical(MARIA[name].kind, value) == value
        assert not [p for p in problems(**values).values() if p.fatal]
