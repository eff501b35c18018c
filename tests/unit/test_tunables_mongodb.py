"""MongoDB's parameters: what is written for mongod, and what is thought of values."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.services.mongodb.config_syntax import configured, engine_text, find, parse_engine
from devstack_tui.services.mongodb.server import merged
from devstack_tui.services.mongodb.tunables import TUNABLES, default_cache
from devstack_tui.state.parameter_values import from_server

MB, GB = 1 << 20, 1 << 30

MONGOD_6 = Installation(Path("mongod"), "6.0.5", "MongoDB", "6.0")
MACHINE = Machine(16 * GB, 4)
CATALOGUE = TUNABLES.parameters(MONGOD_6)
CACHE = "wiredTigerCacheSizeGB"


def values(**changed: str) -> dict[str, str]:
    """All defaults, a cache of 1 GB, and what is reported."""
    return {p.name: p.default for p in CATALOGUE} | {CACHE: "1GB"} | changed


def fatal(**changed: str) -> list[str]:
    found = TUNABLES.problems(values(**changed), MACHINE, {})
    return [problem.parameter for problem in found if problem.fatal]


@pytest.mark.parametrize("parameter", CATALOGUE, ids=lambda p: p.name)
def test_defaults_and_candidates_are_canonical_and_in_range(parameter: Parameter) -> None:
    for text in (parameter.default, *parameter.candidates):
        assert units.canonical(parameter.kind, text) == text
        if parameter.choices:
            assert text in parameter.choices
        elif parameter.minimum is not None and text not in parameter.special:
            number = float(units.parse(parameter.kind, text))
            assert parameter.minimum <= number <= (parameter.maximum or number)


@pytest.mark.parametrize("parameter", CATALOGUE, ids=lambda p: p.name)
def test_every_value_survives_the_way_through_the_configuration(parameter: Parameter) -> None:
    for text in (parameter.default, *parameter.candidates):
        config = configured(MONGOD_6, {parameter.name: text})
        assert from_server(parameter, find(config, parameter)) == text


def test_the_configuration_speaks_in_mongods_own_units() -> None:
    config = configured(
        MONGOD_6, {CACHE: "1536MB", "journalCommitInterval": "300ms", "syncdelay": "30s"}
    )
    assert config == {
        "storage": {
            "wiredTiger": {"engineConfig": {"cacheSizeGB": 1.5}},
            "journal": {"commitIntervalMs": 300},
            "syncPeriodSecs": 30,
        }
    }


def test_what_has_no_name_in_mongod_goes_to_wiredtiger_as_one_text() -> None:
    tuning = {"eviction_dirty_target": "10", "eviction_threads_max": "8"}
    text = configured(MONGOD_6, tuning)["storage"]["wiredTiger"]["engineConfig"]["configString"]
    assert text == "eviction_dirty_target=10,eviction=(threads_max=8)"


def test_a_text_of_wiredtiger_is_read_and_written_without_loss() -> None:
    text = "cache_size=1024M,eviction=(threads_min=2,threads_max=8)"
    assert parse_engine(text)["eviction.threads_max"] == "8"
    assert engine_text(parse_engine(text)) == text
    assert parse_engine("") == {}


def test_tuning_is_added_to_the_configuration_of_the_stack() -> None:
    stack = {"storage": {"dbPath": "/db"}, "setParameter": {"a": True}}
    more = {"storage": {"syncPeriodSecs": 30}, "setParameter": {"b": 1}}
    assert merged(stack, more) == {
        "storage": {"dbPath": "/db", "syncPeriodSecs": 30},
        "setParameter": {"a": True, "b": 1},
    }


def test_a_parameter_of_another_version_is_refused_by_name() -> None:
    newer = Installation(Path("mongod"), "7.0.2", "MongoDB", "7.0")
    name = "wiredTigerConcurrentReadTransactions"
    assert name in {p.name for p in CATALOGUE}
    with pytest.raises(UsageError, match=name):
        configured(newer, {name: "64"})


def test_the_default_cache_is_half_of_the_memory_above_one_gigabyte() -> None:
    assert default_cache(24105 * MB) == 11540 * MB  # what mongod 6.0 took with that memory
    assert default_cache(GB) == 256 * MB


def test_what_cannot_start_is_fatal() -> None:
    assert fatal() == []
    assert fatal(**{CACHE: "200MB"}) == [CACHE]
    assert fatal(**{CACHE: "900GB"}) == [CACHE]
    assert fatal(eviction_dirty_target="20") == ["eviction_dirty_target"]
    assert fatal(networkMessageCompressors="lz4") == ["networkMessageCompressors"]
    assert fatal(networkMessageCompressors="disabled") == []


def test_a_cache_above_the_memory_names_both_and_where_the_limit_is_from() -> None:
    machine = Machine(GB, 2, "the limit of the control group")
    (problem,) = TUNABLES.problems(values(**{CACHE: "2GB"}), machine, {})
    assert "2 GB" in problem.message
    assert "1 GB of the limit of the control group" in problem.message


def test_a_zstd_journal_is_allowed_with_a_warning_of_what_it_costs() -> None:
    (problem,) = TUNABLES.problems(values(wiredTigerJournalCompressor="zstd"), MACHINE, {})
    assert not problem.fatal
    assert "14 to 25 %" in problem.message


def test_memory_is_the_cache_for_sure_and_more_at_worst() -> None:
    shares = TUNABLES.memory(values(), {})
    assert sum(s.bytes for s in shares if not s.worst_only) == GB + 128 * MB
    assert any(s.worst_only for s in shares)


def test_advice_has_figures_and_keeps_to_the_catalogue() -> None:
    counters = {
        "cache_used_bytes": 0.95 * GB,
        "pages_requested": 100_000,
        "pages_read": 20_000,
        "journal_bytes": 60.0 * MB,
        "journal_payload_bytes": 100.0 * MB,
        "journal_syncs": 500,
    }
    found = {a.parameter: a for a in TUNABLES.advise(values(), MACHINE, counters, False)}
    assert found[CACHE].value == "2GB"
    assert "20.0%" in found[CACHE].reason
    assert found["wiredTigerJournalCompressor"].value == "none"
    assert "40%" in found["wiredTigerJournalCompressor"].reason
    assert found["journalCommitInterval"].value == "500ms"


def test_durable_advice_relaxes_nothing() -> None:
    catalogue = {p.name: p for p in CATALOGUE}
    for advice in TUNABLES.advise(values(), MACHINE, {"journal_payload_bytes": GB}, True):
        parameter = catalogue[advice.parameter]
        assert advice.value not in parameter.relaxed
        if parameter.relaxed_above is not None:
            number = float(units.parse(parameter.kind, advice.value))
            assert number <= parameter.relaxed_above


def test_a_large_empty_cache_is_given_back_to_the_others() -> None:
    (advice,) = TUNABLES.advise(
        values(**{CACHE: "7GB"}), MACHINE, {"cache_used_bytes": 100.0 * MB}, True
    )
    assert (advice.parameter, advice.value) == (CACHE, "1GB")


def test_a_longer_journal_interval_than_the_default_is_relaxed() -> None:
    (interval,) = (p for p in CATALOGUE if p.name == "journalCommitInterval")
    assert interval.kind is Kind.DURATION
    assert interval.relaxed_above == 100
    assert interval.durability
