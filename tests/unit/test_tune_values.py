"""Values are compared as the server would compare them."""

from __future__ import annotations

import pytest

from devstack_tui.contracts.tunable import Apply, Effective, Kind, Parameter
from devstack_tui.core import units
from devstack_tui.state import parameter_values

HOME = "/stack/data"


def parameter(kind: Kind = Kind.BYTES, default: str = "128MB", **more: object) -> Parameter:
    base = {"service": "db", "name": "cache", "help": "", "apply": Apply.LIVE}
    return Parameter(kind=kind, default=default, **{**base, **more})  # type: ignore[arg-type]


def found(value: str, source: str = "configuration file", **more: object) -> Effective:
    return Effective(name="cache", value=value, source=source, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.BYTES, "512MB", "536870912"),
        (Kind.DURATION, "1min", "60s"),
        (Kind.BOOLEAN, "on", "true"),
        (Kind.CHOICE, "O_DIRECT", "o_direct"),
        (Kind.REAL, "0.90", "0.9"),
    ],
)
def test_two_spellings_of_a_value_are_the_same(kind: Kind, one: str, other: str) -> None:
    assert parameter_values.same(parameter(kind), one, other)
    assert not parameter_values.same(parameter(kind), one, "nonsense")


def test_the_servers_own_rounding_is_no_other_value() -> None:
    pool = parameter(step=float(128 << 20))
    assert parameter_values.rounded(pool, "300MB", "384MB")
    assert parameter_values.in_effect(pool, "300MB", found("384MB"))
    assert not parameter_values.in_effect(pool, "300MB", found("512MB"))
    assert not parameter_values.rounded(parameter(), "300MB", "301MB")


def test_a_value_takes_only_if_every_node_has_it() -> None:
    apart = found("512MB", nodes={"redis-1": "512MB", "redis-2": "256MB"})
    assert not parameter_values.in_effect(parameter(), "512MB", apart)
    assert "256MB on redis-2" in parameter_values.describe(apart)


def test_what_the_server_chooses_by_itself_took_if_nobody_else_chose() -> None:
    automatic = parameter(special={"-1": "by shared_buffers"})
    assert parameter_values.in_effect(automatic, "-1", found("4MB"))
    assert parameter_values.in_effect(automatic, None, found("16MB", "default"))
    assert parameter_values.in_effect(automatic, None, found("4MB", parameter_values.BY_SERVER))
    assert not parameter_values.in_effect(
        automatic, "8MB", found("4MB", parameter_values.BY_SERVER)
    )
    assert not parameter_values.in_effect(automatic, "-1", found("4MB", "ALTER SYSTEM"))


@pytest.mark.parametrize("source", ["ALTER SYSTEM", "command line", "set at run time"])
def test_another_source_that_wins_is_somebody_elses_change(source: str) -> None:
    told = parameter_values.overruled(parameter(), None, found("64MB", source), HOME)
    assert "db.cache is 64MB" in told
    assert source in told
    assert "128MB" in told


def test_a_configuration_outside_of_the_stack_is_not_ours() -> None:
    ours = found("512MB", where="/stack/data/db.conf:3")
    theirs = found("512MB", where="/etc/db.conf:3")
    assert parameter_values.overruled(parameter(), "512MB", ours, HOME) == ""
    assert "/etc/db.conf" in parameter_values.overruled(parameter(), "512MB", theirs, HOME)


def test_what_the_stacks_own_settings_say_is_no_change() -> None:
    assert parameter_values.overruled(parameter(), None, found("1GB"), HOME) == ""


def test_relaxed_is_a_listed_value_or_one_beyond_the_limit() -> None:
    listed = parameter(Kind.CHOICE, "on", relaxed=("off", "local"))
    assert parameter_values.relaxed(listed, "OFF")
    assert not parameter_values.relaxed(listed, "on")
    interval = parameter(Kind.DURATION, "100ms", relaxed_above=100.0)
    assert parameter_values.relaxed(interval, "500ms")
    assert not parameter_values.relaxed(interval, "100ms")
    least = parameter(Kind.INTEGER, "1", relaxed_below=1.0, special={"-1": "never"})
    assert parameter_values.relaxed(least, "0")
    assert not parameter_values.relaxed(least, "-1")


@pytest.mark.parametrize("ms", [1_435_081, 2_147_483_000, 0.5, 100])
def test_every_duration_that_is_shown_can_be_read_again(ms: float) -> None:
    assert units.parse("duration", units.show("duration", ms)) == ms


@pytest.mark.parametrize(
    ("number", "text"),
    [(64 << 10, "64 kB"), (3 << 19, "1.5 MB"), (1020 << 20, "1020 MB"), (2 << 40, "2 TB")],
)
def test_a_size_in_a_sentence_has_about_three_digits(number: int, text: str) -> None:
    assert units.size(number) == text
