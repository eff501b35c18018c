"""The errors that a user sees."""

from __future__ import annotations

import pytest

from devstack_tui.core.errors import (
    ConfigError,
    DevstackError,
    NotInstalledError,
    UnreachableError,
    UsageError,
    unknown_name,
)


def test_an_error_shows_its_next_step_below_the_sentence() -> None:
    assert str(DevstackError("the disk is full", "free some space")) == (
        "the disk is full\n  → free some space"
    )


def test_an_error_without_a_next_step_is_one_line() -> None:
    assert str(DevstackError("the disk is full")) == "the disk is full"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (DevstackError, 1),
        (NotInstalledError, 1),
        (UsageError, 2),
        (ConfigError, 2),
        (UnreachableError, 3),
    ],
)
def test_each_kind_of_error_has_the_exit_status_of_the_contract(
    kind: type[DevstackError], code: int
) -> None:
    assert kind("x").exit_code == code


def test_an_unknown_name_lists_its_close_matches_only() -> None:
    error = unknown_name("service", "postgrse", ["redis", "postgres", "vault"])
    assert error.message == "unknown service 'postgrse'"
    assert error.remedy == "did you mean postgres?"


def test_a_name_unlike_any_other_lists_all_that_are_known() -> None:
    error = unknown_name("service", "zzz", ["redis", "postgres"])
    assert error.remedy == "known: postgres, redis"


def test_an_unknown_name_where_there_is_none_says_so() -> None:
    assert unknown_name("stack", "work", []).remedy == "there is no stack yet"


def test_a_wrong_name_among_a_thousand_lists_some_of_them() -> None:
    remedy = unknown_name("check", "", [f"tls.{n}" for n in range(1000)]).remedy
    assert remedy.endswith(", and 960 more")
    assert len(remedy) < 1000
