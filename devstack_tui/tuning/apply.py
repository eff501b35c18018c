"""Applying values: journal, store, configuration, live or one restart, and reading back.

What does not take brings the last good configuration back by itself; so does closing the
generator, and, after a `kill -9`, the next change (`stack.recovery`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.server_home import Cancelled
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.tunable import DEFAULT, Parameter, Reading
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.event_stream import Emit, thread_events
from devstack_tui.core.events import Done
from devstack_tui.core.events import Note as CoreNote
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.stack import busy, parameter_apply
from devstack_tui.stack.parameter_apply import Tuner
from devstack_tui.stack.stack import Stack
from devstack_tui.stack.transaction import changing, relay
from devstack_tui.state import parameter_store, parameter_values
from devstack_tui.state.parameter_store import HistoryEntry, StoredParameters
from devstack_tui.tuning.events import Note, Outcome, TuneDone, TunePlanned, TuneStep
from devstack_tui.tuning.plan import Options, PreparedApply, Wanted, prepare

Applied = AsyncGenerator[TunePlanned | TuneStep | Note | TuneDone, None]
_Emit = Callable[[TunePlanned | TuneStep | Note | TuneDone], None]
_Commit = Callable[[StoredParameters, PreparedApply, dict[str, str]], StoredParameters]


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be applied where, and how the store remembers it."""

    stack: Stack
    wanted: Wanted
    options: Options
    commit: _Commit


def plan(
    stack: Stack, wanted: Wanted, replace: bool = False, *, by: str = "set", force: bool = False
) -> TunePlanned:
    """What `apply` would do. Blocks. Raises what it would refuse with; changes nothing."""
    return _named(stack, prepare(stack, wanted, Options(by, replace, force)))


def apply(
    stack: Stack,
    wanted: Wanted,
    *,
    by: str,
    replace: bool = False,
    force: bool = False,
    record: bool = True,
    restart: bool = False,
) -> Applied:
    """Make `wanted` effective: parameter → text, None or `default`: as the server comes.

    `replace`: the services that are named get exactly this, their other parameters go back to
    the default. `force`: what somebody else has changed is no obstacle, and is taken over where
    it is among `wanted`. `restart`: every service that is named is restarted, whatever changes.
    Without `record` it leaves no trace in the history.

    Raises `UsageError` or `UnreachableError` before anything is touched; later failures end in a
    `TuneDone` with exit code 1, the last good configuration being back. So it is when the
    generator is closed early.
    """
    options = Options(by, replace, force, record, restart)
    return _applied(_Order(stack, wanted, options, _recorded))


def revert(
    stack: Stack, *, to: int | None = None, everything: bool = False, force: bool = False
) -> Applied:
    """Back to before the last apply that is not undone; to the state after change `to`; or, with
    `everything`, every parameter as the server comes (which is an apply like any other).

    Raises `UsageError` when there is nothing to undo, and as `apply` does.
    """
    return _applied(_undo_order(stack, to=to, everything=everything, force=force))


def plan_revert(
    stack: Stack, *, to: int | None = None, everything: bool = False, force: bool = False
) -> TunePlanned:
    """What `revert` would do. Blocks, and raises as it does."""
    order = _undo_order(stack, to=to, everything=everything, force=force)
    return _named(stack, prepare(stack, order.wanted, order.options))


def _named(stack: Stack, prepared: PreparedApply) -> TunePlanned:
    """The plan, with who works on the stack now."""
    return msgspec.structs.replace(prepared.planned, disturbs=busy.running(stack.paths))


def _undo_order(stack: Stack, *, to: int | None, everything: bool, force: bool) -> _Order:
    """What a revert is to apply."""
    store = parameter_store.read(stack.paths)
    if everything:
        wanted: dict[str, dict[str, str | None]] = {name: {} for name in store.values}
        return _Order(stack, wanted, Options("revert --all", True, force), _recorded)
    undone = _undone(store, to)
    table: dict[str, dict[str, str | None]] = {}
    for entry in reversed(undone):
        for key, (before, _) in entry.values.items():
            service, _, name = key.partition(".")
            table.setdefault(service, {})[name] = before
    numbers = ", ".join(f"#{entry.number}" for entry in undone)
    options = Options(f"revert of {numbers}", False, force)
    return _Order(stack, table, options, _forgotten(undone))


