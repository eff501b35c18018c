"""`<service>.restart` on a server that a test breaks: every step can fail, and says why."""

# ruff: noqa: ARG001, ARG002 - the fakes take what the contract gives

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.contracts.acks import Allowance, Indeterminate, NotWritten
from devstack_tui.contracts.drill import (
    Cells,
    Context,
    DrillEvent,
    DrillPhase,
    DrillResult,
    Marker,
    RepeatEnded,
    Thresholds,
)
from devstack_tui.contracts.model import Observation, Target
from devstack_tui.contracts.registry import BUILT_IN
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.drill import restart, restart_steps
from devstack_tui.drill.restart_steps import Outcome
from devstack_tui.drill.write_timeline import lane
from devstack_tui.loadgen.acknowledged_writes import FAILED, INDETERMINATE
from tests.engines.memory import MemoryFiles
from tests.unit.fake_acks import TARGET, FakeAcks, write

FILES = MemoryFiles({})

REFUSALS = 5
"""It comes back when so many attempts were refused."""


class FakeService(FakeAcks):
    """A service, its acks and what breaks it, in one."""

    name = "fake"
    title = "Fake"

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self.problems: tuple[str, ...] = ()
        self.forgets = 0
        self.comes_back = True
        self.freezes = True
        self.hangs = False
        self.refused = 0
        self.prepared = False
        self.cleaned = 0

    # -- the service

    def acks(self) -> FakeService:
        return self

    def tunables(self) -> None:
        return None

    def probe(self) -> Any:
        def probe(target: Target, timeout: float) -> Observation:
            if not self.up:
                raise UnreachableError("the connection is refused")
            return Observation(1.0, problems=self.problems)

        return probe

    def prepare(self, target: Target, run: str) -> None:
        self.prepared = True

    def cleanup(self, target: Target, run: str) -> None:
        self.cleaned += 1
        super().cleanup(target, run)

    # -- what breaks it

    def installation(self) -> Any:
        raise AssertionError("it has no parameters to be read")

    def units(self, service: str) -> tuple[str, ...]:
        return ("one", "two")

    def kill(self, unit: str) -> float:
        def broken(number: int) -> None:
            raise Indeterminate("reset")

        def refused() -> None:
            self.refused += 1
            raise NotWritten("refused")

        self.up = False
        self.behave, self.connect = broken, refused
        for number in sorted(self.kept, reverse=True)[: self.forgets]:
            self.kept.discard(number)
        self.forgets = 0
        return time.monotonic()

    terminate = kill

    def freeze(self, unit: str) -> float:
        def silent(number: int) -> None:
            raise Indeterminate("timeout")

        if self.freezes:
            self.behave = silent
        return time.monotonic()

    def thaw(self, unit: str) -> float:
        self.behave = lambda number: None
        return time.monotonic()

    async def start(self, service: str) -> None:
        if not self.comes_back:
            raise DevstackError("it has ended: bad configuration")
        while self.hangs or self.refused < REFUSALS:
            await asyncio.sleep(0.001)
        self.up = True
        self.behave = lambda number: None
        self.connect = lambda: None

    def alive(self, unit: str) -> bool:
        return self.up


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    made = FakeService()
    monkeypatch.setattr(restart, "service", lambda name: made)
    for name in ("WARM_S", "AFTER_S"):
        monkeypatch.setattr(restart, name, 0.0)
    monkeypatch.setattr(restart, "FROZEN_S", 0.3)
    monkeypatch.setattr(restart, "ENDED_WITHIN_S", 0.2)
    return made


def drill_of(fake: Any) -> restart.RestartDrill:
    return restart.RestartDrill(fake)


def events_of(fake: Any, fault: str) -> AsyncGenerator[DrillEvent, None]:
    return drill_of(fake).run(
        Context(
            stack="s",
            service="fake",
            target=TARGET,
            files=FILES,
            run="r",
            folder=Path(),
            fault=fault,
            victim="fake",
            repeat=1,
            rate_hz=200.0,
            observe_hz=10.0,
            thresholds=Thresholds(),
            injector=fake,
        )
    )


async def ended(fake: FakeService, fault: str = "sigkill") -> tuple[DrillResult, list[DrillEvent]]:
    events = [event async for event in events_of(fake, fault)]
    assert isinstance(events[-1], RepeatEnded)
    return events[-1].result, events


def statuses(result: DrillResult) -> dict[str, Status]:
    return {step.id.rpartition(".")[2]: step.status for step in result.steps}


