"""A simulated service to compare arms on: a clock that only runs turn, and a model of the gains."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from devstack_tui.contracts.tunable import Apply, Kind, Parameter
from devstack_tui.contracts.workload import Tick
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning.ab_arms import Arm, ArmRunner, Settings
from devstack_tui.tuning.ab_sides import Sides
from devstack_tui.tuning.events import AbPlanned, Change, Show, TuneEvent
from devstack_tui.tuning.measure import Sample

RUN_S = 10.0


@dataclass
class Bed:
    """Applier and measurer in one. `gains` are factors by `name=value`; `drift` what each run adds
    to the logarithm of the throughput; `broken` values cannot be put into effect."""

    gains: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.0
    apply_s: float = 0.0
    drift: float = 0.0
    broken: frozenset[str] = frozenset()
    failing: dict[int, str] = field(default_factory=dict)
    """What is wrong with the run of that number."""
    seconds_now: float = 0.0
    runs: int = 0
    values: dict[str, str | None] = field(default_factory=dict)
    puts: list[tuple[dict[str, str | None], bool]] = field(default_factory=list)
    emitted: list[TuneEvent] = field(default_factory=list)
    noise: random.Random = field(default_factory=lambda: random.Random(7))

    def runner(self) -> ArmRunner:
        return ArmRunner(self, self, "sim.load", "quick", clock=lambda: self.seconds_now)

    def emit(self, event: TuneEvent) -> None:
        self.emitted.append(event)

    def events(self, kind: type[TuneEvent]) -> list[TuneEvent]:
        return [event for event in self.emitted if isinstance(event, kind)]

    # -- the applier ----------------------------------------------------------------------------

    async def apply(self, values: Settings, restart: bool) -> None:
        self.puts.append((dict(values), restart))
        self.seconds_now += self.apply_s
        for name, text in values.items():
            if f"{name}={text}" in self.broken:
                raise DevstackError(f"{name}={text} did not take")
        self.values.update(values)

    # -- the measurer ------------------------------------------------------------------------

    def service(self, workload: str) -> str:
        return workload.partition(".")[0]

    def unit(self, workload: str) -> str:  # noqa: ARG002
        return "TPS"

    def seconds(self, workload: str, size: str) -> float:  # noqa: ARG002
        return RUN_S

    def fingerprint(self, workload: str, size: str) -> str:  # noqa: ARG002
        return "print"

    async def run(self, workload: str, size: str) -> AsyncGenerator[str | Tick | Sample, None]:  # noqa: ARG002
        self.runs += 1
        self.seconds_now += RUN_S
        yield "running"
        yield Tick(second=1, throughput=100.0, p99=5.0)
        if problem := self.failing.get(self.runs):
            yield Sample(0.0, None, "TPS", problem)
            return
        log = self.drift * self.runs + self.noise.gauss(0, self.spread)
        for name, text in self.values.items():
            log += math.log(self.gains.get(f"{name}={text}", 1.0))
        yield Sample(1000 * math.exp(log), 5.0, "TPS", settings={})


def parameter(name: str, *candidates: str, apply: Apply = Apply.LIVE) -> Parameter:
    return Parameter(
        service="sim",
        name=name,
        kind=Kind.INTEGER,
        help="",
        apply=apply,
        default="0",
        candidates=candidates,
    )


def sides_of(a: dict[str, str | None], b: dict[str, str | None], *, restart: bool = False) -> Sides:
    how = (Apply.RESTART if restart else Apply.LIVE).value
    changes = tuple(Change("sim", n, a[n], b[n], how) for n in a if a[n] != b[n])
    show = Show(stack="sim", parameters=())
    return Sides("sim", Arm("a", "before", a), Arm("b", "after", b), changes, show)


def plan_of(sides: Sides, pairs: int) -> AbPlanned:
    return AbPlanned(
        workload="sim.load",
        size="quick",
        unit="TPS",
        a=sides.a.title,
        b=sides.b.title,
        changes=sides.changes,
        pairs=pairs,
        expected_s=2 * pairs * RUN_S,
        detectable=None,
        margin=0.05,
        command="",
    )
