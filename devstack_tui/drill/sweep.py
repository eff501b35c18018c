"""One drill for each value of a setting: how long a failover takes, and how often it is false."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence

from devstack_tui.contracts.drill import PUBLISHED_WINDOW_S, QuietPeriod, Sweepable
from devstack_tui.contracts.model import Target
from devstack_tui.core import files
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.event_stream import in_thread
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.drill import ownership
from devstack_tui.drill.catalogue import Catalogue, Entry
from devstack_tui.drill.cpu_load import busy_cores
from devstack_tui.drill.events import (
    AnyDrillEvent,
    DrillDone,
    DrillNote,
    DrillReport,
    SweepDone,
    SweepRow,
)
from devstack_tui.drill.runner import Runner
from devstack_tui.drill.watchdog import Watchdog
from devstack_tui.stack.stack import Stack

FAULT = "sigkill"
VICTIM = "first"
SETTING = "drill.setting"

Events = AsyncGenerator[AnyDrillEvent, None]


class Sweep:
    """The drill of `entry` once for each of `values`, and a stretch under CPU load.

    Raises `UsageError` for a drill that has no such setting.
    """

    def __init__(
        self,
        stack: Stack,
        entry: Entry,
        values: Sequence[int],
        *,
        repeats: int = 1,
        watch_s: float = 10.0,
        command: str = "",
    ) -> None:
        if not isinstance(entry.drill, Sweepable):
            raise UsageError(
                f"{entry.name} depends on no setting", f"sweep {Catalogue().sweepable().name}"
            )
        self._stack = stack
        self._entry = entry
        self._part = entry.drill
        self._values = tuple(values)
        self._repeats = repeats
        self._watch_s = watch_s
        self._command = command
        self._target = stack.engine().target(entry.service)

    def plan(self) -> Iterator[str]:
        """What will be done, as sentences."""
        values = ", ".join(map(str, self._values))
        yield f"sweep of {self._part.setting} on the stack {self._stack.name!r}: {values}"
        yield "  for each value: it is set in every running node (no file is changed),"
        yield f"    {self._entry.name} runs with {FAULT}, victim {VICTIM}, {self._repeats} times,"
        yield f"    and false failovers are counted for {self._watch_s:g} s with every core busy"
        yield "  at the end its first value is restored, whatever happens"

    async def run(self) -> Events:
        """The rows, among the events of their drills; the last event is `SweepDone`.

        Closing the generator puts the setting back before it returns.
        """
        rows: list[SweepRow] = []
        before, failure = 0, None
        with contextlib.ExitStack() as held:
            try:
                ownership.hold(self._stack, held)
                ownership.prove(self._stack, self._stack.engine(), self._entry.service)
                before = await asyncio.to_thread(self._part.read_setting, self._target)
                watchdog = await Watchdog.start(self._stack)
            except DevstackError as error:
                yield self._done(before, rows, error, healed=True)
                return
            back = _SettingRestore(self._part, self._target, before, watchdog)
            try:
                back.begin(Journal(self._stack.paths.journal), self._entry.name)
                for value in self._values:
                    async with contextlib.aclosing(self._one(value)) as events:
                        async for event in events:
                            if isinstance(event, SweepRow):
                                rows.append(event)
                            yield event
            except DevstackError as error:
                failure = error
            except OSError as error:
                failure = files.explain(error, "sweeping")
            finally:
                await in_thread(back.work)
            yield self._done(before, rows, back.error or failure, healed=back.error is None)

    async def _one(self, value: int) -> Events:
        await asyncio.to_thread(self._part.write_setting, self._target, value)
        runner = Runner(
            self._stack,
            self._entry,
            fault=FAULT,
            victim=VICTIM,
            repeats=self._repeats,
            command=self._command,
            hold=False,
            # A node that was started again has read its own file.
            before_turn=lambda: self._part.write_setting(self._target, value),
        )
        report: DrillReport | None = None
        async with contextlib.aclosing(runner.run()) as events:
            async for event in events:
                if isinstance(event, DrillDone):
                    if event.report is None or event.message:
                        raise DevstackError(event.message, event.remedy)
                    report = event.report
                yield event
        assert report is not None
        await asyncio.to_thread(self._part.write_setting, self._target, value)
        yield DrillNote(f"{self._watch_s:g} s without a fault, with every core busy")
        watch = await asyncio.to_thread(self._watch)
        yield _row(value, report, watch)

    def _watch(self) -> QuietPeriod:
        with busy_cores():
            return self._part.false_alarms(self._target, self._watch_s)

    def _done(
        self, before: int, rows: list[SweepRow], error: DevstackError | None, healed: bool
    ) -> SweepDone:
        value, reason = advise(rows, PUBLISHED_WINDOW_S)
        return SweepDone(
            self._entry.name,
            self._part.setting,
            before,
            tuple(rows),
            value,
            reason,
            exit_code=error.exit_code if error else 0 if value is not None else 4,
            healed=healed,
            message=error.message if error else "",
            remedy=error.remedy if error else "",
        )


class _SettingRestore:
    """Puts the setting back in a thread and keeps how that ended."""

    def __init__(self, part: Sweepable, target: Target, value: int, watchdog: Watchdog) -> None:
        self._part, self._target, self._value = part, target, value
        self._watchdog = watchdog
        self._journaled: tuple[Journal, Intent] | None = None
        self.error: DevstackError | None = None

    def begin(self, journal: Journal, drill: str) -> None:
        """Write down what is about to be changed. Raises `DevstackError`."""
        try:
            self._journaled = journal, journal.begin(SETTING, drill, setting=str(self._value))
        except OSError as error:
            raise files.explain(error, "writing the journal: nothing was touched") from None

    def work(self) -> None:
        """Put it back; the watchdog is dismissed."""
        try:
            if self._journaled:
                journal, intent = self._journaled
                self._part.write_setting(self._target, self._value)
                journal.end(intent)
        except DevstackError as error:
            self.error = error
        except OSError as error:
            self.error = files.explain(error, "writing the journal")
        self._watchdog.close()


def advise(rows: Sequence[SweepRow], window_s: float) -> tuple[int | None, str]:
    """The smallest value that is fast enough and caused no false failover."""
    if not rows:
        return None, "nothing was measured"
    calm = [row for row in rows if not row.failovers and not row.failed]
    proven = [row for row in calm if row.write_window_s and row.verdict != Status.INCONCLUSIVE]
    undecided = sorted(row.value for row in rows if row not in proven and row in calm)
    quick = [row for row in proven if max(row.write_window_s) <= window_s]
    if quick:
        best = min(quick, key=lambda row: row.value)
        return best.value, (
            f"the smallest without a false failover under load whose window, "
            f"{max(best.write_window_s):.2f} s, is within {window_s:g} s"
            + _not_measured(undecided, best.value)
        )
    if proven:
        best = min(proven, key=lambda row: row.value)
        return best.value, (
            f"no false failover under load, but its window, {max(best.write_window_s):.2f} s, is "
            f"above {window_s:g} s: no value has both"
        )
    return None, "every value caused a false failover under load, or could not be measured"


def _not_measured(values: Sequence[int], above: int) -> str:
    """What must be said of smaller values about which nothing is known."""
    smaller = ", ".join(str(value) for value in values if value < above)
    return f"; of {smaller} not every window could be measured: sweep again" if smaller else ""


def _row(value: int, report: DrillReport, watch: QuietPeriod) -> SweepRow:
    measured = [result for result in report.repeats if not result.void]
    return SweepRow(
        value,
        report.verdict,
        tuple(result.write_window_s for result in measured if result.write_window_s is not None),
        next((result.expected for result in report.repeats), None),
        watch.seconds,
        watch.suspected,
        watch.failed,
        watch.failovers,
        (report.id,),
    )