@pytest.mark.parametrize("fault", ["sigkill", "sigterm", "sigstop"])
async def test_a_server_that_keeps_its_word_passes_every_step(
    fake: FakeService, fault: str
) -> None:
    result, events = await ended(fake, fault)
    assert set(statuses(result).values()) == {Status.PASS}, result.steps
    assert [step.id for step in result.steps] == [f"fake.restart.0{n}" for n in range(1, 9)]
    assert result.verdict == Status.PASS
    (shard,) = result.shards
    assert shard.lost == 0
    assert shard.write_window_s == result.write_window_s > 0
    assert {"detect", "recover", "restart"} <= set(result.timings)
    assert [marker.kind for marker in result.markers] == ["fault", "healed", "back"]
    assert [e for e in events if isinstance(e, Marker)] == list(result.markers)
    assert not fake.kept


async def test_the_cells_that_are_told_are_the_lane_of_the_result(fake: FakeService) -> None:
    result, events = await ended(fake)
    told = [event for event in events if isinstance(event, Cells)]
    assert told[0].from_ms == result.lanes_from_ms < 0
    whole = "".join(cells.lanes["write"] for cells in told)
    assert whole.rstrip(".") == result.lanes["write"].rstrip(".")
    assert "x" in whole
    assert told[-1].acknowledged == result.shards[0].acknowledged


async def test_acknowledged_writes_that_are_gone_fail_the_drill(fake: FakeService) -> None:
    fake.forgets = 5
    result, _ = await ended(fake)
    assert statuses(result)["06"] is Status.FAIL
    assert result.verdict == Status.FAIL
    assert result.shards[0].lost == 5
    assert result.shards[0].lost_s > 0


async def test_a_server_that_does_not_come_back_is_told_as_that(fake: FakeService) -> None:
    fake.comes_back = False
    result, _ = await ended(fake)
    found = statuses(result)
    assert found["04"] is Status.FAIL
    assert found["06"] is Status.ERROR
    assert found["08"] is Status.ERROR
    assert "bad configuration" in next(s.evidence for s in result.steps if s.id.endswith("04"))
    assert not fake.cleaned, "nothing can be asked of it"


async def test_a_fault_that_did_not_take_is_no_pass(fake: FakeService) -> None:
    fake.freezes = False
    result, _ = await ended(fake, "sigstop")
    assert statuses(result)["03"] is Status.FAIL
    assert result.verdict == Status.FAIL


async def test_a_failure_without_a_class_fails_the_drill(fake: FakeService) -> None:
    def strange(number: int) -> None:
        if number == 5:
            raise ZeroDivisionError

    fake.behave = strange
    result, _ = await ended(fake)
    assert statuses(result)["07"] is Status.FAIL
    assert result.shards[0].errors["ZeroDivisionError"] == 1


async def test_what_is_left_of_the_run_fails_the_drill(fake: FakeService) -> None:
    def cleanup(target: Target, run: str) -> None:
        fake.cleaned += 1

    fake.cleanup = cleanup  # type: ignore[method-assign]
    result, _ = await ended(fake)
    assert statuses(result)["08"] is Status.FAIL


async def test_a_service_that_is_not_healthy_is_not_touched(fake: FakeService) -> None:
    fake.problems = ("read-only",)
    result, _ = await ended(fake)
    found = statuses(result)
    assert found.pop("01") is Status.FAIL
    assert list(found) == [f"0{n}" for n in range(2, 9)]
    assert set(found.values()) == {Status.SKIPPED}
    assert "read-only" in result.steps[0].evidence
    assert (result.begun, result.verdict, result.lost) == (False, Status.FAIL, None)
    assert not fake.prepared
    plan = drill_of(fake).plan(TARGET, FILES, "sigkill", "fake", Thresholds())
    assert "read-only" in plan.refusal
    assert plan.only_reports


