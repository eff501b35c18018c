"""The rolling restart: every node ends and comes back, and the cluster never stops to serve."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from devstack_tui.core.check import Result, Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.redis.client import node_name
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    look_at,
    problems,
    shape_problems,
)
from devstack_tui.services.redis.drills.repeat import ClusterRepeat
from devstack_tui.services.redis.drills.steps import (
    EXPLAINED,
    NO_REPLICA,
    NO_REPLICA_REMEDY,
    Outcome,
)
from devstack_tui.services.redis.instrument import Instrument

PREFIX = "redis.rolling"
TITLES = {
    "01": "the cluster is whole and in sync before",
    "02": "every node was restarted, one at a time",
    "03": "writes are never unavailable for longer than the threshold",
    "04": "every error has a class that a hand-over explains",
    "05": "no acknowledged write is lost",
    "06": "the cluster is whole and in sync after",
    "07": "no key of the drill is left",
}
THEORY = "each master hands over before it ends: nothing waits for a timeout"


class RollingRepeat(ClusterRepeat):
    """All nodes, once."""

    async def perform(self) -> None:
        """All of it. Raises `DevstackError` when it cannot begin."""
        before = await self.ready()
        shape = shape_problems(before, self.target)
        self._step("01", not shape, "; ".join(shape) or f"{len(before.views)} nodes")
        outcome = Outcome(
            thresholds=self.context.thresholds,
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
            outcome.after = await self._after(outcome)
            await self.read_back(recording, outcome)
            self._judge(outcome, durations)
        cleaned = await self.cleaned()
        self._step("07", cleaned.status is Status.PASS, cleaned.evidence)
        high = self.context.thresholds.planned_window_s
        expected = (0.0, high) if outcome.replicas else None
        self.measured(
            recording, outcome, (expected, THEORY), {"rolling": round(sum(durations.values()), 3)}
        )

    def victim(self, outcome: Outcome) -> str:
        """All nodes."""
        return f"{len(outcome.before.views)} nodes"

    async def _cycle(self, instrument: Instrument, outcome: Outcome) -> dict[str, float]:
        """Restart them; how long each took, seconds."""
        begun: dict[str, float] = {}
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
        self.decide(Result(f"{PREFIX}.{number}", TITLES[number], status, evidence, remedy))

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
        errors: Counter[str] = Counter()
        for shard in outcome.shards:
            errors.update(shard.errors)
        strange = sorted(set(errors) - set(EXPLAINED))
        evidence = ", ".join(f"{n} × {kind}" for kind, n in sorted(errors.items())) or "no error"
        self._step(
            "04", not strange, f"unexpected {strange} of {evidence}" if strange else evidence
        )
        self._lost(outcome)
        wrong = problems(after, self.target)
        self._step("06", not wrong, "; ".join(wrong) or "as before; the masters changed places")

    def _window(self, outcome: Outcome) -> None:
        limit = self.context.thresholds.planned_window_s
        windows = {shard.name: shard.write_window_s for shard in outcome.shards}
        longest = max(windows.values(), default=0.0)
        evidence = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in windows.items())
        evidence = f"{evidence} (at most {limit:g} s)"
        if outcome.void:
            self._decide_step("03", Status.INCONCLUSIVE, outcome.void)
        elif longest > limit and not outcome.replicas:
            self._step("03", False, f"{evidence}; {NO_REPLICA}", NO_REPLICA_REMEDY)
        else:
            self._step("03", longest <= limit, evidence)

    def _lost(self, outcome: Outcome) -> None:
        if outcome.unread:
            self._decide_step("05", Status.ERROR, f"it could not be read back: {outcome.unread}")
            return
        total = sum(shard.acknowledged for shard in outcome.shards)
        wrong = {
            "lost": sum(shard.lost for shard in outcome.shards),
            "resurrected": sum(shard.resurrected for shard in outcome.shards),
            "out of order": sum(shard.out_of_order for shard in outcome.shards),
            "duplicated": sum(shard.duplicated for shard in outcome.shards),
        }
        evidence = ", ".join(f"{count} {what}" for what, count in wrong.items())
        good = not any(wrong.values()) or (
            sum(wrong.values()) == wrong["lost"] <= self.context.thresholds.lost
        )
        self._step("05", good, f"of {total} acknowledged writes: {evidence}")
