"""The steps of a restart drill: what each asserts, and how it is decided from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devstack_tui.contracts.acks import KINDS, Allowance
from devstack_tui.contracts.drill import Thresholds
from devstack_tui.core.check import Status
from devstack_tui.core.cpu_pressure import STARVED_SHARE, waited
from devstack_tui.loadgen.acknowledged_writes import (
    Gap,
    Operation,
    Verdict,
    stream_outage,
    usual_gap,
    verdict,
)

WARM_WRITES = 20
GRACE_S = 0.05
"""An answer may be on its way when its server is held still."""
STARVED_S = 1.0
"""Our own clock may be late by this; beyond it a window is ours and not the server's."""
CRASH = "sigkill"

Decided = tuple[str, Status, str]
"""The step's number, its status and its evidence."""
NUMBERS = tuple(f"{number:02}" for number in range(1, 9))


@dataclass
class Outcome:
    """What one repeat measured. Times are monotonic seconds; `_s` are seconds after the fault."""

    thresholds: Thresholds
    fault_name: str
    allowance: Allowance
    writes: tuple[Operation, ...] = ()
    fault: float = 0.0
    resumed: float = 0.0
    restart_s: float = 0.0
    healthy_s: float = 0.0
    unhealthy: str = ""
    failure: str = ""
    starved: str = ""
    """Why too long a time proves nothing, if so."""
    present: set[int] | None = None
    unread: str = ""
    left: int = 0
    uncleaned: str = "the service is not there"

    @property
    def window(self) -> Gap | None:
        """How long nothing was written because of the fault."""
        return stream_outage(self.writes, self.fault)

    @property
    def verdict(self) -> Verdict:
        """What became of the writes."""
        lists = None if self.present is None else {"": sorted(self.present)}
        return verdict(self.writes, lists, usual_gap(self.writes, round(self.fault * 1e6)))


def titles(thresholds: Thresholds) -> dict[str, str]:
    """What each step asserts, by its number."""
    return {
        "01": "the service is healthy",
        "02": f"at least {WARM_WRITES} writes are acknowledged before the fault",
        "03": "the fault took effect",
        "04": f"it is healthy again within {thresholds.restart_s:g} s",
        "05": f"writes pause for at most {thresholds.restart_s:g} s",
        "06": thresholds.losses,
        "07": f"every failed write has one of the {len(KINDS)} classes that a fault explains, and "
        "none that was refused is there",
        "08": "nothing of the run is left",
    }


def details(thresholds: Thresholds) -> dict[str, str]:
    """Where the limits come from, by the step's number."""
    restart = (
        f"restart_s of drills.toml: {thresholds.restart_s:g} s for the whole service; more is "
        f"INCONCLUSIVE where work waited for a CPU in {STARVED_SHARE:.0%} of the time since the "
        "fault"
    )
    return {
        "02": "with fewer nothing could be missed",
        "04": restart,
        "05": f"{restart}; from the last acknowledged write before to the first one after",
        "06": "an orderly end or a pause explains none. After SIGKILL as many seconds as a relaxed "
        "setting, or the design of the service, may lose are a WARN with their count; more is a "
        "FAIL",
        "07": "; ".join(f"{kind}: {why}" for kind, why in KINDS.items()),
    }


def not_begun(problem: str) -> list[Decided]:
    """All steps, when the service is not healthy: it was not touched."""
    why = "not begun: 01 failed, so nothing was broken on purpose"
    return [
        ("01", Status.FAIL, problem),
        *((number, Status.SKIPPED, why) for number in NUMBERS[1:]),
    ]


def late(late_s: float) -> str:
    """Why the whole measurement proves nothing, if our own process was late by so much."""
    return f"our own process was late by {late_s:.1f} s" if late_s > STARVED_S else ""


def starved(late_s: float, share: float) -> str:
    """Why too long a time proves nothing, if so: see `late`, and the share of the time since the
    fault in which work waited for a CPU."""
    return waited(share) or late(late_s)


def _too_long(outcome: Outcome, evidence: str) -> tuple[Status, str]:
    if outcome.starved:
        return Status.INCONCLUSIVE, f"{evidence}; {outcome.starved}"
    return Status.FAIL, evidence


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words: `120 refused, 1 reset`."""
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def healthy_before() -> Decided:
    """The precondition: without it there is no drill."""
    return "01", Status.PASS, "its probe passed"


def warmed(outcome: Outcome, writes: Sequence[Operation]) -> Decided:
    """The writes that were acknowledged by the time of the fault."""
    done = sum(write.ok and write.done_s <= outcome.fault for write in writes)
    status = Status.PASS if done >= WARM_WRITES else Status.FAIL
    return "02", status, f"{done} were"


def ended(outcome: Outcome, gone: bool, after: float, units: Sequence[str]) -> Decided:
    """Whether the service's processes are gone."""
    if gone:
        return "03", Status.PASS, f"{', '.join(units)} ended within {after:.2f} s"
    return "03", *_too_long(outcome, f"{', '.join(units)} still run after {after:.1f} s")


