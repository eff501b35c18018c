"""What a fault of a node may cost: how long, how many writes, and why so much. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from devstack_tui.contracts.drill import PUBLISHED_WINDOW_S, FaultLimits, Thresholds
from devstack_tui.core.check import Status

PLANNED = "planned"
GRACEFUL = ("sigterm", PLANNED)
Window = tuple[float, float]
"""The shortest and the longest that theory explains, seconds."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one fault on one node. `lost` counts what came back as well: a removal that is lost
    brings its number back. `lost` and `split_brain` are writes of the shard that is hit, and 0 of
    every other."""

    window_s: float = 0.0
    window_why: str = ""
    expected: Window | None = None
    theory: str = ""
    lost: int = 0
    lost_formula: str = ""
    lost_why: str = ""
    split_brain: int = 0
    split_brain_why: str = ""
    published_s: float = 0.0
    other_pause_s: float = 0.0
    median_s: float | None = None
    median_of: int = 0

    @property
    def title(self) -> dict[str, str]:
        """What stands for the limits in the titles of the steps."""
        median = ""
        if self.median_s is not None:
            median = f", the median of {self.median_of} or more within {self.median_s:g} s"
        return {
            "window": f"{self.window_s:g} s",
            "median": median,
            "pause": f"{self.other_pause_s:g} s",
            "lost": f"at most {self.lost} of the acknowledged writes are lost or come back"
            if self.lost
            else "none of the acknowledged writes is lost or comes back",
        }


def limits_of(
    fault: str,
    thresholds: Thresholds,
    node_timeout_ms: int,
    *,
    replicas: int,
    master: bool,
    lag_s: float | None = None,
) -> Limits:
    """The limits of `fault` on a node with so many replicas; `lag_s` is the replication lag that
    was measured before it, None where none was."""
    expected, theory = theory_of(fault, node_timeout_ms, replicas)
    published = PUBLISHED_WINDOW_S
    if fault == PLANNED:
        window, why = thresholds.planned_window_s, "a switch-over that was asked for: nobody died"
    elif expected is None or expected[1] > published:
        window, why = published, f"what DevStack Core published; {theory}"
    else:
        window = expected[1]
        why = f"the upper end of theory, and never above the {published:g} s that DevStack Core "
        why += f"published; {theory}"
    own = thresholds.of(fault)
    lost, formula = _writes_lost(own, node_timeout_ms, lag_s)
    lost_why = own.lost_why
    if fault in GRACEFUL:
        lost, formula = thresholds.lost, "the node is asked, not killed"
    split = math.floor(own.split_brain_node_timeouts * node_timeout_ms / 1000 * own.rate_hz + 1e-9)
    if not master:
        expected, theory = theory_of(fault, node_timeout_ms, replicas, master=False)
        lost, formula, split = 0, "the node is a replica", 0
        lost_why = "it owns no slot and acknowledges nothing"
    return Limits(
        window_s=round(window, 3),
        window_why=why,
        expected=expected,
        theory=theory,
        lost=lost,
        lost_formula=formula,
        lost_why=lost_why or "drills.toml allows this fault none",
        split_brain=split,
        split_brain_why=own.split_brain_why or "a node that was replaced must refuse to write",
        published_s=published,
        other_pause_s=thresholds.other_pause_s,
        median_s=thresholds.planned_median_s if fault == PLANNED else None,
        median_of=thresholds.planned_repeats,
    )


def _writes_lost(own: FaultLimits, node_timeout_ms: int, lag_s: float | None) -> tuple[int, str]:
    timeout = node_timeout_ms / 1000
    seconds = own.lost_node_timeouts * timeout + own.lost_s
    terms = [f"{own.lost_node_timeouts:g} x the node timeout of {timeout:g} s"]
    terms += [f"{own.lost_s:g} s"] if own.lost_s else []
    if own.lost_lag:
        seconds += lag_s or 0.0
        measured = "not known yet" if lag_s is None else f"{lag_s:.3f} s"
        terms.append(f"the replication lag before the fault, {measured}")
    formula = f"({' + '.join(terms)}) x {own.rate_hz:g} writes a second to the shard"
    return math.floor(seconds * own.rate_hz + 1e-9), formula


def judged_window(window_s: float, limit_s: float, late_s: float) -> Status:
    """A window against its limit. One that is above it by no more than our own clock was late
    decides nothing: the delay may be ours."""
    if window_s <= limit_s:
        return Status.PASS
    return Status.INCONCLUSIVE if window_s - late_s <= limit_s else Status.FAIL


def theory_of(
    fault: str, node_timeout_ms: int, replicas: int, master: bool = True
) -> tuple[Window | None, str]:
    """The write window to expect (low, high) in seconds, and how it comes about in words."""
    if not master:
        return (0.0, 0.0), "a replica owns no slot: nothing waits for it"
    if fault == PLANNED:
        return (0.0, 0.1), (
            "planned: the master stops writing until its replica has the last byte and is elected"
        )
    if not replicas:
        return None, "without a replica nothing takes over: it lasts until the node is back"
    timeout = node_timeout_ms / 1000
    low, high = timeout + 0.5, timeout * 1.5 + 1.5
    evidence = (
        f"node timeout {timeout:g} s + gossip until a majority agrees (0 to {timeout / 2:g} s) "
        f"+ 0.5 s + U(0, 0.5) s before the replica asks for votes + the nodes' clocks of 0.1 s "
        f"(0 to 0.5 s)"
    )
    if fault == "sigterm":
        high += 1.0
        evidence += " + the wait of the ending master for its replicas (0 to 1 s)"
    if fault == "partition":
        low, high = max(0.0, low - 1.5 * timeout), high - timeout
        evidence += f" - what the master goes on to serve until it notices ({timeout:g} s or more)"
    return (low, high), f"{evidence} = {low:g} to {high:g} s"
