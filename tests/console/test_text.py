"""How values read on the screen."""

from __future__ import annotations

import pytest

from devstack_tui.present.text import duration, memory, millis, plain, shorten, sparkline


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.4, "0 s"), (59.9, "59 s"), (60, "1 m"), (3599, "59 m"), (3600, "1h 00m"),
     (35999, "9h 59m"), (36000, "10 h"), (86399, "23 h"), (86400, "1d 0h"),
     (863999, "9d 23h"), (864000, "10 d"), (100 * 86400, "100 d")],
)  # fmt: skip
def test_a_duration_has_at_most_six_signs(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
    assert len(text) <= 6


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "–"), (512, "512 B"), (1000, "1 K"), (1024**2, "1 M"), (999 * 1024**2, "999 M"),
     (1000 * 1024**2, "1.0 G"), (120 * 1024**3, "120 G")],
)  # fmt: skip
def test_memory_has_at_most_five_signs(size: int | None, text: str) -> None:
    assert memory(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.96, "100"),
        (12345, "12345"),
    ],
)
def test_milliseconds_have_three_digits(value: float | None, text: str) -> None:
    assert millis(value) == text


def test_a_steady_probe_is_a_line_in_the_middle_and_a_spike_fills_the_cell() -> None:
    assert sparkline((5.0, 5.0, 5.0), 8) == "▅▅▅"
    assert sparkline((5.0, 5.0, 50.0), 8) == "▅▅█"
    assert sparkline((0.0, 0.0), 8) == "▁▁"
    assert sparkline(tuple(float(n) for n in range(20)), 4) == "▄▄▅▅"
    assert sparkline((), 8) == ""


def test_plain_text_cannot_steer_the_terminal() -> None:
    assert plain("\x1b[31mred\x1b[0m") == "red"
    assert plain("\x1b]52;c;aGk=\x07x") == "x"
    assert plain("a\x07\x08b\x9bc\r\n") == "abc "
    assert plain("\u202eabc") == "abc"
    assert plain("a\tb") == "a   b"


def test_what_is_cut_is_marked() -> None:
    assert shorten("reference_api", 13) == "reference_api"
    assert shorten("reference_api", 8) == "referen…"