def _undone(store: StoredParameters, to: int | None) -> tuple[HistoryEntry, ...]:
    """The entries that a revert undoes, oldest first."""
    live = [entry for entry in store.history if not entry.undone]
    if to is None:
        found = live[-1:]
    else:
        known = [0, *(entry.number for entry in store.history)]
        if to not in known:
            raise UsageError(
                f"there is no change {to}", "`devstack-tui tune history` lists them; 0: before all"
            )
        found = [entry for entry in live if entry.number > to]
    if not found:
        raise UsageError("there is nothing to undo", "`devstack-tui tune history` lists what was")
    return tuple(found)


def _recorded(
    store: StoredParameters, prepared: PreparedApply, sources: dict[str, str]
) -> StoredParameters:
    if not prepared.options.record:
        return store
    changed = {f"{c.service}.{c.parameter}": (c.before, c.after) for c in prepared.planned.changes}
    return store.with_entry(
        parameter_store.entry(
            prepared.before, prepared.after, prepared.options.by, changed, sources
        )
    )


def _forgotten(undone: tuple[HistoryEntry, ...]) -> _Commit:
    """The store after a revert: the entries are undone, and who had set the values is back."""

    def commit(
        store: StoredParameters, _prepared: PreparedApply, _sources: dict[str, str]
    ) -> StoredParameters:
        numbers = {entry.number for entry in undone}
        set_by = dict(store.set_by)
        for entry in reversed(undone):
            for key in entry.values:
                set_by.pop(key, None)
            set_by |= entry.set_by
        return msgspec.structs.replace(
            store,
            set_by=set_by,
            history=tuple(
                msgspec.structs.replace(entry, undone=True) if entry.number in numbers else entry
                for entry in store.history
            ),
        )

    return commit


async def _applied(order: _Order) -> Applied:
    """One apply under the stack's lock, as events of the tuning."""

    def applying(emit: Emit[Any], cancelled: threading.Event) -> None:
        _Apply(order, emit, cancelled).run()

    async def work(emit: Emit[Any]) -> None:
        await relay(thread_events(applying), emit)

    async with contextlib.aclosing(changing(order.stack.paths, "tune", work)) as events:
        async for event in cast("AsyncGenerator[Any, None]", events):
            if isinstance(event, CoreNote):
                yield Note(event.text)
            elif not isinstance(event, Done):
                yield event


class _NotAppliedError(DevstackError):
    """A value was read back as another one."""


