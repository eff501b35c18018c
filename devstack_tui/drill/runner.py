"""Running a drill: it is planned, the stack is proven ours and held, each repeat is run, and
whatever happens the stack is healed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path

import msgspec

from devstack_tui.contracts.drill import (
    Cleanable,
    Context,
    DrillResult,
    PartitionDrill,
    Plan,
    RepeatEnded,
)
from devstack_tui.contracts.engine import Engine, Feature
from devstack_tui.core import files
from devstack_tui.core.check import Status, exit_code
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import in_thread
from devstack_tui.core.fingerprint import host
from devstack_tui.core.history import History
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.core.redact import redact
from devstack_tui.drill import ownership
from devstack_tui.drill.catalogue import Entry
from devstack_tui.drill.events import AnyDrillEvent, DrillDone, DrillNote, DrillPlanned, DrillReport
from devstack_tui.drill.fault_injector import RUN, StackFaultInjector
from devstack_tui.drill.verdict import report
from devstack_tui.drill.watchdog import Watchdog
from devstack_tui.stack import basis
from devstack_tui.stack.stack import Stack

KIND = "drill"
REFUSED = 3
PARTITION = "partition"
_NEEDS = {
    "sigkill": Feature.KILL,
    "sigterm": Feature.TERMINATE,
    "sigstop": Feature.FREEZE,
    PARTITION: Feature.PARTITION,
}
"""What a stack must allow for a fault; the others are done by the service itself."""


def refused(engine: Engine, faults: Iterable[str]) -> dict[str, str]:
    """Those of these faults that the stack does not allow, with the reason."""
    found = {}
    for fault in faults:
        try:
            if feature := _NEEDS.get(fault):
                engine.require(feature)
        except DevstackError as error:
            found[fault] = error.message
    return found


FOLDERS_KEPT = 10

Events = AsyncGenerator[AnyDrillEvent, None]


class Runner:
    """One drill of one stack. `fault` and `victim` of None are the drill's defaults. Without
    `hold` the caller keeps everybody else off the stack. `before_turn` blocks before each turn.

    Raises `UsageError` for an unknown fault or victim; nothing is touched before `run`.
    """

    def __init__(
        self,
        stack: Stack,
        entry: Entry,
        *,
        fault: str | None = None,
        victim: str | None = None,
        repeats: int = 1,
        command: str = "",
        hold: bool = True,
        before_turn: Callable[[], None] | None = None,
    ) -> None:
        self._stack = stack
        self._entry = entry
        self._engine = stack.engine()
        self._target = self._engine.target(entry.service)
        self._files = self._engine.files(entry.service)
        self._repeats = repeats
        self._command = command
        self._hold = hold
        self._journal = Journal(stack.paths.journal)
        self._basis: basis.Basis | None = None
        self._unclean: Intent | None = None
        """Of the run that was begun last, until it is cleaned up."""
        self.unhealed: DevstackError | None = None
        """Why the stack could not be healed, once `run` is over."""
        self.fault = entry.fault(fault)
        self._rate_hz = entry.thresholds.of(self.fault).rate_hz
        self._before_turn = before_turn
        self.victim = entry.victim(self._target, victim)

    @property
    def turns(self) -> tuple[str, ...]:
        """The victim of each turn of one repeat."""
        return self._entry.victims(self._target, self.victim)

    def plan(self) -> Plan:
        """What would be done; asks the running service, changes nothing. Blocks."""
        try:
            ownership.require_free(self._stack)
        except DevstackError as error:
            return self._refuse(error)
        return self._plan()

    def _plan(self) -> Plan:
        try:
            ownership.prove(self._stack, self._engine, self._entry.service, partly=True)
            if feature := _NEEDS.get(self.fault):
                self._engine.require(feature)
        except DevstackError as error:
            return self._refuse(error)
        plan = self._entry.drill.plan(
            self._target, self._files, self.fault, self.victim, self._entry.thresholds
        )
        expected_s = plan.expected_s * self._repeats
        return msgspec.structs.replace(plan, expected_s=expected_s, notes=self._entry.notes)

    def _refuse(self, error: DevstackError) -> Plan:
        """Without asking the service: there may be none, or somebody else's."""
        return Plan(
            drill=self._entry.name,
            fault=self.fault,
            victim=self.victim,
            actions=(),
            steps=(),
            touches=("nothing",),
            expected_s=0.0,
            refusal=error.message,
            remedy=error.remedy,
            notes=self._entry.notes,
        )

    async def run(self) -> Events:
        """The drill. Closing the generator heals before it returns.

        Whatever is wrong is in the last event, `DrillDone`.
        """
        with contextlib.ExitStack() as held:
            try:
                if self._hold:
                    ownership.hold(self._stack, held)
                ownership.prove(self._stack, self._engine, self._entry.service, partly=True)
                self._target = self._engine.target(self._entry.service)
                plan = await asyncio.to_thread(self._plan)
                self._basis = await asyncio.to_thread(basis.look, self._stack)
            except DevstackError as error:
                yield _refused(error.exit_code, error.message, error.remedy)
                return
            yield DrillPlanned(self._stack.name, plan, self._repeats * len(self.turns))
            for note in plan.notes:
                yield DrillNote(note)
            if plan.refusal and not plan.only_reports:
                yield _refused(REFUSED, plan.refusal, plan.remedy)
                return
            drill = self._entry.drill
            injector = StackFaultInjector(
                self._engine,
                self._journal,
                self._entry.service,
                (lambda unit: drill.cut(self._target, unit))
                if isinstance(drill, PartitionDrill)
                else None,
            )
            async with contextlib.aclosing(self._healing(injector)) as events:
                async for event in events:
                    yield event

    async def _healing(self, injector: StackFaultInjector) -> Events:
        """Every turn, then what heals, then the report."""
        started = time.monotonic()
        results: list[DrillResult] = []
        failure: DevstackError | None = None
        try:
            healed = _Healing(lambda: self._heal(injector), await Watchdog.start(self._stack))
        except DevstackError as error:
            yield _refused(error.exit_code, error.message, error.remedy)
            return
        try:
            async with contextlib.aclosing(self._turns(injector)) as events:
                async for event in events:
                    if isinstance(event, RepeatEnded):
                        results.append(event.result)
                    yield event
        except DevstackError as error:
            failure = error
        except OSError as error:
            failure = files.explain(error, "drilling")
        finally:
            try:
                await in_thread(healed.work)
            finally:
                self.unhealed = healed.error
                if self.unhealed is None:
                    await in_thread(self._keep_restored)
        for note in healed.notes:
            yield DrillNote(note)
        yield self._conclude(results, failure, healed.error, time.monotonic() - started)

    async def _turns(self, injector: StackFaultInjector) -> Events:
        turns = self.turns
        for number in range(self._repeats * len(turns)):
            turn = number % len(turns)
            context = self._context(injector, turns[turn], number + 1, turn + 1, len(turns))
            if self._before_turn is not None:
                await asyncio.to_thread(self._before_turn)
            begun = True
            try:
                self._unclean = self._journal.begin(RUN, self._entry.name, run=context.run)
            except OSError as error:
                # Nothing is broken yet: in the first turn, the drill is refused.
                refused = files.explain(error, "drilling")
                refused.exit_code = REFUSED
                raise refused from error
            async with contextlib.aclosing(self._entry.drill.run(context)) as events:
                async for event in events:
                    if isinstance(event, RepeatEnded):
                        begun = event.result.begun
                    yield event
            # The drill has healed by itself: this finds what it may have left.
            for note in await asyncio.to_thread(self._heal, injector):
                yield DrillNote(note)
            if not begun:
                return

    def _heal(self, injector: StackFaultInjector) -> list[str]:
        """Whatever is left of the fault, and then of the run. Blocks. Raises as `injector.heal`."""
        notes = injector.heal()
        begun, self._unclean = self._unclean, None
        if begun is not None:
            run = begun.undo["run"]
            if isinstance(self._entry.drill, Cleanable):
                try:
                    self._entry.drill.cleanup(self._target, run)
                except Exception as error:  # each driver has its own
                    why = redact(str(error).partition("\n")[0])
                    notes.append(f"what the run {run} wrote could not be removed: {why}")
            self._journal.end(begun)
        return notes

    def _context(
        self, injector: StackFaultInjector, victim: str, repeat: int, turn: int, turns: int
    ) -> Context:
        run = uuid.uuid4().hex[:12]
        return Context(
            stack=self._stack.name,
            service=self._entry.service.name,
            target=self._target,
            files=self._files,
            run=run,
            folder=_folder(self._stack.paths.logs / "drills", run),
            fault=self.fault,
            victim=victim,
            repeat=repeat,
            rate_hz=self._rate_hz,
            observe_hz=self._entry.measuring.observe_hz,
            thresholds=self._entry.thresholds,
            injector=injector,
            options={**self._entry.options, "turn": turn, "turns": turns},
        )

    def _conclude(
        self,
        results: list[DrillResult],
        failure: DevstackError | None,
        unhealed: DevstackError | None,
        seconds: float,
    ) -> DrillDone:
        made: DrillReport | None = None
        error = unhealed or failure
        if results:
            made = report(
                results,
                id=uuid.uuid4().hex[:12],
                victim=self.victim,
                seconds=seconds,
                fingerprint=self._fingerprint(),
                command=self._command,
                drill=self._entry.drill,
                thresholds=self._entry.thresholds,
            )
            if error is not None:
                made = msgspec.structs.replace(made, verdict=Status.FAIL)
            try:
                self._keep(made)
            except DevstackError as full:
                error = error or full
        code = exit_code(Status(made.verdict)) if made else 1
        if error is not None:
            code = error.exit_code if made is None and unhealed is None else code or 1
        return DrillDone(
            made,
            code,
            healed=unhealed is None,
            message=error.message if error else "",
            remedy=self._remedy(error, unhealed is not None),
        )

    def _remedy(self, error: DevstackError | None, unhealed: bool) -> str:
        name = self._entry.service.name
        if error is None or error.remedy or not unhealed:
            return error.remedy if error else ""
        return f"look at `devstack-tui logs {name}`, then `devstack-tui up {name}`"

    def _keep_restored(self) -> None:
        """What was found before is true of the servers that run now."""
        name, what = self._entry.service.name, f"drill run {self._entry.name}"
        with contextlib.suppress(DevstackError):  # then older results are called stale
            basis.restored(self._stack, name, what, self._basis)

    def _keep(self, made: DrillReport) -> None:
        History.of(self._stack.paths).add(
            KIND,
            made.id,
            made.drill,
            made.fault,
            made.started,
            made.fingerprint,
            basis.stamped(msgspec.json.encode(made), self._basis),
        )

    def _fingerprint(self) -> str:
        versions = {}
        with contextlib.suppress(DevstackError):
            service = self._entry.service
            versions[service.name] = self._engine.locate(service).version
        options = {**self._target.options, **self._entry.options, "rate_hz": self._rate_hz}
        definition = {"name": self._entry.name, "fault": self.fault, **options}
        return host().of(versions, self._engine.name, definition).digest()


class _Healing:
    """Heals in a thread of its own and keeps how that ended."""

    def __init__(self, heal: Callable[[], list[str]], watchdog: Watchdog) -> None:
        self._heal = heal
        self._watchdog = watchdog
        self.notes: list[str] = []
        self.error: DevstackError | None = None

    def work(self) -> None:
        """Heal, once more from the start if the first attempt fails; the watchdog is dismissed."""
        for _ in range(2):
            self.error = None
            try:
                self.notes += self._heal()
            except DevstackError as error:
                self.error = error
            except OSError as error:
                self.error = files.explain(error, "healing")
            else:
                break
        self._watchdog.close()


def _refused(code: int, message: str, remedy: str) -> DrillDone:
    """Nothing was touched: that is no failed drill."""
    return DrillDone(
        None, REFUSED if code == 1 else code, healed=True, message=message, remedy=remedy
    )


def _folder(parent: Path, run: str) -> Path:
    """The run's own directory; those of long ago go."""
    try:
        files.make_dir(parent)
        old = sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in old[FOLDERS_KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)
        return files.make_dir(parent / run)
    except OSError as error:
        raise files.explain(error, "making the drill's directory: nothing was touched") from None
