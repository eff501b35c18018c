"""The runner and its real child process: what it reports, how it ends, and what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.bench import child
from devstack_tui.bench import runner as module
from devstack_tui.bench.catalogue import Catalogue, Entry, Sizes
from devstack_tui.bench.events import BenchEvent, RunEnded, RunResult, RunStarted
from devstack_tui.bench.runner import Runner, summarise
from devstack_tui.contracts.workload import Tick
from devstack_tui.core.errors import ConfigError, UnreachableError
from devstack_tui.core.fingerprint import host
from devstack_tui.core.histogram import Buckets, Histogram
from devstack_tui.core.history import History
from devstack_tui.core.paths import shipped
from devstack_tui.stack.stack import Stack
from devstack_tui.state import directories
from tests.unit import bench_child


@pytest.fixture
def cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the child says that it has removed its data."""
    path = tmp_path / "cleaned"
    program = (sys.executable, "-m", bench_child.__name__, str(path))
    monkeypatch.setattr(module, "PROGRAM", program)
    return path


def events_of(end: str, runs: int = 1) -> Any:
    stack = Stack("work")
    directories.make(stack.paths)
    service: Any = types.SimpleNamespace(name="fake")
    workload: Any = bench_child.Workload()
    entry = Entry(service, workload, Sizes("Fake", {"end": end}, {"end": end}))
    return Runner(stack, {entry.name: host()}).run([entry], "quick", runs)


async def test_its_seconds_are_the_events_that_are_kept(cleaned: Path) -> None:
    events: list[BenchEvent] = [event async for event in events_of("well", runs=2)]
    ticks = [event for event in events if isinstance(event, Tick)]
    assert [(tick.workload, tick.run, tick.second) for tick in ticks] == [
        ("fake.load", 1, 1),
        ("fake.load", 1, 2),
        ("fake.load", 2, 1),
        ("fake.load", 2, 2),
    ]
    assert (ticks[0].throughput, ticks[0].errors) == (3.0, {"Broken 7": 1})
    assert ticks[0].p50 == pytest.approx(2.0, rel=0.02)
    assert (ticks[1].throughput, ticks[1].p50, ticks[1].p99) == (0.0, None, None)
    results = [event.result for event in events if isinstance(event, RunEnded)]
    assert [result.ticks for result in results] == [tuple(ticks[:2]), tuple(ticks[2:])]
    assert results[0].throughput == pytest.approx(1.5)
    assert len(History.of(Stack("work").paths).list("bench")) == 2
    assert cleaned.read_text() == "cleaned\n"


async def test_a_process_that_dies_is_reported_with_its_last_sentence(cleaned: Path) -> None:
    events = [event async for event in events_of("dies")]
    ended = next(event for event in events if isinstance(event, RunEnded))
    assert ended.result.problem == "its process ended before the run did: the reason why"
    assert not cleaned.exists()


async def test_where_no_server_runs_nothing_is_written_and_nothing_is_to_be_healed(
    cleaned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRAM", (*module.PROGRAM, "down"))
    events = [event async for event in events_of("well")]
    (ended,) = [event.result for event in events if isinstance(event, RunEnded)]
    assert ended.problem == "Fake is down: nothing was run → `devstack-tui up fake` starts it"
    assert not cleaned.exists()
    assert not Stack("work").needs_healing()


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_a_run_that_is_left_stops_and_cleans_up(cleaned: Path, how: str) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with contextlib.aclosing(events_of("waits")) as events:
            async for event in events:
                if isinstance(event, RunStarted) and event.phase == "running":
                    begun.set()
                    if how == "closed":
                        return

    reader = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), 20)
    if how == "cancelled":
        reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader
    assert cleaned.read_text() == "cleaned\n"


def test_a_server_that_takes_connections_and_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A fake clock and a fake probe: a real one takes its time."""
    clock = [0.0]

    def probe(*_: object) -> None:
        clock[0] += child.PROBE_S
        raise UnreachableError("timeout")

    monkeypatch.setattr(child, "probe_once", probe)
    monkeypatch.setattr("devstack_tui.bench.child.time.monotonic", lambda: clock[0])
    known: Any = types.SimpleNamespace(title="PostgreSQL", name="postgres")
    with pytest.raises(UnreachableError, match="PostgreSQL has not answered for 15 s"):
        child._await_answer(known, None, threading.Event())  # type: ignore[arg-type]
    said = [child.decode(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert said == [child.Phase("waiting for PostgreSQL to answer", 1)] * 2
    monkeypatch.setattr(child, "probe_once", lambda *_: None)
    child._await_answer(known, None, threading.Event())  # type: ignore[arg-type]


def measured(**changed: Any) -> child.RunMeasured:
    """What the child reports of a run of a thousand requests."""
    latency = Histogram()
    latency.add(1.0, 1000)
    found = child.RunMeasured(
        1, 1000, 1000, 5.0, 1, latency.buckets(), {}, 0.1, 0.5, ("engine", "1"), {}
    )
    return msgspec.structs.replace(found, **changed)


def result_of(**changed: Any) -> RunResult:
    """Its result."""
    workload: Any = bench_child.Workload()
    service: Any = types.SimpleNamespace(name="fake")
    run = module._Run(Entry(service, workload, Sizes("Fake", {}, {})), "quick", 1, host())
    (event,) = run.take(measured(**changed))
    assert isinstance(event, RunEnded)
    return event.result


@pytest.mark.parametrize(("errors", "problem"), [(10, False), (11, True)])
def test_more_than_one_percent_of_errors_is_no_measurement(errors: int, problem: bool) -> None:
    assert bool(result_of(errors={"Broken": errors}).problem) is problem


@pytest.mark.parametrize(
    ("client", "server", "bound"),
    [(0.85, 0.5, False), (0.86, 0.5, True), (0.86, 0.86, False), (0.87, 0.86, True)],
)
def test_a_client_is_the_limit_where_it_is_busy_and_busier(
    client: float, server: float, bound: bool
) -> None:
    assert result_of(client_cpu=client, server_cpu=server).client_bound is bound


@pytest.mark.parametrize("changed", [{"operations": 0}, {"seconds": 0.0}, {"latency": Buckets()}])
def test_a_run_without_figures_is_no_measurement(changed: dict[str, Any]) -> None:
    assert result_of(**changed).problem == "nothing was measured"


def test_one_run_has_no_spread_and_most_runs_say_whether_it_was_steady() -> None:
    one = result_of()
    assert summarise([one]).spread is None
    slower = msgspec.structs.replace(one, throughput=100.0, steady=False, seconds=4.0)
    found = summarise([one, slower, slower])
    assert found.spread == pytest.approx(1.0)
    assert (found.steady, found.seconds) == (False, 4.0)
    assert summarise([one, slower]).steady is None


@pytest.mark.parametrize(
    ("seconds", "what"),
    [
        ("nan", "expected a finite number"),
        ("inf", "expected a finite number"),
        ("0", "must be above 0"),
        ("86401", "must be at most 86400"),
        ("86400", ""),
    ],
)
def test_the_seconds_of_a_run_are_a_number_within_bounds(
    homes: Path, seconds: str, what: str
) -> None:
    text = shipped("configs/workloads.toml").read_text(encoding="utf-8")
    path = homes / "config" / "devstack-tui" / "workloads.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("seconds = 60", f"seconds = {seconds}", 1), encoding="utf-8")
    if not what:
        Catalogue()
        return
    with pytest.raises(ConfigError, match=rf"workloads.toml:\d+: .*\.full\.seconds: {what}"):
        Catalogue()
