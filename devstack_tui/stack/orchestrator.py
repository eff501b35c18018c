"""Starting and stopping many services at once: a thread each, in the order of their needs."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from devstack_tui.contracts.engine import Engine, Run
from devstack_tui.contracts.model import Observation
from devstack_tui.contracts.registry import IDENTITY
from devstack_tui.contracts.server_home import Cancelled
from devstack_tui.contracts.service import Mendable, Service
from devstack_tui.core.errors import DevstackError, NotInstalledError, SaturatedError
from devstack_tui.core.event_stream import Emit, thread_events
from devstack_tui.core.events import Event, Phase, Progress
from devstack_tui.core.redact import brief, redact
from devstack_tui.identity import approle_login, rotation
from devstack_tui.stack.probing import probe_once
from devstack_tui.state import parameter_store

PROBE_TIMEOUT_S = 2.0
HEALTHY_WITHIN_S = 60.0
CROWDED_S = 5.0
"""How long a server that has just started may have no connection left for us: its clients come back
all at once."""
INTERRUPTED = "interrupted"


class _Reporter:
    """Turns what one service's thread reports into events, one for each change."""

    def __init__(self, name: str, emit: Emit[Event], cancelled: threading.Event) -> None:
        self.cancelled = cancelled
        self._name = name
        self._emit = emit
        self._last: tuple[Phase, str] | None = None
        self._since = time.time()

    def __call__(self, phase: Phase, detail: str = "", remedy: str = "") -> None:
        if self._last == (phase, detail):
            return
        if self._last is None or self._last[0] is not phase:
            self._since = time.time()
        self._last = (phase, detail)
        self._emit(Progress(self._name, phase, detail, remedy, since=self._since))


Work = Callable[[Service, _Reporter, Sequence[str]], bool]
"""What is done with a service; the names are those that it comes after and that failed."""


