"""The rolling restart: every node ends and comes back, and the cluster never stops to serve."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from devstack_tui.contracts.drill import PlannedStep, Shard, Thresholds
from devstack_tui.core.check import Result, Status
from devstack_tui.core.cpu_pressure import CpuPressure, waited
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.redis.client import node_name
from devstack_tui.services.redis.drills.limits import Limits
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    NotReadyError,
    look_at,
    problems,
)
from devstack_tui.services.redis.drills.repeat import ClusterRepeat
from devstack_tui.services.redis.drills.steps import (
    EXPLAINED,
    NO_REPLICA,
    NO_REPLICA_REMEDY,
    NOT_BEGUN,
    Outcome,
)
from devstack_tui.services.redis.instrument import Instrument

PREFIX = "redis.rolling"
TITLES = {
    "01": "the cluster is whole and in sync before",
    "02": "every node was restarted, one at a time",
    "03": "writes are never unavailable for longer than {window:g} s",
    "04": "every error has one of the {classes} classes that a hand-over explains",
    "05": "{lost}, none comes back",
    "06": "the cluster is whole and in sync after",
    "07": "no key of the drill is left",
}
WHY = {
    "03": "each master hands over before it ends, while another node is just being started",
    "04": "; ".join(f"{kind}: {why}" for kind, why in EXPLAINED.items()),
    "05": "every node is asked to end, and has handed over by then; none comes back, stands out of "
    "order or twice",
}
THEORY = "each master hands over before it ends: nothing waits for a timeout"


def title(number: str, thresholds: Thresholds) -> str:
    """What a step asserts, with its limits."""
    return TITLES[number].format(
        window=thresholds.planned_window_s, lost=thresholds.losses, classes=len(EXPLAINED)
    )


def planned_steps(thresholds: Thresholds) -> tuple[PlannedStep, ...]:
    """What a run will assert, and where the limits come from."""
    return tuple(
        PlannedStep(f"{PREFIX}.{number}", title(number, thresholds), WHY.get(number, ""))
        for number in TITLES
    )


class RollingRepeat(ClusterRepeat):
    """All nodes, once."""

    async def perform(self) -> None:
        """All of it. Raises `DevstackError` when it cannot begin, or is broken off."""
        try:
            await self._perform()
        except DevstackError as error:
            self.broken_off(
                {number: title(number, self.context.thresholds) for number in TITLES}, error
            )
            raise

    async def _perform(self) -> None:
        try:
            before = await self.ready()
        except NotReadyError as error:
            self._not_begun(error)
            return
        self._step("01", True, f"{len(before.views)} nodes, whole and in sync three times")
        high = self.context.thresholds.planned_window_s
        outcome = Outcome(
            limits=Limits(
                expected=(0.0, high) if int(self.target.options["replicas"]) else None,
                theory=THEORY,
                window_s=high,
            ),
            fault=self.context.fault,
            victim=0,
            before=before,
            replicas=int(self.target.options["replicas"]),
        )
        async with self.measuring() as instrument:
            self.phase("warming", f"{self.option('warm_s'):g} s of writes and reads")
            await self.pause("warm_s")
            durations = await self._cycle(instrument, outcome)
            await self.pause("settle_s")
            recording = await instrument.stop()
            outcome.markers, outcome.void = recording.markers, recording.void
            outcome.late_s = recording.late_ms / 1000
            outcome.after = await self._after(outcome)
            await self.read_back(recording, outcome)
            self._judge(outcome, durations)
        cleaned = await self.cleaned()
        self._decide_step("07", cleaned.status, cleaned.evidence)
        self.measured(recording, outcome, {"rolling": round(sum(durations.values()), 3)})

    def _not_begun(self, error: NotReadyError) -> None:
        """The cluster is not well: that is the result, and nothing is restarted."""
        self._step("01", False, "; ".join(problems(error.seen, self.target)), error.remedy)
        for number in [*TITLES][1:]:
            self._decide_step(number, Status.SKIPPED, f"{NOT_BEGUN}: 01 failed")
        self.ended(self.context.victim, (), "", split_brain=None, begun=False)

    def victim(self, outcome: Outcome) -> str:
        """All nodes."""
        return f"{len(outcome.before.views)} nodes"

    async def _cycle(self, instrument: Instrument, outcome: Outcome) -> dict[str, float]:
        """Restart them; how long each took, seconds."""
        begun: dict[str, float] = {}
        pressure = CpuPressure()
        self.phase("fault", "restart node by node")
        try:
            units = self.context.injector.cycle(self.context.service)
            async for unit in units:
                begun[unit] = time.monotonic()
                instrument.expect(unit)
                instrument.fault(begun[unit], f"restart of {unit}")
                self.phase("waiting", f"{unit} is restarted ({len(begun)})")
        except DevstackError as error:
            outcome.failure = error.message
            outcome.notes.append(str(error))
        outcome.starved = waited(pressure.share())
        times = [*begun.values(), time.monotonic()]
        return {unit: times[n + 1] - times[n] for n, unit in enumerate(begun)}

    async def _after(self, outcome: Outcome) -> ClusterSnapshot:
        try:
            return await self.whole_again()
        except DevstackError as error:
            outcome.notes.append(error.message)
            return await self.thread(look_at, self.target)

    def _step(self, number: str, good: bool, evidence: str, remedy: str = "") -> None:
        status = Status.PASS if good else Status.FAIL
        self._decide_step(number, status, evidence, remedy)

    def _decide_step(self, number: str, status: Status, evidence: str, remedy: str = "") -> None:
        named = title(number, self.context.thresholds)
        self.decide(Result(f"{PREFIX}.{number}", named, status, evidence, remedy))

    def _judge(self, outcome: Outcome, durations: Mapping[str, float]) -> None:
        before, after = outcome.before, outcome.after
        assert after is not None
        same = [
            node_name(i)
            for i, view in after.views.items()
            if i in before.views and view.server["run_id"] == before.views[i].server["run_id"]
        ]
        missing = len(before.views) - len(durations)
        evidence = ", ".join(f"{unit} {seconds:.1f} s" for unit, seconds in durations.items())
        evidence += f"; not restarted: {', '.join(same)}" if same else ""
        evidence += f"; {outcome.failure}" if outcome.failure else ""
        self._step("02", not (same or missing or outcome.failure), evidence)
        self._window(outcome)
        self._decide_step("04", *classed(outcome.shards, outcome.unread))
        lost = self.context.thresholds.lost
        self._decide_step("05", *none_lost(outcome.shards, outcome.unread, lost))
        wrong = problems(after, self.target)
        self._step("06", not wrong, "; ".join(wrong) or "as before; the masters changed places")

    def _window(self, outcome: Outcome) -> None:
        limit = self.context.thresholds.planned_window_s
        status, evidence = short_enough(outcome, limit)
        remedy = NO_REPLICA_REMEDY if NO_REPLICA in evidence else ""
        self._decide_step("03", status, evidence, remedy)


def short_enough(outcome: Outcome, limit: float) -> tuple[Status, str]:
    """Step 3: the longest write window of all shards, seconds, against `limit`."""
    if outcome.void:
        return Status.INCONCLUSIVE, outcome.void
    if not outcome.shards:
        return Status.ERROR, f"no window was measured: {outcome.unread}"
    longest = max(shard.write_window_s for shard in outcome.shards)
    evidence = ", ".join(f"{one.name} {one.write_window_s:.3f} s" for one in outcome.shards)
    evidence = f"{evidence} (at most {limit:g} s)"
    status, why = outcome.judged(longest, limit)
    if status is Status.FAIL and not outcome.replicas:
        evidence = f"{evidence}; {NO_REPLICA}"
    return status, evidence + why


def classed(shards: Sequence[Shard], unread: str) -> tuple[Status, str]:
    """Step 4: no error that a hand-over does not explain."""
    if not shards:
        return Status.ERROR, f"no error was counted: {unread}"
    errors: Counter[str] = Counter()
    for shard in shards:
        errors.update(shard.errors)
    strange = sorted(set(errors) - set(EXPLAINED))
    evidence = ", ".join(f"{n} × {kind}" for kind, n in sorted(errors.items())) or "no error"
    if strange:
        return Status.FAIL, f"unexpected {strange} of {evidence}"
    return Status.PASS, evidence


def none_lost(shards: Sequence[Shard], unread: str, limit: int) -> tuple[Status, str]:
    """Step 5: what became of the acknowledged writes; `limit` is of those that are lost."""
    if unread:
        return Status.ERROR, f"it could not be read back: {unread}"
    lost = sum(shard.lost or 0 for shard in shards)
    wrong = {
        "came back": sum(shard.resurrected or 0 for shard in shards),
        "out of order": sum(shard.out_of_order or 0 for shard in shards),
        "there twice": sum(shard.duplicated or 0 for shard in shards),
    }
    evidence = f"of {sum(shard.acknowledged for shard in shards)} acknowledged writes: {lost} lost"
    evidence += "".join(f", {count} {what}" for what, count in wrong.items())
    if lost > limit or any(wrong.values()):
        return Status.FAIL, f"{evidence} (at most {limit} lost, of the others none)"
    return (
        (Status.WARN, f"{evidence}, within the limit of {limit}")
        if lost
        else (Status.PASS, evidence)
    )
