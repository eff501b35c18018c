"""Many services at once: in the order of their needs, and interrupted as one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import pytest

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.model import (
    Credentials,
    Endpoint,
    Observation,
    ServiceSettings,
    Target,
    UnitUsage,
)
from devstack_tui.contracts.server_home import Cancelled
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.events import Event, Phase, Progress
from devstack_tui.core.lock import Owner, StackLock
from devstack_tui.core.programs import Hint
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.stack import orchestrator as module
from devstack_tui.stack.orchestrator import Workers
from devstack_tui.stack.stack import Stack


def made(name: str, **more: object) -> Service:
    return Service(name, name.title(), "tcp", ServiceSettings, Hint(), **more)  # type: ignore[arg-type]


VAULT = made("vault", requires=())
POSTGRES = made("postgres")
REDIS = made("redis")
API = made("api", after=("postgres", "redis"))
FORGEJO = made("forgejo", optional=True, after=("postgres",))
ALL = (API, FORGEJO, REDIS, POSTGRES, VAULT)


class FakeEngine:
    """A fake: the order of real servers is theirs to choose, and they do not fail on demand.

    `faults` are raised by the start of a service, `held` services start until their event is set
    or they are interrupted.
    """

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.running: set[str] = set()
        self.faults: dict[str, Exception] = {}
        self.unprepared: dict[str, Exception] = {}
        self.held: dict[str, threading.Event] = {}
        self.problems: dict[str, list[str]] = {}
        self.dead: dict[str, str] = {}
        self.gently = True
        self.complete = True

    def free_offset(self, base: Iterable[int], reserved: Iterable[int]) -> int:  # noqa: ARG002
        return 100

    def prepare(self, service: Service, run: Run) -> None:  # noqa: ARG002
        if service.name in self.unprepared:
            raise self.unprepared[service.name]

    def start(self, service: Service, run: Run) -> None:
        self.calls.append(f"start {service.name}")
        run.say(Phase.STARTING, "")
        if service.name in self.faults:
            raise self.faults[service.name]
        self.running.add(service.name)
        held = self.held.get(service.name)
        while held and not held.wait(0.01):
            if run.cancelled.is_set():
                raise Cancelled(f"interrupted while {service.name} was starting")
        self.calls.append(f"started {service.name}")

    def stop(self, service: Service, run: Run) -> bool:  # noqa: ARG002
        self.calls.append(f"stop {service.name}")
        if service.name in self.faults:
            raise self.faults[service.name]
        self.running.discard(service.name)
        self.calls.append(f"stopped {service.name}")
        return self.gently

    def units(self, service: Service) -> Sequence[UnitUsage]:
        known = service.name in self.running
        return [UnitUsage(service.name, 1, running=True, completed=self.complete)] if known else []

    def exit_reason(self, service: Service) -> str:
        return self.dead.get(service.name, "")

    def target(self, service: Service) -> Target:
        endpoint = Endpoint("tcp", "127.0.0.1", 1)
        return Target(service.name, endpoint, {}, Credentials(), Path("ca"), Path("secrets"))

    def files(self, service: Service) -> RootedFiles:  # noqa: ARG002
        """None is there."""
        return RootedFiles(Path("nowhere"))

    def probe(self, service: Service, *_: object) -> Observation:
        found = self.problems.get(service.name, [])
        return Observation(1.0, problems=(found.pop(0),) if found else ())

    def recover(self) -> Sequence[str]:
        return []

    def before(self, first: str, second: str) -> bool:
        return self.calls.index(first) < self.calls.index(second)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    found = FakeEngine()
    monkeypatch.setattr(module, "probe_once", found.probe)
    return found


async def run(events: AsyncIterator[Event]) -> list[Progress]:
    return [event async for event in events if isinstance(event, Progress)]


def ends(events: Sequence[Progress]) -> dict[str, Phase]:
    return {event.service: event.phase for event in events}


def of(events: Sequence[Progress], name: str) -> list[Progress]:
    return [event for event in events if event.service == name]


async def test_every_service_starts_after_what_it_requires_and_what_it_comes_after(
    engine: FakeEngine,
) -> None:
    events = await run(Workers(engine).start(ALL))
    assert set(ends(events).values()) == {Phase.READY}
    for name in ("postgres", "redis", "api", "forgejo"):
        assert engine.before("started vault", f"start {name}")
    assert engine.before("started postgres", "start api")
    assert engine.before("started redis", "start api")


async def test_services_that_do_not_need_each_other_start_at_once(engine: FakeEngine) -> None:
    # Each is held until the other has begun: one after the other would never end.
    began = {"postgres": threading.Event(), "redis": threading.Event()}
    engine.held = {"postgres": began["redis"], "redis": began["postgres"]}
    real = engine.start

    def start(service: Service, run: Run) -> None:
        if service.name in began:
            began[service.name].set()
        real(service, run)

    engine.start = start  # type: ignore[method-assign]
    events = await run(Workers(engine).start((VAULT, POSTGRES, REDIS)))
    assert set(ends(events).values()) == {Phase.READY}


async def test_what_is_waited_for_is_told(engine: FakeEngine) -> None:
    events = await run(Workers(engine).start((VAULT, POSTGRES)))
    first = of(events, "postgres")[0]
    assert (first.phase, first.detail) == (Phase.WAITING, "for vault")


async def test_when_the_identity_service_fails_its_dependents_fail_unstarted(
    engine: FakeEngine,
) -> None:
    engine.faults["vault"] = DevstackError("port 18200 is taken", "move it")
    events = await run(Workers(engine).start((VAULT, POSTGRES, REDIS)))
    assert set(ends(events).values()) == {Phase.FAILED}
    assert of(events, "vault")[-1].remedy == "move it"
    assert of(events, "redis")[-1].detail == "vault did not start"
    assert [call for call in engine.calls if call.startswith("start ")] == ["start vault"]


async def test_what_keeps_a_service_from_starting_is_reported_before_others_have_come(
    engine: FakeEngine,
) -> None:
    engine.held["vault"] = threading.Event()
    engine.unprepared["postgres"] = DevstackError("port 15432 is taken", "move it")
    async with contextlib.aclosing(Workers(engine).start((VAULT, POSTGRES))) as events:
        async for event in events:
            if isinstance(event, Progress) and event.service == "postgres":
                assert (event.phase, event.detail) == (Phase.FAILED, "port 15432 is taken")
                engine.held["vault"].set()
    assert "started vault" in engine.calls
    assert "start postgres" not in engine.calls


async def test_a_service_starts_although_what_it_only_comes_after_failed(
    engine: FakeEngine,
) -> None:
    engine.faults["postgres"] = DevstackError("no")
    events = await run(Workers(engine).start((VAULT, POSTGRES, REDIS, API)))
    assert ends(events) == {
        "vault": Phase.READY,
        "postgres": Phase.FAILED,
        "redis": Phase.READY,
        "api": Phase.READY,
    }


async def test_a_service_is_not_waited_for_to_get_what_did_not_start(
    engine: FakeEngine,
) -> None:
    engine.faults["postgres"] = DevstackError("no")
    engine.problems["api"] = ["postgres does not answer"] * 1000
    last = of(await run(Workers(engine).start((VAULT, POSTGRES, API))), "api")[-1]
    assert last.phase.final
    assert "without postgres" in last.detail
    assert "postgres does not answer" in last.detail
    assert engine.running == {"vault", "api"}


async def test_an_optional_service_that_is_not_here_is_skipped_with_the_reason(
    engine: FakeEngine,
) -> None:
    engine.faults["forgejo"] = NotInstalledError("Forgejo is not on this machine", "get it")
    events = await run(Workers(engine).start((VAULT, POSTGRES, FORGEJO)))
    last = of(events, "forgejo")[-1]
    assert (last.phase, last.detail, last.remedy) == (
        Phase.SKIPPED,
        "Forgejo is not on this machine",
        "get it",
    )


async def test_a_needed_service_that_is_not_here_has_failed(engine: FakeEngine) -> None:
    engine.faults["redis"] = NotInstalledError("Redis is not on this machine", "get it")
    events = await run(Workers(engine).start((VAULT, REDIS)))
    assert ends(events)["redis"] is Phase.FAILED


async def test_a_fault_of_ours_is_one_sentence_without_secrets(engine: FakeEngine) -> None:
    engine.faults["redis"] = KeyError("password=hunter2hunter2")
    events = await run(Workers(engine).start((VAULT, REDIS)))
    last = of(events, "redis")[-1]
    assert last.phase is Phase.FAILED
    assert last.detail.startswith("KeyError: ")
    assert "hunter2" not in last.detail


async def test_a_service_that_is_up_and_healthy_is_left_alone(engine: FakeEngine) -> None:
    engine.running = {"vault", "redis"}
    events = await run(Workers(engine).start((VAULT, REDIS)))
    assert engine.calls == []
    assert {event.detail for event in events if event.phase is Phase.READY} == {"was running"}


async def test_a_service_that_runs_but_is_not_healthy_is_started_again(
    engine: FakeEngine,
) -> None:
    engine.running = {"vault"}
    engine.problems["vault"] = ["sealed"]
    events = await run(Workers(engine).start((VAULT,)))
    assert engine.calls == ["start vault", "started vault"]
    assert ends(events) == {"vault": Phase.READY}


async def test_a_service_whose_start_was_cut_short_is_started_again(engine: FakeEngine) -> None:
    engine.running = {"vault"}
    engine.complete = False
    await run(Workers(engine).start((VAULT,)))
    assert engine.calls == ["start vault", "started vault"]


async def test_a_service_is_ready_when_its_probe_finds_no_problem_any_more(
    engine: FakeEngine,
) -> None:
    engine.problems["vault"] = ["no leader", "slots are missing"]
    events = await run(Workers(engine).start((VAULT,)))
    told = [(event.phase, event.detail) for event in events]
    assert told == [
        (Phase.STARTING, ""),
        (Phase.PROBING, ""),
        (Phase.PROBING, "no leader"),
        (Phase.PROBING, "slots are missing"),
        (Phase.READY, "probe 1.0 ms"),
    ]


async def test_a_server_that_dies_before_its_probe_passes_has_failed_at_once(
    engine: FakeEngine,
) -> None:
    engine.problems["vault"] = ["not yet"] * 1000
    engine.dead["vault"] = "vault has ended: no space left"
    events = await run(Workers(engine).start((VAULT,)))
    last = events[-1]
    assert (last.phase, last.detail) == (Phase.FAILED, "vault has ended: no space left")
    assert "logs vault" in last.remedy


async def test_a_service_that_never_becomes_healthy_fails_with_what_is_wrong(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEALTHY_WITHIN_S", 0.0)
    engine.problems["vault"] = ["sealed"] * 1000
    events = await run(Workers(engine).start((VAULT,)))
    assert events[-1].phase is Phase.FAILED
    assert events[-1].detail.endswith("sealed")


# -- stopping ----------------------------------------------------------------------------------


async def test_services_stop_in_reverse_order_of_their_needs(engine: FakeEngine) -> None:
    events = await run(Workers(engine).stop(ALL))
    assert set(ends(events).values()) == {Phase.STOPPED}
    assert engine.before("stopped api", "stop postgres")
    assert engine.before("stopped api", "stop redis")
    for name in ("postgres", "redis", "api", "forgejo"):
        assert engine.before(f"stopped {name}", "stop vault")


async def test_what_had_to_be_killed_is_said(engine: FakeEngine) -> None:
    engine.gently = False
    (event,) = await run(Workers(engine).stop((VAULT,)))
    assert (event.phase, event.detail) == (Phase.STOPPED, "had to be killed")


async def test_a_service_that_cannot_be_stopped_does_not_keep_the_others_up(
    engine: FakeEngine,
) -> None:
    engine.faults["postgres"] = PermissionError("not yours")
    events = await run(Workers(engine).stop((VAULT, POSTGRES, REDIS)))
    assert ends(events) == {
        "vault": Phase.STOPPED,
        "postgres": Phase.FAILED,
        "redis": Phase.STOPPED,
    }


async def test_what_was_stopped_can_be_started_by_the_same_workers(engine: FakeEngine) -> None:
    engine.running = {"vault", "redis"}
    workers = Workers(engine)
    await run(workers.stop((VAULT, REDIS)))
    events = await run(workers.start((VAULT, REDIS)))
    assert ends(events) == {"vault": Phase.READY, "redis": Phase.READY}
    assert engine.running == {"vault", "redis"}


# -- interrupting ------------------------------------------------------------------------------


Reached = Callable[[Progress], bool]


async def leave(events: AsyncIterator[Event], reached: Reached) -> None:
    """Read until an event, then turn away, as who writes to a closed pipe does."""
    async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]
        async for event in stream:
            if isinstance(event, Progress) and reached(event):
                break


async def cancel(events: AsyncIterator[Event], reached: Reached) -> None:
    """Read until an event, then be cancelled, as by ctrl-C."""
    here = asyncio.Event()

    async def read() -> None:
        async for event in events:
            if isinstance(event, Progress) and reached(event):
                here.set()

    task = asyncio.ensure_future(read())
    await asyncio.wait_for(here.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def starting(name: str) -> Reached:
    return lambda event: event.service == name and event.phase is Phase.STARTING


interrupted = pytest.mark.parametrize("interrupt", [leave, cancel], ids=["left", "cancelled"])
Interrupt = Callable[[AsyncIterator[Event], Reached], Awaitable[None]]


@interrupted
async def test_an_interrupt_stops_what_is_on_its_way_and_keeps_what_is_ready(
    interrupt: Interrupt, engine: FakeEngine
) -> None:
    engine.held["redis"] = threading.Event()
    await interrupt(Workers(engine).start((VAULT, REDIS)), starting("redis"))
    assert engine.running == {"vault"}
    assert "stopped redis" in engine.calls
    assert "stop vault" not in engine.calls


@interrupted
async def test_an_interrupt_starts_nothing_that_was_still_waiting(
    interrupt: Interrupt, engine: FakeEngine
) -> None:
    engine.held["redis"] = threading.Event()
    await interrupt(Workers(engine).start((VAULT, REDIS, API)), starting("redis"))
    assert engine.running == {"vault"}
    assert "start api" not in engine.calls


@interrupted
async def test_an_interrupt_while_the_probe_is_awaited_stops_the_service(
    interrupt: Interrupt, engine: FakeEngine
) -> None:
    engine.problems["vault"] = ["not yet"] * 100_000
    await interrupt(Workers(engine).start((VAULT,)), lambda event: event.detail == "not yet")
    assert engine.running == set()


@interrupted
async def test_the_lock_is_kept_until_what_was_interrupted_has_stopped(
    interrupt: Interrupt, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack("work")
    monkeypatch.setattr(stack, "_engine", lambda _: engine)
    engine.held["redis"] = threading.Event()
    owners: list[Owner | None] = []
    real = engine.stop

    def stop(service: Service, run: Run) -> bool:
        owners.append(StackLock.holder(stack.paths.lock))
        return real(service, run)

    engine.stop = stop  # type: ignore[method-assign]
    await interrupt(stack.up(["redis"]), starting("redis"))
    assert [owner and owner.verb for owner in owners] == ["up"]
    assert StackLock.holder(stack.paths.lock) is None
