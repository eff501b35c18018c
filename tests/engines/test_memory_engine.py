"""What drives a stack needs nothing but the Engine contract: here on one without a process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import msgspec
import pytest

from devstack_tui.cli.main import main
from devstack_tui.contracts.engine import Feature, Run
from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.tunable import (
    Advice,
    Apply,
    Effective,
    Kind,
    Parameter,
    Problem,
    Reading,
    Share,
)
from devstack_tui.core.journal import Journal
from devstack_tui.drill.fault_injector import StackFaultInjector
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from tests.engines.conftest import memory_stack
from tests.engines.memory import MemoryEngine, MemoryFiles

POSTGRES = service("postgres")
ANSWERING = ("health.monitor", "drill.restart", "drill.fault_injector", "stack.parameter_apply")
"""Where a probe would ask the server."""
RUNNING = ("vault", "postgres", "redis")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack of three services that run in memory, and answer where they would."""
    with memory_stack(monkeypatch, RUNNING) as found:
        engine = found.engine()
        assert isinstance(engine, MemoryEngine)
        for module in ANSWERING:
            monkeypatch.setattr(f"devstack_tui.{module}.probe_once", engine.answer)
        yield found


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    main(["--stack", "m", "status", "--json"])
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["services"]}


@pytest.fixture
def injector(stack: Stack) -> StackFaultInjector:
    return StackFaultInjector(stack.engine(), Journal(stack.paths.journal), POSTGRES)