def silent_while_paused(outcome: Outcome, writes: Sequence[Operation]) -> Decided:
    """Whether nothing that was sent while it was held still was acknowledged then. What was sent
    before may have been answered before, and be read later by us."""
    since = outcome.fault + GRACE_S
    answered = sum(w.ok and since < w.sent_s and w.done_s < outcome.resumed for w in writes)
    held = f"held still for {outcome.resumed - outcome.fault:.2f} s"
    if answered:
        return "03", Status.FAIL, f"{held}, and yet it acknowledged {answered} writes"
    return "03", Status.PASS, f"{held}, nothing was acknowledged"


def came_back(outcome: Outcome) -> Decided:
    """Whether it is healthy within the threshold."""
    if outcome.failure:
        return "04", Status.FAIL, outcome.failure
    evidence = f"after {outcome.healthy_s:.2f} s"
    if outcome.unhealthy:
        return "04", *_too_long(outcome, f"{evidence}: {outcome.unhealthy}")
    if outcome.healthy_s > outcome.thresholds.restart_s:
        return "04", *_too_long(outcome, evidence)
    return "04", Status.PASS, evidence


def short_enough(outcome: Outcome) -> Decided:
    """The write window against the threshold."""
    found = outcome.window
    if found is None:
        return "05", Status.PASS, "writes never paused"
    if found.open:
        evidence = f"no write was acknowledged again in {found.seconds:.1f} s"
        return "05", *_too_long(outcome, evidence)
    evidence = f"{found.seconds:.3f} s between two acknowledged writes"
    if found.seconds > outcome.thresholds.restart_s:
        return "05", *_too_long(outcome, evidence)
    return "05", Status.PASS, evidence


def no_writes_lost(outcome: Outcome) -> Decided:
    """What is missing of the acknowledged writes, and whether the service's promise explains it.

    An orderly end, or a pause, explains no loss whatever is set.
    """
    if outcome.present is None:
        return "06", Status.ERROR, f"could not be read back: {outcome.unread or outcome.failure}"
    found = outcome.verdict
    lost, seconds = len(found.lost), found.lost_s
    evidence = f"{lost} of {found.acknowledged} are lost"
    if lost <= outcome.thresholds.lost:
        return "06", Status.PASS, evidence
    evidence += f" ({seconds:.2f} s)"
    allowed = outcome.allowance
    within = outcome.fault_name == CRASH and 0 < seconds <= allowed.seconds
    if not within:
        limit = f", more than the {allowed.seconds:g} s of {allowed.reason}"
        crash = outcome.fault_name == CRASH and allowed.seconds
        return "06", Status.FAIL, evidence + (limit if crash else "")
    why = "as is set" if allowed.declared else "by design"
    evidence += f", {why} up to {allowed.seconds:g} s: {allowed.reason}"
    return "06", Status.WARN, evidence


def classified(outcome: Outcome) -> Decided:
    """Whether a fault explains every failure, and whether a refusal was true."""
    found = outcome.verdict
    strange = {kind: count for kind, count in found.errors.items() if kind not in KINDS}
    if strange:
        return "07", Status.FAIL, f"unexpected: {counted(strange)}"
    if found.resurrected:
        return "07", Status.FAIL, f"{len(found.resurrected)} writes are there that were refused"
    evidence = f"{counted(found.errors)}; {found.indeterminate} of them indeterminate"
    why = "; ".join(f"{kind}: {KINDS[kind]}" for kind in sorted(found.errors))
    return "07", Status.PASS, f"{evidence} ({why})" if why else evidence


def nothing_left(outcome: Outcome) -> Decided:
    """Whether the run is removed."""
    if outcome.uncleaned:
        return "08", Status.ERROR, f"could not be removed: {outcome.uncleaned}"
    if outcome.left:
        return "08", Status.FAIL, f"{outcome.left} writes are still there"
    return "08", Status.PASS, "all of it is removed"


def timings(outcome: Outcome) -> dict[str, float]:
    """Seconds after the fault: `detect` the first error, `recover` the first success after the
    window, `restart` when it was whole again."""
    found = {"restart": round(outcome.restart_s, 3)}
    failed = [w.done_s for w in outcome.writes if not w.ok and w.done_s >= outcome.fault]
    if failed:
        found["detect"] = round(min(failed) - outcome.fault, 3)
    if window := outcome.window:
        found["recover"] = round(window.end / 1e6 - outcome.fault, 3)
    return found


JUDGES: dict[str, Callable[[Outcome], Decided]] = {
    "05": short_enough,
    "06": no_writes_lost,
    "07": classified,
}
