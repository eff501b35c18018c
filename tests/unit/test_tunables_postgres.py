"""PostgreSQL's catalogue, spelling and judgement, without a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter, Problem
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.services.postgres.advice import default_wal_buffers
from devstack_tui.services.postgres.config_syntax import canonical, configured
from devstack_tui.services.postgres.tunables import TUNABLES, Setting, described, effect
from devstack_tui.state.parameter_values import from_server, to_server

GB = 1 << 30
PG15 = Installation(Path("/usr/lib/postgresql/15/bin/postgres"), "15.18", "PostgreSQL", "15")
KNOWN = {found.name: found for found in TUNABLES.parameters(PG15)}
DEFAULTS = {found.name: found.default for found in TUNABLES.parameters(PG15)}
MACHINE = Machine(memory_bytes=16 * GB, cores=4, rotational=False)
PUBLISHED = {
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "synchronous_commit": "off",
    "wal_buffers": "16MB",
}


def of(version: str) -> dict[str, Parameter]:
    found = TUNABLES.parameters(replace(PG15, version=version, series=version.partition(".")[0]))
    return {parameter.name: parameter for parameter in found}


def problems(machine: Machine = MACHINE, **values: str) -> dict[str, Problem]:
    return {p.parameter: p for p in TUNABLES.problems({**DEFAULTS, **values}, machine, {})}


def advice(
    durable: bool = True, counters: dict[str, float] | None = None, **values: str
) -> dict[str, tuple[str, str]]:
    found = TUNABLES.advise({**DEFAULTS, **values}, MACHINE, counters or {}, durable)
    return {a.parameter: (a.value, a.reason) for a in found}


def row(name: str, setting: str, unit: str | None = None, **more: object) -> Setting:
    fields: dict[str, object] = {
        "context": "user",
        "min_val": None,
        "max_val": None,
        "boot_val": None,
        "enumvals": None,
        "source": "default",
        "sourcefile": None,
        "sourceline": None,
        "pending_restart": False,
    }
    return Setting(name=name, setting=setting, unit=unit, **{**fields, **more})  # type: ignore[arg-type]


class TestCatalogue:
    @pytest.mark.parametrize("version", ["13.20", "15.18", "17.4", "18.1"])
    def test_every_default_and_candidate_is_canonical_and_within_the_limits(
        self, version: str
    ) -> None:
        for parameter in of(version).values():
            for text in (parameter.default, *parameter.candidates):
                assert units.canonical(parameter.kind, text) == text, parameter.name
                assert from_server(parameter, to_server(parameter, text)) == text
                value = units.parse(parameter.kind, text)
                if isinstance(value, int | float):
                    assert value >= (parameter.minimum or 0), parameter.name
                    assert value <= (parameter.maximum or value), parameter.name

    @pytest.mark.parametrize("version", ["13.20", "15.18", "18.1"])
    def test_what_may_lose_data_says_what(self, version: str) -> None:
        for parameter in of(version).values():
            assert bool(parameter.relaxed) == bool(parameter.durability), parameter.name
            assert parameter.help.endswith("."), parameter.name
            assert parameter.reader and parameter.limits_from, parameter.name

    def test_all_that_devstack_core_tunes_is_there(self) -> None:
        assert KNOWN.keys() >= PUBLISHED.keys()

    def test_defaults_follow_the_version(self) -> None:
        assert of("13.20")["checkpoint_completion_target"].default == "0.5"
        assert of("13.20")["wal_compression"].choices == ("off", "on")
        assert "on" not in of("15.18")["wal_compression"].choices
        assert of("18.1")["effective_io_concurrency"].default == "16"
        assert of("18.1")["autovacuum_max_workers"].apply is Apply.RELOAD


class TestSpelling:
    @pytest.mark.parametrize(
        ("name", "setting", "unit", "text"),
        [
            ("shared_buffers", "16384", "8kB", "128MB"),
            ("work_mem", "4096", "kB", "4MB"),
            ("work_mem", "1000", "kB", "1000kB"),
            ("max_wal_size", "1024", "MB", "1GB"),
            ("max_wal_size", "64", "16MB", "1GB"),
            ("checkpoint_timeout", "300", "s", "5min"),
            ("checkpoint_timeout", "5", "min", "5min"),
            ("wal_writer_delay", "200", "ms", "200ms"),
            ("wal_writer_delay", "1000", "ms", "1s"),
            ("commit_delay", "150", None, "150us"),
            ("commit_delay", "0", None, "0"),
            ("checkpoint_completion_target", "0.9", None, "0.9"),
            ("jit", "on", None, "on"),
            ("synchronous_commit", "remote_apply", None, "remote_apply"),
            ("wal_sync_method", "fsync_writethrough", None, "fsync_writethrough"),
        ],
    )
    def test_the_servers_unit_makes_no_difference(
        self, name: str, setting: str, unit: str | None, text: str
    ) -> None:
        assert canonical(KNOWN[name], setting, unit) == text

    def test_the_file_has_the_servers_own_spelling(self) -> None:
        tuning = {"work_mem": "16MB", "commit_delay": "500us", "jit": "off"}
        assert configured(PG15, tuning).splitlines() == [
            "# set by tuning",
            "commit_delay = '500'",
            "jit = 'off'",
            "work_mem = '16MB'",
        ]

    def test_without_tuning_the_file_is_as_it_was(self) -> None:
        assert configured(PG15, {}) == ""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("work_mem", "16 bananas"),
            ("work_mem", "16MB'\nfsync = 'off"),
            ("synchronous_commit", "maybe"),
            ("synchronous_commit", "off'\nfsync = 'off"),
            ("jit", "perhaps"),
            ("max_connections", "1.5"),
        ],
    )
    def test_what_the_server_cannot_read_is_never_written(self, name: str, text: str) -> None:
        with pytest.raises(UsageError, match=rf"postgres\.{name}"):
            configured(PG15, {name: text})

    def test_a_parameter_that_this_version_does_not_have_is_named(self) -> None:
        with pytest.raises(UsageError, match=r"PostgreSQL 15\.18 has no parameter 'io_method'"):
            configured(PG15, {"io_method": "worker"})


class TestReading:
    def test_limits_are_in_bytes_and_milliseconds(self) -> None:
        found = described(
            KNOWN["shared_buffers"],
            row(
                "shared_buffers",
                "16384",
                "8kB",
                context="postmaster",
                min_val="16",
                max_val="1073741823",
                boot_val="16384",
            ),
            "pg_settings",
        )
        assert (found.minimum, found.maximum) == (131072, 8796093014016)
        assert (found.default, found.apply) == ("128MB", Apply.RESTART)

    def test_automatic_as_a_limit_is_no_limit(self) -> None:
        told = row("wal_buffers", "512", "8kB", min_val="-1", max_val="262143", boot_val="-1")
        found = described(KNOWN["wal_buffers"], told, "pg_settings")
        assert (found.minimum, found.default) == (32768, "4MB")

    def test_choices_that_this_build_lacks_are_not_offered(self) -> None:
        told = row("wal_compression", "off", enumvals=["pglz", "lz4", "on", "off"], boot_val="off")
        found = described(KNOWN["wal_compression"], told, "pg_settings")
        assert found.choices == ("off", "pglz", "lz4")
        assert found.candidates == ("off", "lz4")

    @pytest.mark.parametrize(
        ("source", "file", "words"),
        [
            ("default", None, "default"),
            ("configuration file", "/s/postgresql.conf", "configuration file"),
            ("configuration file", "/s/postgresql.auto.conf", "ALTER SYSTEM"),
            ("command line", None, "command line"),
            ("database", None, "ALTER DATABASE"),
            ("user", None, "ALTER ROLE"),
        ],
    )
    def test_who_won_is_told_in_words(self, source: str, file: str | None, words: str) -> None:
        told = row("work_mem", "4096", "kB", source=source, sourcefile=file, sourceline=7)
        found = effect(KNOWN["work_mem"], told)
        assert found.source == words
        assert found.where == (f"{file}:7" if file else "")


class TestJudgement:
    def test_the_defaults_and_the_published_values_are_no_problem(self) -> None:
        assert problems() == {}
        assert problems(**PUBLISHED) == {}

    @pytest.mark.parametrize(
        ("name", "values", "words"),
        [
            ("shared_buffers", {"shared_buffers": "900GB"}, "900 GB is more than the 16 GB"),
            ("wal_level", {"wal_level": "minimal"}, "max_wal_senders = 10"),
            ("max_wal_size", {"max_wal_size": "16MB"}, "two WAL segments"),
            ("min_wal_size", {"min_wal_size": "16MB"}, "two WAL segments"),
            ("max_connections", {"max_connections": "3"}, "superuser_reserved_connections"),
            ("max_connections", {"max_connections": "262143"}, "more than 262143"),
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
            ("shared_buffers", {"shared_buffers": "9GB"}),
            ("effective_cache_size", {"effective_cache_size": "32GB"}),
            ("min_wal_size", {"min_wal_size": "2GB"}),
            ("huge_pages", {"huge_pages": "on"}),
            ("fsync", {"fsync": "off"}),
            ("commit_delay", {"commit_delay": "100us", "synchronous_commit": "off"}),
            ("wal_writer_delay", {"wal_writer_delay": "1s", "synchronous_commit": "off"}),
            ("autovacuum", {"autovacuum": "off"}),
        ],
    )
    def test_what_is_to_be_feared_is_said_and_allowed(
        self, name: str, values: dict[str, str]
    ) -> None:
        assert not problems(**values)[name].fatal

    def test_the_machines_limit_is_named_where_it_comes_from(self) -> None:
        small = Machine(GB, 2, "the limit of the control group")
        found = problems(small, shared_buffers="2GB")["shared_buffers"]
        assert "1 GB of the limit of the control group" in found.message

    def test_memory_is_what_is_shared_and_at_worst_what_sessions_take(self) -> None:
        shares = TUNABLES.memory(DEFAULTS, {})
        assert sum(s.bytes for s in shares if not s.worst_only) == 132 << 20
        assert sum(s.bytes for s in shares if s.worst_only) == (100 * 4 + 3 * 64) << 20

    def test_wal_buffers_follow_shared_buffers(self) -> None:
        assert default_wal_buffers(128 << 20) == 4 << 20
        assert default_wal_buffers(8 << 30) == 16 << 20
        assert default_wal_buffers(1 << 20) == 64 << 10


class TestAdvice:
    def test_it_stays_within_its_share_of_the_machine(self) -> None:
        value, reason = advice(counters={"database_bytes": 100.0 * GB})["shared_buffers"]
        assert int(units.parse(Kind.BYTES, value)) <= 0.12 * MACHINE.memory_bytes
        assert "16 GB of this machine" in reason

    def test_a_cache_that_serves_all_is_left_alone(self) -> None:
        counters = {"blocks_hit": 1e6, "blocks_read": 10.0, "database_bytes": 30e6}
        assert "shared_buffers" not in advice(counters=counters)

    def test_nothing_relaxed_when_it_must_be_durable(self) -> None:
        for durable in (True, False):
            found = advice(durable, {"blocks_hit": 1e6, "blocks_read": 1e6})
            relaxed = [name for name, (v, _) in found.items() if v in KNOWN[name].relaxed]
            assert relaxed == ([] if durable else ["synchronous_commit"])

    def test_spilled_sorts_call_for_work_mem_with_the_figures(self) -> None:
        value, reason = advice(counters={"temp_files": 40.0, "temp_bytes": 40.0 * (8 << 20)})[
            "work_mem"
        ]
        assert value == "16MB"
        assert "40 sorts or hashes spilled 320 MB" in reason

    def test_forced_checkpoints_call_for_more_room_in_the_log(self) -> None:
        counters = {
            "checkpoints_requested": 9.0,
            "checkpoints_timed": 1.0,
            "wal_bytes": 12.0 * GB,
            "wal_since_s": 1200.0,
        }
        value, reason = advice(counters=counters)["max_wal_size"]
        assert value == "6GB"
        assert "9 of 10 checkpoints" in reason

    def test_a_disk_that_does_not_turn_makes_pages_out_of_order_cheap(self) -> None:
        assert advice()["random_page_cost"][0] == "1.1"
        unknown = suggested(None)
        assert not [a for a in unknown if a == "random_page_cost"]

    def test_every_suggestion_is_canonical_and_causes_no_problem(self) -> None:
        counters = {"temp_files": 9.0, "temp_bytes": 1e9, "wal_buffers_full": 1e4}
        found = advice(False, counters)
        values = {name: value for name, (value, _) in found.items()}
        for name, value in values.items():
            assert units.canonical(KNOWN[name].kind, value) == value
        assert not [p for p in problems(**values).values() if p.fatal]


def suggested(rotational: bool | None) -> list[str]:
    machine = Machine(16 * GB, 4, rotational=rotational)
    return [a.parameter for a in TUNABLES.advise(DEFAULTS, machine, {}, True)]
