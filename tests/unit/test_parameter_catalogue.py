"""Parameters as data: what a version has, and what a bad file is refused with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter
from devstack_tui.core.errors import ConfigError, UsageError
from devstack_tui.core.paths import shipped
from devstack_tui.state import parameter_catalogue
from devstack_tui.tuning.catalogue import known

FILE = """
[defaults]
limits_from = "{flavour} {major}.{minor}"
reader = "SHOW"

[parameters.cache]
kind = "bytes"
apply = "restart"
default = "1MB"
help = "What is kept."
minimum = "64kB"
[[parameters.cache.when]]
flavour = "Fork"
since = "10.2"
until = "10.4"
apply = "live"
default = "2MB"
[[parameters.cache.when]]
since = "12"
absent = true

[parameters.wait]
since = "9"
kind = "duration"
apply = "live"
default = "2s"
help = "How long."
maximum = "1h"
server = { unit = "1s" }
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's own file of a technology called `sim`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "devstack-tui" / "parameters" / "sim.toml"
    path.parent.mkdir(parents=True)
    path.write_text(FILE)
    parameter_catalogue.parameters.cache_clear()
    parameter_catalogue._read.cache_clear()
    return path


def of(version: str, flavour: str = "Original") -> dict[str, Parameter]:
    installation = Installation(Path("simd"), version, flavour, version)
    return {p.name: p for p in parameter_catalogue.parameters("sim", installation)}


@pytest.mark.usefixtures("written")
def test_fields_follow_the_flavour_and_the_version() -> None:
    assert of("10.3")["cache"].default == "1MB"
    assert of("10.1.9", "Fork")["cache"].default == "1MB"
    assert of("10.2", "Fork")["cache"].default == "2MB"
    assert of("10.3.7", "Fork")["cache"].apply is Apply.LIVE
    assert of("10.4", "Fork")["cache"].apply is Apply.RESTART
    assert list(of("12.0.1")) == ["wait"]
    assert list(of("8.4")) == ["cache"]


@pytest.mark.usefixtures("written")
def test_limits_are_written_with_units_and_their_source_names_the_version() -> None:
    wait = of("9.1.4", "Fork")["wait"]
    assert (wait.kind, wait.maximum, wait.limits_from) == (Kind.DURATION, 3_600_000, "Fork 9.1")
    assert of("9")["cache"].minimum == 64 << 10
    assert of("9")["cache"].reader == "SHOW"


@pytest.mark.usefixtures("written")
def test_values_reach_the_server_in_its_own_unit() -> None:
    installation = Installation(Path("simd"), "9.1", "Original", "9")
    ((_, value),) = parameter_catalogue.configured("sim", installation, {"wait": "1min"})
    assert value == 60
    with pytest.raises(UsageError, match=r"Original 9\.1 has no parameter 'other'"):
        parameter_catalogue.configured("sim", installation, {"other": "1"})
    with pytest.raises(UsageError, match=r"sim\.wait: expected a duration"):
        parameter_catalogue.configured("sim", installation, {"wait": "long"})


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('apply = "restart"', 'apply = "later"', r"sim\.toml:8: parameters\.cache\.apply: invalid"),
        ('minimum = "64kB"', 'minimum = "64kg"', r"sim\.toml:11: parameters\.cache\.minimum: unk"),
        ('until = "10.4"', 'until = "ten"', r"sim\.toml:\d+: parameters\.cache\.when"),
        ('help = "How long."', 'helps = ""', r"sim\.toml:\d+: parameters\.wait\.helps: object"),
        ('help = "How long."', "", r"sim\.toml:22: parameters\.wait: .*required field `help`"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_key(
    written: Path, before: str, after: str, message: str
) -> None:
    written.write_text(FILE.replace(before, after))
    with pytest.raises(ConfigError, match=message):
        of("9.1")


@pytest.mark.parametrize("path", sorted(shipped("configs/parameters").glob("*.toml")), ids=str)
def test_every_parameter_that_is_shipped_is_complete_in_some_version(path: Path) -> None:
    file = parameter_catalogue._read(path)
    for name, entry in file.parameters.items():
        flavour = entry.flavour or next((one.flavour for one in entry.when if one.flavour), "")
        version = entry.since or "1"
        found = Installation(Path("server"), version, flavour or "", version)
        by_name = {p.name for p in parameter_catalogue.parameters(path.stem, found)}
        assert name in by_name or any(one.absent for one in entry.when)


def test_a_bad_file_is_not_taken_for_a_server_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "devstack-tui" / "parameters" / "redis.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[parameters.hz]\nkind = 1\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    parameter_catalogue.parameters.cache_clear()
    engine = SimpleNamespace(locate=lambda _: Installation(Path("x"), "7.0.15", "Redis", "7"))
    with pytest.raises(ConfigError, match=r"redis\.toml:2: parameters\.hz\.kind"):
        known(cast("Engine", engine), "redis")
    parameter_catalogue.parameters.cache_clear()


def test_nothing_is_read_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameter_catalogue, "read_toml", lambda path: pytest.fail(f"{path} read"))
    parameter_catalogue._read.cache_clear()
    installation = Installation(Path("postgres"), "15.18", "PostgreSQL", "15")
    assert parameter_catalogue.configured("postgres", installation, {}) == []


def test_a_service_from_outside_brings_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "parameters.toml"
    path.write_text(FILE)
    parameter_catalogue.provide("outside", path)
    installation = Installation(Path("outsided"), "9.1", "Original", "9")
    found = parameter_catalogue.parameters("outside", installation)
    assert [one.key for one in found] == ["outside.cache", "outside.wait"]
    assert parameter_catalogue.kinds("outside")["wait"] is Kind.DURATION
