"""Values as people write them: every spelling of a size is the same size."""

from __future__ import annotations

import pytest

from devstack_tui.core.units import canonical, parse


@pytest.mark.parametrize(
    "text", ["512MB", "512M", "512mb", "512 MiB", ".5GB", "0.5e0 GB", "536870912"]
)
def test_every_spelling_of_a_size_is_the_same_size(text: str) -> None:
    assert parse("bytes", text) == 536870912
    assert canonical("bytes", text) == "512MB"


@pytest.mark.parametrize(
    ("text", "milliseconds", "shown"),
    [
        ("100", 100, "100ms"),
        ("0.5s", 500, "500ms"),
        ("5min", 300_000, "5min"),
        ("90s", 90_000, "90s"),
        ("200us", 0.2, "200us"),
        ("0", 0, "0"),
        ("-1", -1, "-1"),
    ],
)
def test_durations_are_milliseconds(text: str, milliseconds: float, shown: str) -> None:
    assert parse("duration", text) == pytest.approx(milliseconds)
    assert canonical("duration", text) == shown


@pytest.mark.parametrize(
    ("kind", "text", "word"),
    [
        ("bytes", "512XB", "unit"),
        ("bytes", "lots", "size"),
        ("bytes", "9" * 31, "size"),
        ("bytes", "1e300TB", "no server counts"),
        ("bytes", "", "size"),
        ("duration", "5 parsecs", "unit"),
        ("integer", "1.5", "whole number"),
        ("integer", "1e-3", "whole number"),
        ("integer", "10K", "whole number"),
        ("real", "nan", "number"),
        ("boolean", "maybe", "on or off"),
    ],
)
def test_what_is_no_value_is_refused_with_a_sentence(kind: str, text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse(kind, text)


@pytest.mark.parametrize("text", ["1023B", "1kB", "1536kB", "3GB", "1TB", "0", "-1"])
def test_the_canonical_form_means_the_same_and_stays_as_it_is(text: str) -> None:
    assert canonical("bytes", text) == text
    assert parse("bytes", canonical("bytes", text)) == parse("bytes", text)


def test_booleans_and_choices_have_one_spelling() -> None:
    assert {canonical("boolean", text) for text in ("on", "YES", "1", "True")} == {"on"}
    assert canonical("choice", "AllKeys-LRU") == "allkeys-lru"
    assert canonical("text", " 3600 1 300 100 ") == "3600 1 300 100"
