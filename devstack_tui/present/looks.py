"""State and phase as a glyph and a word, and the style that goes with them: never colour alone."""

from __future__ import annotations

from devstack_tui.contracts.model import State
from devstack_tui.core.events import Phase

GOOD, WARN, BAD, BUSY, QUIET, KEY = (
    "look--good",
    "look--warn",
    "look--bad",
    "look--busy",
    "look--quiet",
    "look--key",
)
"""Component classes; app.tcss gives each its colour from the theme."""

LOOKS = {GOOD, WARN, BAD, BUSY, QUIET, KEY}

_STATES: dict[State, tuple[str, str]] = {
    State.HEALTHY: ("●", GOOD),
    State.DEGRADED: ("▲", WARN),
    State.DOWN: ("✗", BAD),
    State.STARTING: ("↑", BUSY),
    State.STOPPING: ("↓", BUSY),
    State.STOPPED: ("○", QUIET),
    State.ABSENT: ("–", QUIET),
}

_PHASES: dict[Phase, tuple[str, str]] = {
    Phase.WAITING: ("…", QUIET),
    Phase.PREPARING: ("◇", BUSY),
    Phase.STARTING: ("↑", BUSY),
    Phase.PROBING: ("?", BUSY),
    Phase.READY: ("●", GOOD),
    Phase.STOPPING: ("↓", BUSY),
    Phase.STOPPED: ("○", QUIET),
    Phase.SKIPPED: ("–", QUIET),
    Phase.FAILED: ("✗", BAD),
}


def state_text(state: State) -> str:
    """`● healthy`."""
    return f"{_STATES[state][0]} {state.value}"


def state_look(state: State) -> str:
    """The component class of a state."""
    return _STATES[state][1]


def phase_text(phase: Phase) -> str:
    """`↑ starting`."""
    return f"{_PHASES[phase][0]} {phase.value}"


def phase_look(phase: Phase) -> str:
    """The component class of a phase."""
    return _PHASES[phase][1]
