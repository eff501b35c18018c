"""Settings in force that are for development only: what is judged so, and what is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from devstack_tui.console.health.facts import facts
from devstack_tui.contracts.model import Installation, RelaxedSetting, ServiceStatus, State
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.tunable import Effective
from devstack_tui.services.redis.config_syntax import canonical
from devstack_tui.stack.probing import development_only
from devstack_tui.state.parameter_catalogue import parameters
from devstack_tui.state.parameter_values import relaxed, relaxed_anywhere

SERVERS = (
    ("postgres", "PostgreSQL", "13.1"),
    ("postgres", "PostgreSQL", "18.0"),
    ("mysql", "MariaDB", "10.5.1"),
    ("mysql", "MariaDB", "11.8.2"),
    ("mysql", "MySQL", "8.0.30"),
    ("mysql", "MySQL", "8.4.0"),
    ("mongodb", "MongoDB", "6.0.1"),
    ("mongodb", "MongoDB", "8.0.1"),
    ("redis", "Redis", "6.2.0"),
    ("redis", "Redis", "8.0.0"),
)


def installed(flavour: str, version: str) -> Installation:
    return Installation(Path(), version, flavour, "")


def judged(name: str, flavour: str, version: str, **settings: str) -> dict[str, str]:
    """The value for production of every setting that is relaxed."""
    given = {key.replace("__", "-"): (text,) for key, text in settings.items()}
    found = development_only(name, given, installed(flavour, version))
    assert all(one.service == name and one.why for one in found)
    return {one.name: one.production for one in found}


@pytest.mark.parametrize(
    ("name", "flavour", "setting", "safe", "unsafe", "production"),
    [
        ("postgres", "PostgreSQL", "fsync", "on", "off", "on"),
        ("postgres", "PostgreSQL", "synchronous_commit", "local", "off", "on"),
        ("postgres", "PostgreSQL", "full_page_writes", "on", "off", "on"),
        ("mysql", "MariaDB", "innodb_flush_log_at_trx_commit", "1", "2", "1"),
        ("mysql", "MariaDB", "innodb_flush_log_at_trx_commit", "3", "0", "1"),
        ("mysql", "MariaDB", "innodb_doublewrite", "on", "off", "on"),
        ("mysql", "MySQL", "innodb_flush_method", "o_direct", "o_direct_no_fsync", "fsync"),
        ("mysql", "MySQL", "sync_binlog", "1", "0", "1"),
        ("mysql", "MySQL", "sync_binlog", "1", "2", "1"),
        ("mongodb", "MongoDB", "journalCommitInterval", "100ms", "101ms", "100ms"),
        ("mongodb", "MongoDB", "journalCommitInterval", "99ms", "500ms", "100ms"),
        ("redis", "Redis", "appendonly", "on", "off", "on"),
        ("redis", "Redis", "rdbchecksum", "on", "off", "on"),
    ],
)
def test_a_value_at_the_limit_is_safe_and_one_step_beyond_it_is_for_development(  # noqa: PLR0917
    name: str, flavour: str, setting: str, safe: str, unsafe: str, production: str
) -> None:
    assert judged(name, flavour, "8.0.30", **{setting: safe}) == {}
    assert judged(name, flavour, "8.0.30", **{setting: unsafe}) == {setting: production}


def test_what_another_setting_makes_harmless_is_not_called_relaxed() -> None:
    snapshots = "3600 1 300 100 60 10000"
    assert judged("redis", "Redis", "7.0", save="off", appendonly="on") == {}
    both = judged("redis", "Redis", "7.0", save="off", appendonly="off")
    assert both == {"save": snapshots, "appendonly": "on"}
    assert judged("redis", "Redis", "7.0", appendfsync="no", appendonly="on") == {
        "appendfsync": "everysec"
    }
    assert judged("redis", "Redis", "7.0", appendfsync="no", appendonly="off").keys() == {
        "appendonly"
    }


def test_one_node_of_a_cluster_is_enough() -> None:
    given = {"appendonly": ("on", "off"), "save": ("off",)}
    found = development_only("redis", given, installed("Redis", "7.0.15"))
    assert [(one.name, one.value) for one in found] == [("save", "off"), ("appendonly", "off")]


@pytest.mark.parametrize(
    ("second", "appendonly", "is_relaxed"),
    [("", "off", True), ("3600 1", "off", False), ("", "on", False)],
)
def test_tune_show_judges_every_node_as_status_does(
    second: str, appendonly: str, is_relaxed: bool
) -> None:
    known = {one.name: one for one in parameters("redis", installed("Redis", "7.0.15"))}
    save = known["save"]
    nodes = {"redis-1": save.default, "redis-2": canonical(save, second)}
    differ = Effective(name="save", value=save.default, source="the nodes differ", nodes=nodes)
    assert relaxed_anywhere(save, differ, {"appendonly": appendonly}) is is_relaxed


def test_what_a_version_does_not_declare_is_not_judged() -> None:
    assert judged("mysql", "MariaDB", "10.11.14", sync_binlog="0") == {}
    assert judged("vault", "OpenBao", "2.0", sync_binlog="0") == {}


@pytest.mark.parametrize(("name", "flavour", "version"), SERVERS)
def test_a_look_judges_every_value_as_the_catalogue_does(
    name: str, flavour: str, version: str
) -> None:
    asked = import_module(f"devstack_tui.services.{name}.probe").RELAXABLE
    for parameter in parameters(name, installed(flavour, version)):
        if not parameter.durability:
            continue
        assert parameter.name in asked
        words = {parameter.default, *parameter.candidates, *parameter.choices, *parameter.relaxed}
        for value in words:
            found = development_only(name, {parameter.name: (value,)}, installed(flavour, version))
            assert bool(found) is relaxed(parameter, value), (parameter.name, value)
            for one in found:
                assert not relaxed(parameter, one.production)


def test_every_probe_asks_for_nothing_that_the_catalogue_does_not_declare() -> None:
    known: dict[str, set[str]] = {}
    for name, flavour, version in SERVERS:
        found = parameters(name, installed(flavour, version))
        known.setdefault(name, set()).update(p.name for p in found if p.durability)
    tuned = [one.name for one in services() if service(one.name).tunables() is not None]
    asked = {
        name: set(import_module(f"devstack_tui.services.{name}.probe").RELAXABLE) for name in tuned
    }
    assert asked == known


def test_the_details_of_the_service_say_it_with_the_value_for_production() -> None:
    one = RelaxedSetting("redis", "appendonly", "off", "on", "a crash loses writes")
    row = ServiceStatus("redis", "Redis", State.HEALTHY, True, development_only=(one,))
    (fact,) = [fact for fact in facts(row, 0.0) if fact.label == "Development only"]
    text = "".join(span[0] for span in fact.spans)
    assert text == "▲ appendonly = off, for production on · a crash loses writes"
