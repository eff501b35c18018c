"""One look at a stack: what each service is, and why."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from devstack_tui.contracts.engine import UnitEvent
from devstack_tui.contracts.model import (
    Credentials,
    Endpoint,
    Installation,
    Observation,
    ServiceStatus,
    StackStatus,
    State,
    Target,
    UnitUsage,
    Usage,
)
from devstack_tui.contracts.service import Service
from devstack_tui.core import process
from devstack_tui.core.errors import NotInstalledError, UnreachableError
from devstack_tui.core.lock import Owner, StackLock
from devstack_tui.core.paths import StackPaths, config_home, shipped
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.engines.embedded.process_units import usage_of
from devstack_tui.health import monitor as module
from devstack_tui.health import watch as watching
from devstack_tui.health.monitor import Monitor
from devstack_tui.health.watch import Watch, at_once
from devstack_tui.stack.stack import Stack
from devstack_tui.stack.view import StackView
from devstack_tui.state import directories
from devstack_tui.state.settings import user_file

NOBODY = 2**22 + 1  # above the highest pid of any Linux


class FakeEngine:
    """A fake of the engine and of the probes: real servers cannot be held in a state such as
    "its process is there and it answers no more", nor be made to answer in so many ms."""

    name = "fake"

    def __init__(self) -> None:
        self.found: dict[str, list[UnitUsage]] = {}
        self.words: dict[str, str] = {}
        self.absent: dict[str, NotInstalledError] = {}
        self.answers: dict[str, Observation | Exception] = {}
        self.asked: list[str] = []
        self.slow: dict[str, threading.Event] = {}
        """Services whose answer comes when this is set."""

    def runs(self, name: str, *, pid: int = NOBODY, since: float = 3600.0) -> None:
        started = time.time() - since
        self.units_of(name).append(
            UnitUsage(f"{name}-0", pid, running=True, started_at=started, start_id=f"{pid}-1")
        )

    def died(self, name: str, words: str) -> None:
        self.units_of(name).append(UnitUsage(f"{name}-x", None, running=False))
        self.words[name] = words

    def units_of(self, name: str) -> list[UnitUsage]:
        return self.found.setdefault(name, [])

    def units(self, service: Service) -> Sequence[UnitUsage]:
        return self.units_of(service.name)

    def usage(self, service: Service) -> Mapping[str, Usage]:
        table = process.table()
        pids = {unit.unit: unit.pid for unit in self.units_of(service.name) if unit.pid}
        return {unit: usage_of(pid, table) for unit, pid in pids.items()}

    def watch(self, ended: threading.Event) -> Iterator[UnitEvent]:
        return self._changes(self._starts(), ended)

    def _changes(self, before: dict[str, str], ended: threading.Event) -> Iterator[UnitEvent]:
        while not ended.wait(0.005):
            now = self._starts()
            for unit in before.keys() | now.keys():
                if before.get(unit) != now.get(unit):
                    yield UnitEvent(unit, now.get(unit, ""))
            before = now

    def _starts(self) -> dict[str, str]:
        return {unit.unit: unit.start_id for found in list(self.found.values()) for unit in found}

    def exit_reason(self, service: Service) -> str:
        return self.words.get(service.name, "")

    def locate(self, service: Service) -> Installation:
        if service.name in self.absent:
            raise self.absent[service.name]
        return Installation(Path("/bin/x"), "7.0.15", "Redis", "7")

    def program(self, service: Service) -> str:
        return service.name

    def target(self, service: Service) -> Target:
        endpoint = Endpoint(service.scheme, "127.0.0.1", 1000, 2000)
        return Target(service.name, endpoint, {}, Credentials(), Path(__file__), Path("secrets"))

    def files(self, service: Service) -> RootedFiles:
        return RootedFiles(Path("no-such-directory") / service.name)

    def probe(self, service: Service, *_: object) -> Observation:
        self.asked.append(service.name)
        if service.name in self.slow:
            self.slow[service.name].wait(60)
        answer = self.answers.get(service.name, Observation(1.5, version="1"))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def paths() -> StackPaths:
    found = StackPaths.of("work")
    directories.make(found)
    return found


@pytest.fixture
async def monitor(
    engine: FakeEngine, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Monitor]:
    stack = Stack(paths.name)
    monkeypatch.setattr(stack, "engine", lambda: engine)
    monkeypatch.setattr(module, "probe_once", engine.probe)
    made = Monitor(stack)
    yield made
    made.close()


async def row(monitor: Monitor, name: str) -> ServiceStatus:
    found = (await monitor.look()).get(name)
    assert found is not None
    return found


SILENT = UnreachableError("connection refused")


async def test_a_service_that_does_its_work_is_healthy(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    engine.answers["redis"] = Observation(2.0, version="7.0.15", role="3 masters", tls="TLSv1.3")
    found = await row(monitor, "redis")
    assert (found.state, found.reason, found.remedy) == (State.HEALTHY, "", "")
    assert (found.version, found.role, found.tls) == ("7.0.15", "3 masters", "TLSv1.3")
    assert (found.endpoint, found.tls_endpoint) == ("127.0.0.1:1000", "127.0.0.1:2000")
    assert found.uptime_s == pytest.approx(3600, abs=60)
    assert found.approle == "redis-role"


async def test_a_service_that_answers_with_a_problem_is_degraded_with_every_reason(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    engine.answers["redis"] = Observation(2.0, problems=("2 slots are unassigned", "no replica"))
    found = await row(monitor, "redis")
    assert (found.state, found.reason) == (
        State.DEGRADED,
        "2 slots are unassigned; no replica",
    )
    assert "devstack-tui --stack work logs redis" in found.remedy


async def test_a_service_that_answers_without_one_of_its_units_is_degraded(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    engine.died("redis", "redis-x has ended: out of memory")
    found = await row(monitor, "redis")
    assert (found.state, found.reason) == (State.DEGRADED, "redis-x has ended: out of memory")


async def test_a_service_whose_processes_have_all_ended_is_down_and_not_asked(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.died("redis", "redis-x has ended: out of memory")
    found = await row(monitor, "redis")
    assert (found.state, found.reason) == (State.DOWN, "redis-x has ended: out of memory")
    assert "devstack-tui --stack work logs redis" in found.remedy
    assert engine.asked == []


async def test_a_service_without_a_process_is_down_even_when_nobody_knows_why(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.died("redis", "")
    assert (await row(monitor, "redis")).state is State.DOWN


async def test_a_young_process_that_does_not_answer_yet_is_starting(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis", since=1.0)
    engine.answers["redis"] = SILENT
    found = await row(monitor, "redis")
    assert (found.state, found.reason) == (State.STARTING, "connection refused")
    assert found.remedy == ""


async def test_an_old_process_that_does_not_answer_is_down(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis", since=module.STARTING_S + 1)
    engine.answers["redis"] = SILENT
    found = await row(monitor, "redis")
    assert found.state is State.DOWN
    assert found.reason == "it runs, but its probe failed: connection refused"
    assert "devstack-tui --stack work restart redis" in found.remedy


async def test_a_young_process_that_has_answered_once_and_does_no_more_is_down(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis", since=1.0)
    assert (await row(monitor, "redis")).state is State.HEALTHY
    engine.answers["redis"] = SILENT
    assert (await row(monitor, "redis")).state is State.DOWN


async def test_a_new_process_of_a_service_that_had_answered_is_starting(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    await monitor.look()
    engine.found["redis"] = []
    engine.runs("redis", pid=NOBODY + 1, since=1.0)
    engine.answers["redis"] = SILENT
    assert (await row(monitor, "redis")).state is State.STARTING


async def test_a_silent_service_of_which_a_unit_has_ended_is_down_however_young(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis", since=1.0)
    engine.died("redis", "redis-x has ended: bad option")
    engine.answers["redis"] = SILENT
    found = await row(monitor, "redis")
    assert found.state is State.DOWN
    assert "redis-x has ended: bad option" in found.reason


async def test_the_probes_own_remedy_is_kept_and_works_as_it_stands(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("vault")
    engine.answers["vault"] = UnreachableError("sealed", "`devstack-tui up vault` unseals it")
    assert (await row(monitor, "vault")).remedy == "`devstack-tui --stack work up vault` unseals it"


async def test_a_service_without_units_is_stopped_and_says_how_to_start_it(
    monitor: Monitor,
) -> None:
    found = await row(monitor, "redis")
    assert (found.state, found.reason, found.version) == (State.STOPPED, "", "7.0.15")
    assert found.remedy == "devstack-tui --stack work up redis"
    assert found.latency_ms.samples == 0


async def test_a_service_whose_program_is_not_here_is_absent_with_the_remedy(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.absent["redis"] = NotInstalledError("Redis is not on this machine", "apt-get …")
    found = await row(monitor, "redis")
    assert (found.state, found.reason, found.remedy) == (
        State.ABSENT,
        "Redis is not on this machine",
        "apt-get …",
    )
    assert found.required


async def test_an_optional_service_that_is_not_here_is_not_required(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.absent["forgejo"] = NotInstalledError("Forgejo is not on this machine", "get it")
    assert not (await row(monitor, "forgejo")).required


async def test_an_optional_service_that_was_started_and_died_is_required(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.died("forgejo", "forgejo has ended")
    assert (await row(monitor, "forgejo")).required


async def test_a_stack_is_healthy_when_every_required_service_is(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.absent["forgejo"] = NotInstalledError("Forgejo is not on this machine", "get it")
    first = await monitor.look()
    assert not first.healthy
    for found in first.services:
        if found.name != "forgejo":
            engine.runs(found.name)
    assert (await monitor.look()).healthy
    engine.answers["mysql"] = Observation(1.0, problems=("read only",))
    assert not (await monitor.look()).healthy


# -- a verb that works on the stack ------------------------------------------------------------


async def test_a_silent_service_is_stopping_while_a_down_runs(
    monitor: Monitor, engine: FakeEngine, paths: StackPaths
) -> None:
    engine.runs("redis")
    engine.answers["redis"] = SILENT
    lock = StackLock(paths.lock, "down")
    assert lock.try_acquire() is None
    with lock:
        status = await monitor.look()
    found = status.get("redis")
    assert found is not None
    assert found.state is State.STOPPING
    assert (status.busy, status.busy_pid) == ("down", os.getpid())
    assert (await monitor.look()).busy == ""


# -- numbers -----------------------------------------------------------------------------------


async def test_the_percentiles_are_of_the_last_probes(monitor: Monitor, engine: FakeEngine) -> None:
    engine.runs("redis")
    for number in range(1, 101):
        engine.answers["redis"] = Observation(float(number))
        found = await row(monitor, "redis")
    latency = found.latency_ms
    assert latency.samples == module.WINDOW == 60
    assert latency.recent == tuple(float(number) for number in range(41, 101))
    assert latency.p50 is not None
    assert latency.p95 is not None
    assert 70 <= latency.p50 <= 71
    assert 96 <= latency.p95 <= 98


async def test_one_probe_is_its_own_percentiles(monitor: Monitor, engine: FakeEngine) -> None:
    engine.runs("redis")
    engine.answers["redis"] = Observation(3.25)
    found = (await row(monitor, "redis")).latency_ms
    assert (found.p50, found.p95, found.samples, found.recent) == (3.25, 3.25, 1, (3.25,))


async def test_the_percentiles_of_a_service_begin_anew_after_its_death(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    await monitor.look()
    engine.found["redis"] = []
    engine.died("redis", "redis-x has ended")
    await monitor.look()
    engine.found["redis"] = []
    engine.words.clear()
    engine.runs("redis")
    assert (await row(monitor, "redis")).latency_ms.samples == 1


BUSY = "import sys\nprint('up', flush=True)\nwhile True: pass"


async def test_cpu_and_memory_are_those_of_the_real_process(
    monitor: Monitor, engine: FakeEngine, python: Callable[..., subprocess.Popen[str]]
) -> None:
    busy = python(BUSY)
    assert busy.stdout is not None
    assert busy.stdout.readline() == "up\n"
    engine.runs("redis", pid=busy.pid)
    first = await row(monitor, "redis")
    assert first.cpu_percent is None, "one look has nothing to compare with"
    assert first.memory_bytes is not None
    assert first.memory_bytes > 1 << 20
    found = first
    for _ in range(10_000):  # a look may be shorter than the tick in which time is counted
        found = await row(monitor, "redis")
        if found.cpu_percent:
            break
    assert found.cpu_percent
    assert found.units[0].memory_bytes == found.memory_bytes
    busy.kill()
    busy.wait()
    engine.units_of("redis").clear()
    engine.died("redis", "it was killed")
    for _ in range(2):
        gone = await row(monitor, "redis")
        assert (gone.cpu_percent, gone.memory_bytes, gone.uptime_s) == (None, None, None)


# -- watching ----------------------------------------------------------------------------------


async def test_a_watch_looks_again_at_once_when_it_is_woken(monitor: Monitor) -> None:
    wake = asyncio.Event()
    looks = Watch(monitor, 3600.0, wake).updates()
    await anext(looks)
    following = asyncio.ensure_future(anext(looks))
    await asyncio.sleep(0)
    wake.set()
    await asyncio.wait_for(following, 30)
    await looks.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked", [True, False], ids=["while it waits", "before it goes on"])
async def test_a_watch_looks_again_when_a_process_dies(
    monitor: Monitor, engine: FakeEngine, asked: bool
) -> None:
    engine.runs("redis")
    looks = Watch(monitor, 3600.0, asyncio.Event()).updates()
    await anext(looks)
    following = asyncio.ensure_future(anext(looks)) if asked else None
    await asyncio.sleep(0)
    engine.found["redis"] = []
    engine.died("redis", "redis-x has ended")
    found = (await asyncio.wait_for(following or anext(looks), 30)).get("redis")
    assert found and found.state is State.DOWN
    await looks.aclose()  # type: ignore[attr-defined]


async def test_a_watch_looks_again_when_a_verb_begins(
    monitor: Monitor, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GLANCE_S", 0.005)
    looks = Watch(monitor, 3600.0, asyncio.Event()).updates()
    await anext(looks)
    following = asyncio.ensure_future(anext(looks))
    await asyncio.sleep(0)
    lock = StackLock(paths.lock, "up")
    assert lock.try_acquire() is None
    with lock:
        assert (await asyncio.wait_for(following, 30)).busy == "up"
    await looks.aclose()  # type: ignore[attr-defined]


async def test_a_full_disk_is_named_as_the_cause(
    monitor: Monitor, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.runs("postgres")
    engine.answers["postgres"] = SILENT
    monkeypatch.setattr(directories, "FULL_BYTES", 1 << 62)
    found = await row(monitor, "postgres")
    assert found.state is State.DOWN
    assert found.reason.startswith("the disk is full at ")
    assert "free some space" in found.remedy


async def test_what_a_service_reports_of_another_is_mended_there(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("reference_api")
    engine.died("redis", "redis has ended: killed")
    engine.answers["reference_api"] = Observation(1.0, problems=("redis: it is refused",))
    api, redis = await row(monitor, "reference_api"), await row(monitor, "redis")
    assert (
        api.remedy
        == redis.remedy
        == ("devstack-tui --stack work logs redis; devstack-tui --stack work restart redis")
    )
    engine.answers["reference_api"] = Observation(1.0, problems=("it is slow",))
    assert "restart reference_api" in (await row(monitor, "reference_api")).remedy


async def until_seen(
    looks: AsyncIterator[StackStatus], name: str, state: State, reason: str = ""
) -> ServiceStatus:
    async with asyncio.timeout(60):
        async for status in looks:
            found = status.get(name)
            if found is not None and found.state is state and reason in found.reason:
                return found
    raise AssertionError("the watch ended")


async def test_a_death_is_shown_while_another_service_has_not_answered_yet(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    engine.runs("mysql")
    wake = asyncio.Event()
    looks = Watch(monitor, 3600.0, wake).updates()
    await anext(looks)
    engine.slow["mysql"] = threading.Event()
    wake.set()
    engine.found["redis"] = []
    engine.died("redis", "redis-x has ended: bad option")
    try:
        await until_seen(looks, "redis", State.DOWN, "bad option")
    finally:
        engine.slow["mysql"].set()
    await looks.aclose()  # type: ignore[attr-defined]


async def test_what_a_unit_answered_before_it_ended_is_not_shown_any_more(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    wake = asyncio.Event()
    looks = Watch(monitor, 3600.0, wake).updates()
    await anext(looks)
    slow = engine.slow["redis"] = threading.Event()
    following = asyncio.ensure_future(anext(looks))
    wake.set()
    async with asyncio.timeout(60):
        while engine.asked.count("redis") < 2:
            await asyncio.sleep(0.001)
    engine.found["redis"] = []
    engine.died("redis", "redis-x has ended: bad option")
    found = (await asyncio.wait_for(following, 60)).get("redis")
    assert found
    assert (found.state, found.reason) == (State.DOWN, "redis-0 has ended")
    slow.set()
    async with asyncio.timeout(60):
        async for status in looks:
            row = status.get("redis")
            assert row
            assert row.state is State.DOWN
            if "bad option" in row.reason:
                break
    await looks.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "kept",
    [
        lambda: StackPaths.of("work").root / "history.db",
        lambda: StackPaths.of("work").root / "tuning.json",
        lambda: config_home() / "baselines/here.json",
        lambda: config_home() / "profiles/mine.toml",
    ],
)
async def test_at_rest_what_was_recorded_is_reported_and_nobody_is_asked(
    monitor: Monitor,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    kept: Callable[[], Path],
) -> None:
    monkeypatch.setattr(watching, "GLANCE_S", 0.005)
    engine.runs("redis")
    looks = Watch(monitor, 0.01, asyncio.Event(), lambda: True).updates()
    first = await anext(looks)
    asked = len(engine.asked)
    kept().parent.mkdir(parents=True, exist_ok=True)
    kept().write_text("a result")
    second = await asyncio.wait_for(anext(looks), 60)
    assert second.recorded != first.recorded
    assert (second.at, second.services) == (first.at, first.services)
    assert len(engine.asked) == asked
    await looks.aclose()  # type: ignore[attr-defined]


async def test_at_rest_a_stack_is_looked_at_when_a_verb_has_ended_and_not_while_it_runs(
    monitor: Monitor, engine: FakeEngine, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GLANCE_S", 0.005)
    engine.runs("redis")
    looks = Watch(monitor, 0.01, asyncio.Event(), lambda: True).updates()
    first = await anext(looks)
    asked = len(engine.asked)
    lock = StackLock(paths.lock, "drill")
    assert lock.try_acquire() is None
    with lock:
        async with asyncio.timeout(60):
            async for during in looks:  # the lock is taken before it names its owner
                if during.busy == "drill":
                    break
        assert (during.at, len(engine.asked)) == (first.at, asked)
        engine.found["redis"] = []
        engine.died("redis", "redis-x has ended")
        found = await until_seen(looks, "redis", State.DOWN, "redis-0 has ended")
        assert found.latency_ms.samples == 0
    async with asyncio.timeout(60):
        async for status in looks:
            if not status.busy:
                break
    assert status.at > first.at
    await looks.aclose()  # type: ignore[attr-defined]


async def test_at_rest_a_service_that_recovers_after_an_event_is_seen_to(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    looks = Watch(monitor, 0.01, asyncio.Event(), lambda: True).updates()
    await anext(looks)
    engine.answers["redis"] = Observation(1.0, problems=("2 of 6 nodes answer",))
    engine.found["redis"] = []
    engine.runs("redis", pid=NOBODY + 1)
    await until_seen(looks, "redis", State.DEGRADED, "2 of 6")
    engine.answers["redis"] = Observation(1.0)
    await until_seen(looks, "redis", State.HEALTHY)
    following = asyncio.ensure_future(anext(looks))
    asked = len(engine.asked)
    await asyncio.wait([following], timeout=0.2)
    assert (following.done(), len(engine.asked)) == (False, asked), "it rests again"
    following.cancel()


async def test_after_a_rest_nothing_old_is_shown_as_of_now(
    monitor: Monitor, engine: FakeEngine
) -> None:
    engine.runs("redis")
    wake, rests = asyncio.Event(), [True]
    looks = Watch(monitor, 0.01, wake, lambda: rests[0]).updates()
    assert (await anext(looks)).get("redis")
    engine.answers["redis"] = Observation(9.0, problems=("read only",))
    engine.slow["redis"] = threading.Event()
    following = asyncio.ensure_future(anext(looks))
    rests[0] = False
    wake.set()
    async with asyncio.timeout(60):
        while engine.asked.count("redis") < 2:
            await asyncio.sleep(0.001)
    assert not following.done(), "an old row was shown as of now"
    engine.slow["redis"].set()
    found = (await asyncio.wait_for(following, 60)).get("redis")
    assert found
    assert found.state is State.DEGRADED
    await looks.aclose()  # type: ignore[attr-defined]


async def test_a_service_that_is_switched_off_or_on_in_the_settings_is_followed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GLANCE_S", 0.005)
    monkeypatch.setattr(monitor, "_stack", StackView("work"))
    looks = Watch(monitor, 3600.0, asyncio.Event(), lambda: True).updates()
    assert (await anext(looks)).get("mysql")
    text = shipped("configs/stack.toml").read_text()
    own = user_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    off = "[services.mysql]\nenabled = "
    own.write_text(text.replace(f"{off}true", f"{off}false", 1))
    async with asyncio.timeout(60):
        async for status in looks:
            if status.get("mysql") is None:
                break
    await looks.aclose()  # type: ignore[attr-defined]


def unit(name: str, running: bool = True) -> UnitUsage:
    return UnitUsage(name, 1 if running else None, running, start_id="1-1" if running else "")


ONE, TWO = (unit("redis-1"),), (unit("redis-1"), unit("redis-2"))


@pytest.mark.parametrize(
    ("units", "start", "verb", "state", "reason"),
    [
        (ONE, "", "", State.DOWN, "redis-1 has ended"),
        (TWO, "", "", State.DEGRADED, "redis-1 has ended"),
        (ONE, "", "down", State.STOPPING, "`down` runs (pid 7): redis-1 has ended"),
        (TWO, "", "restart", State.STOPPING, "`restart` runs (pid 7): redis-1 has ended"),
        (TWO, "", "drill", State.DEGRADED, "redis-1 has ended"),
        (ONE, "2-2", "restart", State.STARTING, "redis-1 was started"),
        (TWO, "2-2", "", State.DEGRADED, "redis-1 was started"),
        ((unit("redis-1", running=False),), "2-2", "", State.STARTING, "redis-1 was started"),
    ],
)
def test_what_happens_to_a_unit_is_in_its_row_at_once(
    units: tuple[UnitUsage, ...], start: str, verb: str, state: State, reason: str
) -> None:
    row = ServiceStatus("redis", "Redis", State.HEALTHY, True, units=units, uptime_s=5.0)
    found = at_once(row, UnitEvent("redis-1", start), Owner(7, verb, 0.0) if verb else None)
    assert (found.state, found.reason) == (state, reason)
    assert found.remedy
    assert found.units[0].running == bool(start)
    kept = any(one.running for one in found.units) and state is not State.STARTING
    assert (found.uptime_s == 5.0) == kept