class _Apply:
    """One apply, in a thread. What it began it finishes or undoes before it returns."""

    def __init__(self, order: _Order, emit: _Emit, cancelled: threading.Event) -> None:
        self._order = order
        self._stack = stack = order.stack
        self._emit = emit
        self._cancelled = cancelled
        self._journal = Journal(stack.paths.journal)
        self._engine = stack.engine()
        self._tuner = Tuner(self._engine, self._step, cancelled)
        self._outcomes: list[Outcome] = []
        self._warned: list[str] = []

    def run(self) -> None:
        """Raises what `apply` raises before anything is touched."""
        started = time.monotonic()
        prepared = prepare(self._stack, self._order.wanted, self._order.options)
        self._emit(prepared.planned)
        if not prepared.running:
            self._keep(prepared, started)
            return
        self._step("", "journal", "")
        names = {service: prepared.wanted(service) for service in prepared.running}
        rows = [row for row in prepared.show.parameters if row.elsewhere]
        foreign = {name: [row.name for row in rows if row.service == name] for name in names}
        intent = parameter_apply.intend(self._stack.paths, names, foreign)
        try:
            parameter_store.write(self._stack.paths, prepared.after)
            for name in prepared.running:
                self._change(service_named(name), prepared)
            self._check()
            sources = {f"{o.service}.{o.parameter}": o.source for o in self._outcomes}
            parameter_store.write(
                self._stack.paths, self._order.commit(prepared.after, prepared, sources)
            )
            self._journal.end(intent)
            if prepared.later:
                self._emit(Note(prepared.later))
        except DevstackError as error:
            done = self._take_back(intent, error)
        except BaseException:
            self._take_back(intent, DevstackError(""))
            raise
        else:
            done = TuneDone(0, 0.0, tuple(self._outcomes))
        self._emit(msgspec.structs.replace(done, seconds=time.monotonic() - started))

    def _keep(self, prepared: PreparedApply, started: float) -> None:
        """Nothing runs that could be changed: write the store in one step, if it changes."""
        store = prepared.after
        if prepared.services:
            store = self._order.commit(store, prepared, {})
        if store != prepared.before:
            parameter_store.write(self._stack.paths, store)
        message = prepared.later or "nothing to change"
        self._emit(TuneDone(0, time.monotonic() - started, message=message))

    def _change(self, service: Service, prepared: PreparedApply) -> None:
        wanted = prepared.wanted(service.name)
        stored = prepared.after.values.get(service.name, {})
        self._check()
        if service.name in prepared.restarts:
            self._restart(service, wanted)
            if prepared.options.force:  # what was set beside the configuration outlives a restart
                self._warned += self._tuner.live(service, wanted, stored)
        else:
            self._tuner.configure(service)
            self._check()
            self._warned += self._tuner.live(service, wanted, stored)
        for text in self._warned:
            self._emit(Note(f"{service.name}: {text}"))
        outcomes = _outcomes(service.name, wanted, self._tuner.read(service), self._warned)
        self._warned = []
        self._outcomes += outcomes
        for outcome in outcomes:
            if outcome.ok and outcome.reason:
                self._emit(Note(f"{service.name}.{outcome.parameter}: {outcome.reason}"))
        if wrong := [outcome for outcome in outcomes if not outcome.ok]:
            raise _NotAppliedError(
                "; ".join(f"{service.name}.{o.parameter}: {o.reason}" for o in wrong)
            )

    def _restart(self, service: Service, wanted: Mapping[str, str | None]) -> None:
        try:
            self._tuner.restart(service)
        except Cancelled:
            raise
        except DevstackError as error:
            given = ", ".join(f"{name}={text or DEFAULT}" for name, text in wanted.items())
            text = f"{service.name} did not come up with {given or 'its values'}: {error.message}"
            raise DevstackError(text, error.remedy) from None

    def _take_back(self, intent: Intent, error: DevstackError) -> TuneDone:
        """Restore the last good configuration; returns the event that reports it."""
        self._step(intent.subject, "restore", error.message)
        problems = parameter_apply.take_back(self._engine, self._stack.paths, [intent], self._step)
        self._journal.end(intent)
        message = error.message
        if problems:
            message += f"; and not everything could be undone: {'; '.join(problems)}"
        return TuneDone(
            exit_code=1,
            seconds=0.0,
            outcomes=tuple(self._outcomes),
            restored=not problems,
            message=message,
            remedy=error.remedy if not problems else "`devstack-tui up`",
        )

    def _step(self, service: str, phase: str, detail: str) -> None:
        self._emit(TuneStep(service, phase, detail))

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("interrupted")


def _outcomes(
    service: str, wanted: dict[str, str | None], reading: Reading, warned: list[str]
) -> list[Outcome]:
    parameters = {parameter.name: parameter for parameter in reading.parameters}
    return [
        _outcome(service, parameters[name], text, reading, warned)
        for name, text in wanted.items()
        if name in parameters
    ]


def _outcome(
    service: str, parameter: Parameter, wanted: str | None, reading: Reading, warned: list[str]
) -> Outcome:
    found = reading.effective.get(parameter.name)
    if found is None:
        reason = "the server does not report its value"
        return Outcome(service, parameter.name, wanted, "", "", False, reason)
    ok = parameter_values.in_effect(parameter, wanted, found)
    reason = ""
    if not ok:
        own = found.source in parameter_values.OWN_SOURCES
        warnings = "; ".join(text for text in warned if own and parameter.name in text)
        why = f", and the server warned: {warnings}" if warnings else ""
        reason = f"asked for {wanted or DEFAULT}, but it is {parameter_values.describe(found)}{why}"
    elif wanted and parameter_values.rounded(parameter, wanted, found.value):
        reason = f"the server rounded {wanted} to {found.value}"
    return Outcome(service, parameter.name, wanted, found.value, found.source, ok, reason)
