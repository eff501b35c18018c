"""A service's parameters, lent for a measurement and restored whatever happens.

Meanwhile the stack's `tune.lock` is held, so that nobody else tunes, and the journal knows what
the stack set before: after a `kill -9` the next change gives it back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from devstack_tui.contracts.registry import service as service_named
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Note as StackNote
from devstack_tui.core.history import History
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.stack import basis, parameter_apply
from devstack_tui.stack.busy import require_none
from devstack_tui.stack.recovery import lock_of
from devstack_tui.stack.stack import Stack
from devstack_tui.stack.transaction import changing
from devstack_tui.tuning import reports
from devstack_tui.tuning.ab_arms import ArmRunner, Settings
from devstack_tui.tuning.apply import apply
from devstack_tui.tuning.events import Emit, Note, TuneDone
from devstack_tui.tuning.measure import Measurer, MeasureRequest


class NotRestoredError(DevstackError):
    """The previous values of the stack could not be restored."""


@contextlib.asynccontextmanager
async def leased(
    stack: Stack, verb: str, service: str, names: Iterable[str], emit: Emit
) -> AsyncIterator[None]:
    """Hold the tuning of `service` while its parameters `names` are changed; then give it back.

    Raises `DevstackError` while somebody else tunes, drills or measures, and `NotRestoredError`
    when the former configuration did not come back.
    """
    await _heal(stack, emit)
    lock = StackLock(lock_of(stack.paths, parameter_apply.ACTION), verb)
    if owner := lock.try_acquire():
        raise DevstackError(
            f"`{owner.verb}` (pid {owner.pid}) measures with its own values now",
            "wait for its end, or end it",
        )
    with lock:
        require_none(stack.paths, "drill", "bench")
        before = await asyncio.to_thread(basis.look, stack)
        intent = parameter_apply.intend(stack.paths, {service: names})
        try:
            yield
        finally:
            problems: list[str] = []

            async def give_back(_: object) -> None:
                problems.extend(
                    await asyncio.to_thread(
                        parameter_apply.take_back,
                        stack.engine(),
                        stack.paths,
                        [intent],
                        lambda *step: None,
                    )
                )

            async for _ in changing(stack.paths, verb, give_back):
                pass
            # What did not come back now is for the user: no verb shall try it again and again.
            Journal(stack.paths.journal).end(intent)
            if problems:
                raise NotRestoredError(
                    f"not undone: {'; '.join(problems)}",
                    f"look at `devstack-tui logs {service}`, then `devstack-tui up {service}`",
                )
            with contextlib.suppress(DevstackError):  # then older results are called stale
                await asyncio.to_thread(basis.restored, stack, service, verb, before)


async def _heal(stack: Stack, emit: Emit) -> None:
    async with contextlib.aclosing(stack.heal()) as events:
        async for event in events:
            if isinstance(event, StackNote):
                emit(Note(event.text))


def runner_of(stack: Stack, measurer: Measurer, order: MeasureRequest, verb: str) -> ArmRunner:
    """Where the arms of an order run. Raises `UsageError` for an unknown workload."""
    service = measurer.service(order.workload)
    fingerprint = measurer.fingerprint(order.workload, order.size)
    past = reports.past(History.of(stack.paths), order.workload, order.size, fingerprint)
    applier = ServiceApplier(stack, service, verb, force=order.force)
    units = len(stack.engine().units(service_named(service)))
    return ArmRunner(measurer, applier, order.workload, order.size, past=past, units=units)


class ServiceApplier:
    """An `Applier` for one service of a real stack. `by` names the verb."""

    def __init__(self, stack: Stack, service: str, by: str, *, force: bool = False) -> None:
        self._stack = stack
        self._service = service
        self._by = by
        self._force = force

    async def apply(self, values: Settings, restart: bool) -> None:
        """See the Protocol."""
        wanted = {self._service: dict(values)}
        events = apply(
            self._stack, wanted, by=self._by, force=self._force, record=False, restart=restart
        )
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                if isinstance(event, TuneDone) and event.exit_code:
                    raise DevstackError(event.message, event.remedy)
