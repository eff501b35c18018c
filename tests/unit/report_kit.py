"""A history with a run of every kind, made of the capabilities' own documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from devstack_tui.bench.events import LatencyMs, RegressDone, RunResult, Tick
from devstack_tui.bench.regress import KIND as REGRESS
from devstack_tui.contracts.drill import DrillResult, Marker, Shard
from devstack_tui.core.check import Result, Status
from devstack_tui.core.histogram import Histogram
from devstack_tui.core.history import History
from devstack_tui.drill.events import DrillReport
from devstack_tui.drill.runner import KIND as DRILL
from devstack_tui.security.events import AuditReport, CheckRow
from devstack_tui.security.results import KIND as CHECK
from devstack_tui.stack.basis import Basis, ServiceBasis, stamped
from devstack_tui.tuning.events import AbReport, AutoReport, CostReport
from devstack_tui.tuning.reports import AB, AUTO, COST

AT = 1_793_620_800.0
"""When the newest of the runs began."""
RUNNING = ServiceBasis({"one": ("1-1", AT - 9000)}, "p", "c", "x")
RESTS = Basis("i", dict.fromkeys(("vault", "postgres", "mysql", "mongodb", "redis"), RUNNING))
"""What every run rests on."""


class Filled:
    """Adds runs to a history; `say` is put into every text of them."""

    def __init__(self, path: Path, say: str = "") -> None:
        self.history = History(path)
        self.say = say

    def add(  # noqa: PLR0917 - the columns, in their order
        self, kind: str, id: str, name: str, size: str, at: float, document: object
    ) -> None:
        """One run, as its capability keeps it."""
        raw = msgspec.json.encode(document)
        raw = stamped(raw, RESTS) if raw.startswith(b"{") else raw
        self.history.add(kind, id, name, size, at, "0123456789ab", raw)

    def everything(self) -> History:
        """One run of each kind."""
        self.audit()
        self.regress()
        self.drill()
        self.bench()
        self.ab()
        self.cost()
        self.auto()
        self.later()
        return self.history

    def audit(
        self, rows: Sequence[CheckRow] | None = None, id: str = "a0d1", at: float = AT
    ) -> None:
        """An audit."""
        if rows is None:
            rows = (
                self.row("approle.01", "approle", Status.PASS),
                self.row("approle.02", "approle", Status.PASS),
                self.row("tls.04", "tls", Status.FAIL),
                self.row("tls.19", "tls", Status.SKIPPED),
                self.row("tls.postgres.tls1_3", "tls", Status.PASS),
            )
        report = AuditReport(
            id=id, stack="default", verdict="FAIL", started=at, seconds=9.0, counts={},
            checks=tuple(rows), notes=(f"a note {self.say}",), command="devstack-tui check run",
        )  # fmt: skip
        self.add(CHECK, id, "audit", "", at, report)

    def row(self, id: str, suite: str, status: Status, at: float = AT) -> CheckRow:
        """One check of an audit."""
        return CheckRow(
            id=id, core="", suite=suite, group="", title=f"{id} title {self.say}",
            severity="high", service="vault", stake="a stake", remedy=f"mend it {self.say}",
            sabotage=f"{suite}.break", proven=id == "tls.04", status=status,
            evidence=f"{id} evidence {self.say}", at=at,
        )  # fmt: skip

    def regress(
        self,
        status: Status = Status.PASS,
        id: str = "9a7e",
        at: float = AT - 60,
        size: str = "quick",
    ) -> None:
        """The regression gate."""
        checks = tuple(
            Result(f"perf.0{n}", f"title {n}", status, f"evidence {n} {self.say}")
            for n in range(1, 10)
        )
        done = RegressDone(status, checks, 0, 30.0, at=at + 30)
        self.add(REGRESS, id, "gate", size, at, done)

    def drill(
        self,
        verdict: str = "PASS",
        fault: str = "sigkill",
        id: str = "d411",
        at: float = AT - 120,
        core: bool = True,
    ) -> None:
        """A failover of one shard, called that of two."""
        steps = tuple(
            Result(f"redis.failover.{n:02}", f"step {n}", Status(verdict), f"seen {n} {self.say}")
            for n in range(1, 17)
        )
        result = DrillResult(
            drill="redis.failover", fault=fault, victim="redis-1", repeat=1, started=at,
            seconds=18.0, verdict=verdict, steps=steps,
            shards=(Shard(name="shard 1", write_window_s=2.1, read_window_s=2.0),),
            markers=(Marker(1, 0.0, "fault", "redis-1", self.say),),
            lanes={f"shard 1 write {self.say}": "o" * 20 + "." * 42 + "o" * 20},
            lanes_from_ms=-1000.0,
        )  # fmt: skip
        report = DrillReport(
            id=id, drill="redis.failover", fault=fault, victim="first,second", verdict=verdict,
            write_window_s=2.1, read_window_s=2.0, lost=3, resurrected=0, indeterminate=1,
            split_brain=0, steps=steps, repeats=(result,), started=at,
            command=f"drill run {self.say}", core=core,
        )  # fmt: skip
        self.add(DRILL, id, "redis.failover", fault, at, report)

    def bench(
        self,
        id: str = "be4c",
        at: float = AT - 180,
        problem: str = "",
        throughput: float = 902.0,
        run: int = 1,
    ) -> None:
        """Five seconds of a workload, one of them without an answer."""
        waits = (1.0, 1.1, None, 1.2, 1.0)
        ticks = tuple(
            Tick("redis.get", 1, n, 0.0 if p50 is None else 900.0 + n, p50, p50 and p50 * 2,
                 p50 and p50 * 3)
            for n, p50 in enumerate(waits, 1)
        )  # fmt: skip
        result = RunResult(
            id=id, workload="redis.get", size="quick", run=run, started=at, seconds=5.0,
            operations=4500, requests=4500, throughput=throughput, unit="ops/s", clients=4,
            latency_ms=LatencyMs(1.1, 2.2, 3.3, 9.0), histogram=Histogram.of([1.0]).buckets(),
            errors={f"timeout {self.say}": 2}, client_cpu=0.1, server_cpu=0.2,
            client_bound=False, littles_law=1.0, engine="embedded", engine_version="8",
            settings={"requirepass": self.say}, fingerprint="f", ticks=ticks, problem=problem,
        )  # fmt: skip
        self.add("bench", id, "redis.get", "quick", at, result)

    def ab(self, id: str = "ab01", at: float = AT - 240) -> AbReport:
        """An A/B that found a difference."""
        report = AbReport(
            id=id, at=at, workload="redis.get", size="full", unit="ops/s", a="baseline",
            b="optimized", changes=(), verdict="IMPROVED", ratio=1.2, interval=(1.1, 1.31),
            pairs=2, margin=0.05, samples=((100.0, 118.0), (100.0, 122.0)), order="abba",
            sentence=f"B is better {self.say}", costs=(f"it can lose {self.say}",),
            settings={"a": {"password": self.say}}, command=f"tune ab {self.say}",
        )  # fmt: skip
        self.add(AB, id, "redis.get", "full", at, report)
        return report

    def cost(self) -> None:
        """What a kill lost."""
        report = CostReport(
            service="redis", profile="optimized", at=AT - 300, acknowledged=1204, lost=12,
            lost_s=0.8, indeterminate=3, rate=500.0, recovery_s=1.5, kills=2, sentence=self.say,
        )  # fmt: skip
        self.add(COST, "c057", "redis", "optimized", AT - 300, report)

    def auto(self) -> None:
        """A search that found nothing better."""
        report = AutoReport(
            workload="redis.get", profile=f"auto-redis {self.say}", path="/nowhere", values={},
            tried=9, against_baseline=None, against_optimized=None, seconds=60.0, durable=False,
            command=f"tune auto {self.say}",
        )  # fmt: skip
        self.add(AUTO, "a070", "redis.get", "", AT - 360, report)

    def later(self) -> None:
        """A capability that is not known yet, by the keys of every gate."""
        checks = [{"id": "load.01", "title": "100 users", "status": "PASS", "evidence": self.say}]
        again = f"devstack-tui load run {self.say}"
        document = {"verdict": "PASS", "checks": checks, "command": again}
        self.add("load", "10ad", "users", "", AT - 420, document)
