"""For how long work waited for a CPU, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.core import cpu_pressure
from devstack_tui.core.cpu_pressure import CpuPressure, parse

RECORDED = """\
some avg10=91.70 avg60=86.58 avg300=89.68 total=32226513431
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (RECORDED, 32226.513431),
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=0", 0.0),
        ("full avg10=0.00 total=7", None),
        ("some avg10=0.00", None),
        ("", None),
    ],
)
def test_the_kernel_s_count(text: str, seconds: float | None) -> None:
    assert parse(text) == seconds


def test_the_share_is_of_the_time_since(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, now = [10.0, 12.0], [100.0, 104.0]
    monkeypatch.setattr(cpu_pressure, "waited_s", lambda: waited.pop(0))
    monkeypatch.setattr(cpu_pressure.time, "monotonic", lambda: now.pop(0))
    assert CpuPressure().share() == 0.5


def test_a_kernel_that_does_not_count_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu_pressure, "SOURCE", tmp_path / "none")
    assert CpuPressure().share() == 0.0