class Workers:
    """Runs one verb's services. `start` and `stop` yield `Progress` until every one is final."""

    def __init__(self, engine: Engine, tuned: Collection[str] = ()) -> None:
        """`tuned` are the services that start with values of the user's."""
        self._engine = engine
        self._tuned = tuned

    def start(self, chosen: Sequence[Service]) -> AsyncGenerator[Event, None]:
        """Each service as soon as what it requires is ready, and what it comes after has ended."""
        names = {service.name for service in chosen}
        needs = {
            service.name: [n for n in (*service.requires, *service.after) if n in names]
            for service in chosen
        }
        return self._run(chosen, needs, self._bring_up)

    def stop(self, chosen: Sequence[Service]) -> AsyncGenerator[Event, None]:
        """Each service as soon as those that need it are gone."""
        needs: dict[str, list[str]] = {service.name: [] for service in chosen}
        for service in chosen:
            for needed in (*service.requires, *service.after):
                if needed in needs:
                    needs[needed].append(service.name)
        return self._run(chosen, needs, self._bring_down)

    def _run(
        self,
        chosen: Sequence[Service],
        needs: Mapping[str, Sequence[str]],
        work: Work,
    ) -> AsyncGenerator[Event, None]:
        ended = {service.name: threading.Event() for service in chosen}
        succeeded: dict[str, bool] = {}

        def one(service: Service, report: _Reporter) -> None:
            try:
                known = self._known_before(service, report, work)
                if known is None:
                    for name in needs[service.name]:
                        report(Phase.WAITING, f"for {name}")
                        ended[name].wait()
                    known = self._turn(service, report, work, succeeded)
                succeeded[service.name] = known
            finally:
                ended[service.name].set()

        def every(emit: Emit[Event], cancelled: threading.Event) -> None:
            with ThreadPoolExecutor(len(chosen) or 1, thread_name_prefix="service") as pool:
                for service in chosen:
                    pool.submit(one, service, _Reporter(service.name, emit, cancelled))

        return thread_events(every)

    def _turn(
        self, service: Service, report: _Reporter, work: Work, succeeded: Mapping[str, bool]
    ) -> bool:
        """The work on a service once all that it waited for has ended."""
        lost = [n for n in service.requires if succeeded.get(n) is False]
        if work == self._bring_up and report.cancelled.is_set():
            report(Phase.SKIPPED, INTERRUPTED)
            return False
        if work == self._bring_up and lost:
            report(Phase.FAILED, f"{lost[0]} did not start")
            return False
        return work(service, report, [n for n in service.after if succeeded.get(n) is False])

    def _known_before(self, service: Service, report: _Reporter, work: Work) -> bool | None:
        """How the start of a service ends, where that is known without starting it."""
        try:
            if work == self._bring_up:
                self._engine.prepare(service, Run(report, report.cancelled))
        except Exception as error:
            return self._failed(service, report, error)
        return None

    def _bring_up(self, service: Service, report: _Reporter, without: Sequence[str]) -> bool:
        run = Run(report, report.cancelled)
        try:
            units = self._engine.units(service)
            complete = bool(units) and all(unit.running and unit.completed for unit in units)
            lacking = self._lacking(service) if complete else ""
            if complete and not lacking and self._ask(service)[1] == "":
                report(Phase.READY, "was running")
            else:
                if lacking:
                    report(Phase.PREPARING, lacking)
                with rotation.taken(self._engine, service, complete):
                    self._engine.start(service, run)
                report(Phase.PROBING, "")
                self._await_health(service, report, without)
        except Exception as error:
            return self._failed(service, report, error)
        return True

    def _lacking(self, service: Service) -> str:
        """What is spoilt of a service that runs, so that it is to be started once more."""
        if service.requires or service.name == IDENTITY:
            target = self._engine.target(service)
            if (
                lost := approle_login.lacking(target.secrets, service.secret)
                or approle_login.without_account(target.secrets, service)
                or approle_login.undeclared(service, self._engine.files(service))
            ):
                return lost
            server = service.server()
            if isinstance(server, Mendable):
                return server.lacking(target, self._engine.files(service))
        return ""

    def _failed(self, service: Service, report: _Reporter, error: Exception) -> bool:
        """Report why a start failed. Returns whether the stack is complete without the service."""
        if isinstance(error, NotInstalledError):
            phase = Phase.SKIPPED if service.optional else Phase.FAILED
            report(phase, error.message, error.remedy)
            return service.optional
        if isinstance(error, Cancelled):
            self._bring_down(service, report, (), INTERRUPTED)
        elif isinstance(error, DevstackError):
            report(Phase.FAILED, error.message, error.remedy or self._look(service.name))
        else:
            report(Phase.FAILED, brief(f"{type(error).__name__}: {redact(str(error))}"))
        return False

    def _look(self, name: str) -> str:
        """What to do about a server that did not come up."""
        undo = parameter_store.undo_command(name) if name in self._tuned else ""
        return f"look at `devstack-tui logs {name}`" + (
            f"; if it is for its tuned values: `{undo}`, also while it is down" if undo else ""
        )

    def _await_health(self, service: Service, report: _Reporter, without: Sequence[str]) -> None:
        """Probe until it passes. What a service lacks that comes before it, it will not get."""
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        logs = self._look(service.name)
        while True:
            if report.cancelled.is_set():
                raise Cancelled(f"interrupted while {service.name} was starting")
            try:
                seen, reason = self._ask(service)
            except SaturatedError as error:
                if time.monotonic() > deadline - HEALTHY_WITHIN_S + CROWDED_S:
                    raise
                seen, reason = None, error.message
            if seen is not None and not reason:
                report(Phase.READY, f"probe {seen.latency_ms:.1f} ms")
                return
            if seen is not None and without:
                raise DevstackError(f"runs without {', '.join(without)}: {reason}")
            if gone := self._engine.exit_reason(service):
                raise DevstackError(gone, logs)
            if time.monotonic() > deadline:
                raise DevstackError(f"not healthy within {HEALTHY_WITHIN_S:.0f} s: {reason}", logs)
            report(Phase.PROBING, reason)
            report.cancelled.wait(0.1)

    def _ask(self, service: Service) -> tuple[Observation | None, str]:
        """One probe: what it saw, and why the service is not healthy (empty when it is). Raises
        `SaturatedError`: a start helps nothing then."""
        target, files = self._engine.target(service), self._engine.files(service)
        try:
            seen = probe_once(service, target, PROBE_TIMEOUT_S, files)
        except SaturatedError:
            raise
        except DevstackError as error:
            return None, error.message
        return seen, "; ".join(seen.problems)

    def _bring_down(
        self, service: Service, report: _Reporter, _: Sequence[str], why: str = ""
    ) -> bool:
        try:
            gently = self._engine.stop(service, Run(report))
        except DevstackError as error:
            report(Phase.FAILED, error.message, error.remedy)
            return False
        except Exception as error:
            report(Phase.FAILED, brief(f"{type(error).__name__}: {redact(str(error))}"))
            return False
        killed = "" if gently else "had to be killed"
        report(Phase.STOPPED, ", ".join(filter(None, [why, killed])))
        return True