async def test_a_service_that_takes_no_writes_has_a_whole_report(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(number: int) -> None:
        raise NotWritten("readonly")

    monkeypatch.setattr(restart, "WARM_WITHIN_S", 0.1)
    fake.behave = refused
    events: list[DrillEvent] = []
    with pytest.raises(UnreachableError, match="fewer than 20 writes"):
        async for event in events_of(fake, "sigkill"):
            events.append(event)
    assert isinstance(events[-1], RepeatEnded)
    result = events[-1].result
    assert list(statuses(result).items()) == [
        ("01", Status.PASS),
        ("02", Status.ERROR),
        *((f"0{n}", Status.SKIPPED) for n in range(3, 9)),
    ]
    assert fake.up, "it was not touched"


async def test_a_drill_that_is_broken_off_ends_its_writers_and_cleans_up(
    fake: FakeService,
) -> None:
    async with contextlib.aclosing(events_of(fake, "sigkill")) as events:
        async for event in events:
            if isinstance(event, DrillPhase) and event.phase == "warming":
                break
    assert fake.cleaned == 1
    assert all(writer.closed for writer in fake.writers)


async def test_a_drill_that_is_broken_off_while_the_service_is_gone_asks_it_nothing(
    fake: FakeService,
) -> None:
    fake.hangs = True
    async with contextlib.aclosing(events_of(fake, "sigkill")) as events:
        async for event in events:
            if isinstance(event, Marker) and event.kind == "fault":
                break
    assert not fake.cleaned


def test_every_service_that_is_not_restarted_node_by_node_has_the_drill() -> None:
    names = {drill.name for drill in restart.restart_drills()}
    assert names >= {
        f"{name}.restart"
        for name in ("postgres", "mysql", "mongodb", "rabbitmq", "vault", "reference_api")
    }
    assert names <= {f"{name}.restart" for name in BUILT_IN}
    assert "forgejo.restart" not in names


def test_no_technology_is_named_in_the_drill() -> None:
    for module in (restart, restart_steps):
        text = Path(str(module.__file__)).read_text().lower()
        assert not [name for name in BUILT_IN if name in text]


# -- the steps at their limits ---------------------------------------------------------------


def outcome(name: str = "sigkill", kept: int = 100, **more: Any) -> Outcome:
    """100 acknowledged writes, 50 Hz, of which the first `kept` are there."""
    writes = tuple(write(n, n * 0.02, n * 0.02 + 0.01) for n in range(100))
    made: dict[str, Any] = {
        "thresholds": Thresholds(),
        "allowance": Allowance(),
        "writes": writes,
        "present": set(range(kept)),
        "fault": 2.0,
    }
    return Outcome(fault_name=name, **made | more)


RELAXED = Allowance(0.6, "some_commit = off", declared=True)
BY_DESIGN = Allowance(0.2, "acknowledged from memory")


@pytest.mark.parametrize(
    ("fault", "allowance", "kept", "status"),
    [
        ("sigkill", Allowance(), 100, Status.PASS),
        ("sigkill", Allowance(), 99, Status.FAIL),
        # 50 writes a second: each lost one is 20 ms.
        ("sigkill", RELAXED, 70, Status.WARN),
        ("sigkill", RELAXED, 69, Status.FAIL),
        ("sigterm", RELAXED, 99, Status.FAIL),
        ("sigkill", BY_DESIGN, 90, Status.WARN),
        ("sigkill", BY_DESIGN, 89, Status.FAIL),
        ("sigstop", BY_DESIGN, 99, Status.FAIL),
    ],
)
def test_only_a_crash_explains_a_loss_and_only_as_much_as_the_service_may_lose(
    fault: str, allowance: Allowance, kept: int, status: Status
) -> None:
    number, found, evidence = restart_steps.no_writes_lost(
        outcome(fault, kept, allowance=allowance)
    )
    assert (number, found) == ("06", status), evidence
    if status is Status.WARN:
        assert allowance.reason in evidence
        assert f"{100 - kept} of 100 are lost" in evidence


def test_what_could_not_be_read_back_is_no_loss_and_no_pass() -> None:
    assert restart_steps.no_writes_lost(outcome(present=None))[1] is Status.ERROR


@pytest.mark.parametrize(
    ("healthy_s", "status"), [(14.999, Status.PASS), (15.0, Status.PASS), (15.001, Status.FAIL)]
)
def test_it_is_healthy_within_the_threshold(healthy_s: float, status: Status) -> None:
    assert restart_steps.came_back(outcome(healthy_s=healthy_s))[1] is status


@pytest.mark.parametrize(
    ("pause", "status"), [(14.9, Status.PASS), (15.0, Status.PASS), (15.1, Status.FAIL)]
)
def test_writes_pause_for_at_most_the_threshold(pause: float, status: Status) -> None:
    before = [write(n, n * 0.02, n * 0.02 + 0.01) for n in range(50)]
    since = before[-1].done_s
    after = write(51, since + pause - 0.01, since + pause)
    refused = write(50, since + 0.02, since + 0.03, FAILED, "refused")
    made = outcome(writes=(*before, refused, after), fault=since + 0.005)
    assert restart_steps.short_enough(made)[1] is status
    assert restart_steps.short_enough(outcome(writes=(*before, refused), fault=since))[1] is (
        Status.FAIL
    )


@pytest.mark.parametrize(("count", "status"), [(19, Status.FAIL), (20, Status.PASS)])
def test_enough_writes_come_before_the_fault(count: int, status: Status) -> None:
    writes = [write(n, n * 0.02, n * 0.02 + 0.01) for n in range(count)]
    assert restart_steps.warmed(outcome(fault=1.0), writes)[1] is status


@pytest.mark.parametrize(
    ("sent", "done", "status"),
    [
        (10.051, 10.06, Status.FAIL),
        (10.05, 10.06, Status.PASS),
        (10.051, 11.999, Status.FAIL),
        (10.051, 12.0, Status.PASS),
        # It may have been answered before, and our own process read it late.
        (9.999, 10.9, Status.PASS),
    ],
)
def test_a_server_that_is_held_still_acknowledges_nothing_that_is_sent_to_it(
    sent: float, done: float, status: Status
) -> None:
    made = outcome(fault=10.0, resumed=12.0)
    assert restart_steps.silent_while_paused(made, [write(1, sent, done)])[1] is status


def test_one_unit_that_still_runs_did_not_end() -> None:
    assert restart_steps.ended(outcome(), True, 1.0, ["one"])[1] is Status.PASS
    assert restart_steps.ended(outcome(), False, 20.0, ["one"])[1] is Status.FAIL


@pytest.mark.parametrize(
    ("late_s", "share", "words"),
    [
        (0.0, 0.79, ""),
        (0.0, 0.8, "80%"),
        (0.0, 1.0, "100%"),
        (1.0, 0.0, ""),
        (1.1, 0.0, "late by 1.1 s"),
    ],
)
def test_what_shows_that_the_machine_starved(late_s: float, share: float, words: str) -> None:
    found = restart_steps.starved(late_s, share)
    assert words in found
    assert bool(found) == bool(words)


def test_what_takes_too_long_on_a_machine_that_starves_proves_nothing() -> None:
    busy = {"starved": "work waited for a CPU in 91% of that time"}
    refused = write(100, 2.0, 2.1, FAILED, "refused")
    open_window = (*outcome().writes, refused, write(101, 3.0, 20.0, FAILED, "refused"))
    for step, more in (
        (restart_steps.came_back, {"healthy_s": 15.1}),
        (restart_steps.came_back, {"healthy_s": 15.1, "unhealthy": "no answer"}),
        (restart_steps.short_enough, {"writes": open_window}),
        (lambda made: restart_steps.ended(made, False, 20.0, ["one"]), {}),
    ):
        assert step(outcome(**more))[1] is Status.FAIL
        _, status, evidence = step(outcome(**more, **busy))
        assert status is Status.INCONCLUSIVE
        assert "91%" in evidence
    # What is not a matter of time fails all the same, and what was quick enough passes.
    assert restart_steps.came_back(outcome(failure="it ended", **busy))[1] is Status.FAIL
    assert restart_steps.came_back(outcome(healthy_s=15.0, **busy))[1] is Status.PASS
    assert restart_steps.no_writes_lost(outcome(kept=99, **busy))[1] is Status.FAIL


@pytest.mark.parametrize(("why", "status"), [("refused", Status.PASS), ("error-1146", Status.FAIL)])
def test_a_failure_has_a_class_or_fails_the_drill(why: str, status: Status) -> None:
    made = outcome(writes=(write(1, 0.0, 0.1), write(2, 0.2, 0.3, FAILED, why)), present={1})
    assert restart_steps.classified(made)[1] is status
    made.present = {1, 2}
    assert restart_steps.classified(made)[1] is Status.FAIL, "it was refused, and is there"


def test_a_run_that_is_left_fails_and_one_that_was_not_looked_for_is_an_error() -> None:
    assert restart_steps.nothing_left(outcome(uncleaned="", left=0))[1] is Status.PASS
    assert restart_steps.nothing_left(outcome(uncleaned="", left=1))[1] is Status.FAIL
    assert restart_steps.nothing_left(outcome(uncleaned="no answer"))[1] is Status.ERROR


def test_a_lane_shows_an_answer_over_an_error_over_silence() -> None:
    writes = [
        write(1, 9.9, 9.96),
        write(2, 10.0, 10.01, FAILED, "refused"),
        write(3, 10.0, 10.04),
        write(4, 10.0, 10.06, INDETERMINATE, "reset"),
    ]
    assert lane(writes, 10.0, -2, 3) == ".oox."
