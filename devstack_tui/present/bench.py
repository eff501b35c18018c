"""Words for a benchmark's runs."""

from __future__ import annotations

from devstack_tui.bench.events import RunResult


def evenness(run: RunResult) -> str:
    """How even the seconds of a run were, and whether it was steady where that can be said:
    `seconds ±3.1 %, not steady: -18 % over the run`. Empty where it had too few."""
    if run.dispersion is None:
        return ""
    text = f"seconds ±{run.dispersion * 100:.1f} %"
    if run.steady is None or run.drift is None:
        return text
    return f"{text}, " + (
        "steady" if run.steady else f"not steady: {run.drift * 100:+.0f} % over the run"
    )