@pytest.mark.usefixtures("stack")
def test_health_is_judged_without_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert {name for name, row in found.items() if row["state"] == "healthy"} == set(RUNNING)
    assert found["mysql"]["state"] == "stopped"
    assert found["postgres"]["memory_bytes"] == 2_000_000
    assert found["postgres"]["cpu_percent"] in (None, 0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.KILL, "postgres has ended: ended by kill"),
        (Fault.FREEZE, "it runs, but its probe failed: no answer in time"),
    ],
)
def test_a_unit_that_ended_or_is_held_still_is_down_with_its_reason(
    fault: Fault, reason: str, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = stack.engine()
    handle = engine.aim(POSTGRES, ["postgres"], fault)
    engine.inject(handle)
    row = rows(capsys)["postgres"]
    assert (row["state"], row["reason"]) == ("down", reason)
    engine.undo(handle)
    engine.start(POSTGRES, Run())
    assert rows(capsys)["postgres"]["state"] == "healthy"


def test_what_a_drill_left_is_healed_by_the_next_verb_that_changes_the_stack(
    stack: Stack, injector: StackFaultInjector, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in (injector.freeze, injector.kill):
        fault("postgres")
        assert len(Journal(stack.paths.journal).pending()) == 1
        assert rows(capsys)["postgres"]["state"] == "down"
        stack.heal_unless_busy(lambda note: None)
        assert rows(capsys)["postgres"]["state"] == "healthy"
    assert Journal(stack.paths.journal).pending() == []


def test_a_drill_heals_what_it_broke(injector: StackFaultInjector) -> None:
    injector.kill("postgres")
    assert injector.heal() == ["postgres was started again"]
    assert injector.alive("postgres")


@pytest.mark.usefixtures("stack")
def test_a_drill_is_planned_without_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "m", "drill", "plan", "postgres.restart", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["refusal"] == ""
    assert plan["touches"]


@pytest.mark.usefixtures("stack")
def test_the_drills_are_listed_with_the_faults_that_the_stack_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--stack", "m", "drill", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["drills"]}
    assert rows["redis.failover"]["refused"] == {
        "partition": "a partition is not possible in memory"
    }
    assert rows["postgres.restart"]["refused"] == {}
    assert main(["--stack", "m", "drill", "list"]) == 0
    assert "partition is not possible here: a partition is not" in capsys.readouterr().out


@pytest.mark.usefixtures("stack")
def test_logs_are_read_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "m", "logs", "postgres"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("start ")
    assert main(["--stack", "m", "logs", "mysql"]) == 3


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (Feature.DATA, ("down", "--wipe", "--yes")),
        (Feature.CONFIGURE, ("tune", "apply", "--yes")),
        (Feature.FREEZE, ("drill", "run", "postgres.restart", "--fault", "sigstop", "--yes")),
    ],
)
def test_what_a_stack_does_not_allow_is_refused_before_anything_is_touched(
    feature: Feature,
    words: tuple[str, ...],
    tuned: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--stack", "m", "tune", "set", "postgres", "shared_buffers=256MB"]) == 0
    before = [unit.start_id for unit in tuned.engine().units(POSTGRES)]
    monkeypatch.setattr(MemoryEngine, "features", MemoryEngine.features - {feature})
    assert main(["--stack", "m", *words]) != 0
    assert f"{feature} is not possible in memory" in capsys.readouterr().err
    assert [unit.start_id for unit in tuned.engine().units(POSTGRES)] == before


# -- parameters --------------------------------------------------------------------------------


class MemoryTunables:
    """The parameters of a server in memory: what it runs with is a file of its own. It never takes
    `work_mem=13MB`."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:  # noqa: ARG002
        shared = partial(Parameter, service="postgres", kind=Kind.BYTES, help="")
        return (
            shared(name="work_mem", apply=Apply.LIVE, default="4MB"),
            shared(name="shared_buffers", apply=Apply.RESTART, default="128MB"),
        )

    def read(self, _: Target, installation: Installation, files: ServiceFiles) -> Reading:
        written = msgspec.json.decode(files.read("running"), type=dict[str, str])
        running = {name: text for name, text in written.items() if text != "13MB"}
        known = self.parameters(installation)
        return Reading(
            known,
            {
                one.name: Effective(
                    name=one.name,
                    value=running.get(one.name, one.default),
                    source="configuration file" if one.name in running else "default",
                )
                for one in known
            },
        )

    def set_live(
        self,
        target: Target,  # noqa: ARG002
        parameters: Sequence[Parameter],
        values: Mapping[str, str | None],
    ) -> tuple[str, ...]:
        running = msgspec.json.decode(self._files.read("running"), type=dict[str, str])
        for one in parameters:
            running.pop(one.name, None)
            if (text := values[one.name]) is not None:
                running[one.name] = text
        self._files.write("running", msgspec.json.encode(running))
        return ()

    def problems(self, *_: object) -> tuple[Problem, ...]:
        return ()

    def memory(self, *_: object) -> tuple[Share, ...]:
        return ()

    def advise(self, *_: object) -> tuple[Advice, ...]:
        return ()


@pytest.fixture
def tuned(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    engine = stack.engine()
    assert isinstance(engine, MemoryEngine)
    part = MemoryTunables(engine.files(POSTGRES))
    monkeypatch.setattr("devstack_tui.services.postgres.tunables.TUNABLES", part)
    return stack


def effective(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    main(["--stack", "m", "tune", "show", "postgres", "--json"])
    rows = json.loads(capsys.readouterr().out)["parameters"]
    return {row["name"]: row["effective"] for row in rows}


def apply(*values: str) -> int:
    assert main(["--stack", "m", "tune", "set", "postgres", *values]) == 0
    return main(["--stack", "m", "tune", "apply", "--yes"])


def test_an_apply_restarts_once_for_what_needs_it_and_is_read_back(
    tuned: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [unit.start_id for unit in tuned.engine().units(POSTGRES)]
    assert apply("work_mem=8MB") == 0
    assert [unit.start_id for unit in tuned.engine().units(POSTGRES)] == before
    assert apply("shared_buffers=256MB") == 0
    assert [unit.start_id for unit in tuned.engine().units(POSTGRES)] != before
    assert effective(capsys) == {"work_mem": "8MB", "shared_buffers": "256MB"}
    assert Journal(tuned.paths.journal).pending() == []


def test_a_value_that_does_not_take_brings_the_last_good_ones_back(
    tuned: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply("work_mem=8MB") == 0
    assert apply("work_mem=13MB", "shared_buffers=256MB") == 1
    assert effective(capsys) == {"work_mem": "8MB", "shared_buffers": "128MB"}
    assert parameter_store.read(tuned.paths).values == {"postgres": {"work_mem": "8MB"}}
    assert Journal(tuned.paths.journal).pending() == []
