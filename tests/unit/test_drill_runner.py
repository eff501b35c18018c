"""The engine of drills: refusals touch nothing, and every end of a drill heals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.drill import DrillPhase, RepeatEnded, Thresholds
from devstack_tui.core import files, process
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.history import History
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.drill import runner as runner_module
from devstack_tui.drill.catalogue import Entry, MeasurementRates
from devstack_tui.drill.events import (
    AnyDrillEvent,
    DrillDone,
    DrillNote,
    DrillPlanned,
    DrillReport,
)
from devstack_tui.drill.runner import KIND, Runner
from devstack_tui.state import instance as instances
from devstack_tui.state.instance import Instance
from tests.unit.drill_kit import INSTANCE, UNIT, IdleDrill, SleeperEngine, SleeperService


@dataclass
class Bench:
    """A stack of one sleeper, and a drill for it."""

    paths: StackPaths
    fake: SleeperEngine
    drill: IdleDrill
    name: str = "t"

    def selected(self) -> tuple[str, ...]:
        return ()

    def engine(self) -> SleeperEngine:
        return self.fake

    def instance(self) -> Instance | None:
        return instances.read(self.paths)

    def runner(self, **more: Any) -> Runner:
        service = SleeperService(self.fake)
        entry = Entry(service, self.drill, Thresholds(), MeasurementRates(), {"warm_s": 1})  # type: ignore[arg-type]
        return Runner(self, entry, **more)  # type: ignore[arg-type]

    async def told(self, **more: Any) -> list[AnyDrillEvent]:
        return [event async for event in self.runner(**more).run()]

    @property
    def pid(self) -> int:
        assert self.fake.child is not None
        return self.fake.child.pid


class CleanableDrill(IdleDrill):
    """Notes what it cleans, and whether the service was there."""

    def __init__(self, engine: SleeperEngine, full: str = "") -> None:
        super().__init__()
        self.cleaned: list[tuple[str, bool]] = []
        self._engine = engine
        self._full = full

    def cleanup(self, target: Any, run: str) -> None:  # noqa: ARG002
        if self._full:
            raise RuntimeError(self._full)
        self.cleaned.append((run, bool(self._engine.processes(None))))


class Dismissed:
    """In place of the watchdog, whose process would cost each test its start."""

    closed = 0

    @classmethod
    async def start(cls, _: Any) -> Dismissed:
        return cls()

    def close(self) -> None:
        Dismissed.closed += 1


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner_module, "Watchdog", Dismissed)
    Dismissed.closed = 0
    paths = StackPaths.of("t")
    files.make_dir(paths.root)
    instances.write(paths, Instance(INSTANCE, "t", "fake", 0, 0.0))
    engine = SleeperEngine()
    engine.start(None, None)
    made = Bench(paths, engine, IdleDrill())
    yield made
    engine.end()


def done_of(told: list[AnyDrillEvent]) -> DrillDone:
    done = told[-1]
    assert isinstance(done, DrillDone)
    return done


async def test_a_drill_tells_its_plan_first_and_its_report_last(bench: Bench) -> None:
    told = await bench.told()
    assert isinstance(told[0], DrillPlanned)
    done = done_of(told)
    assert done.report is not None
    assert (done.exit_code, done.healed, done.report.verdict) == (0, True, Status.PASS)
    assert [step.id for step in done.report.steps] == ["sleeper.idle.01"]


async def test_a_report_is_kept_in_the_history_as_it_was_told(bench: Bench) -> None:
    report = done_of(await bench.told()).report
    (row,) = History.of(bench.paths).list(KIND)
    assert msgspec.json.decode(row.document, type=DrillReport) == report
    assert (row.name, row.size) == ("sleeper.idle", "sigstop")


async def test_repeats_are_numbered_and_each_has_a_run_and_a_private_folder(bench: Bench) -> None:
    await bench.told(repeats=3)
    contexts = bench.drill.contexts
    assert [context.repeat for context in contexts] == [1, 2, 3]
    assert len({context.run for context in contexts}) == 3
    assert all(context.run.isalnum() for context in contexts)
    assert [context.folder.stat().st_mode & 0o777 for context in contexts] == [0o700] * 3


async def test_all_victims_are_hit_one_after_the_other_in_each_repeat(bench: Bench) -> None:
    await bench.told(victim="all", repeats=2)
    contexts = bench.drill.contexts
    assert [context.victim for context in contexts] == ["one", "two", "one", "two"]
    assert [context.options["turn"] for context in contexts] == [1, 2, 1, 2]
    assert {context.options["turns"] for context in contexts} == {2}


async def test_only_the_last_folders_are_kept(bench: Bench) -> None:
    await bench.told(repeats=12)
    assert len(list((bench.paths.logs / "drills").iterdir())) == 10


def test_an_unknown_fault_or_victim_lists_the_close_matches(bench: Bench) -> None:
    with pytest.raises(UsageError) as fault:
        bench.runner(fault="sigstap")
    assert "sigstop" in fault.value.remedy
    with pytest.raises(UsageError) as victim:
        bench.runner(victim="onne")
    assert "one" in victim.value.remedy


async def test_a_refusal_of_the_drill_touches_nothing(bench: Bench) -> None:
    bench.drill.refusal = "a replica is not in sync"
    done = done_of(await bench.told())
    assert (done.report, done.exit_code) == (None, 3)
    assert (done.message, done.remedy) == ("a replica is not in sync", "wait")
    assert bench.drill.contexts == []


async def test_a_drill_that_only_reports_is_run_and_ends_with_its_first_repeat(
    bench: Bench,
) -> None:
    bench.drill.refusal, bench.drill.only_reports = "a replica is not in sync", True
    assert bench.runner().plan().only_reports
    done = done_of(await bench.told(repeats=3, victim="all"))
    assert done.report is not None
    assert (len(done.report.repeats), done.report.write_window_s, done.report.lost) == (
        1, None, None
    )  # fmt: skip
    assert (done.exit_code, done.healed, done.report.verdict) == (1, True, Status.FAIL)
    assert len(History.of(bench.paths).list(KIND)) == 1


async def test_before_each_turn_the_caller_may_set_what_the_last_one_reset(bench: Bench) -> None:
    seen: list[int] = []
    await bench.told(repeats=3, before_turn=lambda: seen.append(len(bench.drill.contexts)))
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("lock", "what"),
    [
        ("drill.lock", "another drill"),
        ("lock", "is changing this stack"),
        ("bench.lock", "a benchmark"),
        ("tune.lock", "a tuning"),
    ],
)
async def test_a_stack_that_somebody_works_on_is_not_drilled(
    bench: Bench, lock: str, what: str
) -> None:
    other = StackLock(bench.paths.root / lock, "other")
    assert other.try_acquire() is None
    with other:
        done = done_of(await bench.told())
        assert what in done.message
        assert what in bench.runner().plan().refusal
    assert (done.report, done.exit_code) == (None, 3)
    assert bench.drill.contexts == []
    assert done_of(await bench.told()).exit_code == 0


async def test_nobody_else_can_change_the_stack_during_a_drill(bench: Bench) -> None:
    held: list[bool] = []

    async def look() -> None:
        for name in ("drill.lock", "lock"):
            held.append(StackLock.holder(bench.paths.root / name) is not None)

    bench.drill.stay = look
    await bench.told()
    assert held == [True, True]
    assert StackLock.holder(bench.paths.lock) is None


async def test_a_process_of_another_instance_is_refused(bench: Bench) -> None:
    bench.fake.end()
    bench.fake.instance = "somebody else"
    bench.fake.start(None, None)
    done = done_of(await bench.told())
    assert "is not of this stack" in done.message
    assert bench.drill.contexts == []


async def test_a_service_that_does_not_run_is_refused(bench: Bench) -> None:
    bench.fake.end()
    done = done_of(await bench.told())
    assert (done.exit_code, "does not run" in done.message) == (3, True)


async def test_a_stack_that_was_never_started_is_refused(bench: Bench) -> None:
    bench.paths.instance.unlink()
    done = done_of(await bench.told())
    assert (done.exit_code, "never started" in done.message) == (3, True)


async def test_closing_in_the_middle_of_a_fault_heals_before_it_returns(
    bench: Bench, until: Callable[..., None]
) -> None:
    runner = bench.runner()
    events = runner.run()
    async for event in events:
        if isinstance(event, DrillPhase) and event.phase == "fault":
            break
    until(lambda: process.frozen(bench.pid))
    await events.aclose()
    assert not process.frozen(bench.pid)
    assert Journal(bench.paths.journal).pending() == []
    assert StackLock.holder(bench.paths.root / "drill.lock") is None
    assert runner.unhealed is None


async def test_being_cancelled_again_and_again_does_not_stop_the_healing(bench: Bench) -> None:
    reached = asyncio.Event()

    async def stay() -> None:
        reached.set()
        await asyncio.Event().wait()

    bench.drill.stay = stay
    task = asyncio.create_task(bench.told(fault="sigkill"))
    await reached.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert bench.fake.starts == 2
    assert Dismissed.closed == 1
    assert Journal(bench.paths.journal).pending() == []


async def test_an_error_in_a_later_repeat_reports_the_earlier_ones_and_fails(bench: Bench) -> None:
    bench.drill.error = "the cluster is not whole"
    done = done_of(await bench.told(repeats=2))
    assert done.report is not None
    assert (len(done.report.repeats), done.report.verdict) == (1, Status.FAIL)
    assert (done.exit_code, done.message) == (1, "the cluster is not whole")


async def test_a_victim_that_cannot_be_started_again_is_told_with_its_remedy(bench: Bench) -> None:
    async def lose_it() -> None:
        bench.fake.broken = "its data is gone"

    bench.drill.stay = lose_it
    done = done_of(await bench.told(fault="sigkill"))
    assert (done.exit_code, done.healed) == (1, False)
    assert (done.message, done.remedy) == ("its data is gone", "mend it")
    pending = [(one.action, one.subject) for one in Journal(bench.paths.journal).pending()]
    assert pending == [("drill.run", bench.drill.name), ("drill.kill", UNIT)]


async def test_a_service_that_stays_broken_without_a_word_is_told_with_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(service: Any, run: Any) -> None:  # noqa: ARG001
        raise DevstackError("it has ended: no room")

    async def lose_it() -> None:
        monkeypatch.setattr(bench.fake, "start", start)

    bench.drill.stay = lose_it
    done = done_of(await bench.told(fault="sigkill"))
    assert (done.healed, done.message) == (False, "it has ended: no room")
    assert "devstack-tui logs sleeper" in done.remedy


async def test_a_full_disk_before_the_fault_is_a_refusal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("devstack_tui.core.journal.os.write", full)
    done = done_of(await bench.told())
    monkeypatch.undo()
    assert (done.report, done.exit_code, done.healed) == (None, 3, True)
    assert "the disk is full" in done.message
    assert bench.drill.contexts == []


async def test_a_full_disk_in_the_middle_fails_the_drill_and_heals(bench: Bench) -> None:
    async def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.drill.stay = fill
    done = done_of(await bench.told(fault="sigkill"))
    assert (done.report, done.exit_code, done.healed) == (None, 1, True)
    assert "the disk is full" in done.message
    assert bench.fake.starts == 2


async def test_a_history_that_cannot_be_written_does_not_hide_the_report(bench: Bench) -> None:
    (bench.paths.root / "history.db").mkdir()
    done = done_of(await bench.told())
    assert done.report is not None
    assert done.exit_code == 1
    assert done.message


async def test_a_run_is_cleaned_up_once_the_service_is_healed(bench: Bench) -> None:
    bench.drill = drill = CleanableDrill(bench.fake)
    events = bench.runner(fault="sigkill").run()
    async for event in events:
        if isinstance(event, DrillPhase) and event.phase == "fault":
            break
    assert drill.cleaned == []
    await events.aclose()
    assert drill.cleaned == [(drill.contexts[0].run, True)]


async def test_a_run_that_cannot_be_cleaned_up_is_told(bench: Bench) -> None:
    bench.drill = drill = CleanableDrill(bench.fake, full="the disk is full\nat /x")
    told = await bench.told(repeats=2)
    notes = [event.text for event in told if isinstance(event, DrillNote)]
    assert notes == [
        f"what the run {context.run} wrote could not be removed: the disk is full"
        for context in drill.contexts
    ]
    assert done_of(told).healed


async def test_a_void_measurement_is_inconclusive(bench: Bench) -> None:
    async def void(context: Any) -> AsyncGenerator[Any, None]:
        async for event in IdleDrill.run(bench.drill, context):
            if isinstance(event, RepeatEnded):
                result = msgspec.structs.replace(event.result, void="our process starved")
                yield RepeatEnded(result)
            else:
                yield event

    bench.drill.run = void  # type: ignore[method-assign]
    done = done_of(await bench.told())
    assert done.report is not None
    assert (done.report.verdict, done.exit_code) == (Status.INCONCLUSIVE, 4)


async def test_without_the_right_to_signal_nothing_is_touched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr("devstack_tui.engines.embedded.faults.os.kill", refuse)
    done = done_of(await bench.told())
    monkeypatch.undo()
    assert (done.exit_code, "no right to signal" in done.message) == (2, True)
    assert bench.drill.contexts == []


def test_the_error_of_a_refusal_is_no_failed_drill(bench: Bench) -> None:
    assert DevstackError("x").exit_code == 1
    bench.fake.end()
    plan = bench.runner().plan()
    assert plan.refusal
    assert plan.touches == ("nothing",)
