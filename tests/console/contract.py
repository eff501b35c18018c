"""The contract of the command line with the console: each question, each job, and what its lines
are decoded as. The stub and the real command line are held to it by the same function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from devstack_tui.bench.baseline import PublishedFigure
from devstack_tui.bench.events import BenchEvent, RegressDone, RunResult
from devstack_tui.console.bench.model import Baseline, Comparison, Comparisons, Workload
from devstack_tui.console.drill.model import DrillChoice
from devstack_tui.console.health.doctor_screen import Finding, Findings
from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.contracts.drill import Plan
from devstack_tui.contracts.model import LogLine, StackStatus
from devstack_tui.core.events import Event
from devstack_tui.drill.compare import Comparison as DrillComparison
from devstack_tui.drill.events import AnyDrillEvent, DrillReport
from devstack_tui.report.model import Report
from devstack_tui.security.events import AnySecurityEvent, CheckRow
from devstack_tui.security.run_rows import RunCheckRow
from devstack_tui.tuning.events import Show, TuneEvent


class Benchmarks(msgspec.Struct):
    """`bench list --json`, its runs decoded as well."""

    workloads: tuple[Workload, ...]
    runs: tuple[RunResult, ...]
    baseline: dict[str, Baseline]
    not_comparable: dict[str, str] = {}
    published: dict[str, PublishedFigure] = {}
    notes: tuple[str, ...] = ()


class Drills(msgspec.Struct):
    """`drill list --json`."""

    drills: tuple[DrillChoice, ...]


class Reports(msgspec.Struct):
    """`drill history --json`."""

    drills: tuple[DrillReport, ...]
    notes: tuple[str, ...] = ()


class Checks(msgspec.Struct):
    """`check list --json`."""

    checks: tuple[CheckRow, ...]
    of_runs: tuple[RunCheckRow, ...] = ()
    notes: tuple[str, ...] = ()


class Matrix(msgspec.Struct):
    """`check matrix --json`."""

    matrix: tuple[MatrixCell, ...]


@dataclass(frozen=True)
class Call:
    """A command line; `{run}`, `{drill}` and `{other}` are ids of the history."""

    words: str
    kind: Any
    slow: bool = False
    """Whether the real one takes minutes."""


QUICK = "--size smoke --runs 2 --jsonl"
CALLS = (
    Call("up postgres --jsonl", Event),
    Call("restart reference_api --jsonl", Event),
    Call("status --json", StackStatus),
    Call("doctor --json", Findings),
    Call("logs postgres --jsonl", LogLine),
    Call(f"bench run redis.get {QUICK}", BenchEvent | RegressDone),
    Call("regress --size smoke --jsonl", BenchEvent | RegressDone, slow=True),
    Call("bench list --json", Benchmarks),
    Call("bench show {run} --json", RunResult),
    Call("bench compare published:baseline {run} --force --json", Comparisons),
    Call("drill list --json", Drills),
    Call("drill plan redis.failover --json", Plan),
    Call("drill run redis.failover --yes --jsonl", AnyDrillEvent),
    Call("drill run redis.failover --fault planned --yes --jsonl", AnyDrillEvent),
    Call("drill history --json", Reports),
    Call("drill show {drill} --json", DrillReport),
    Call("drill compare {drill} {other} --json", DrillComparison),
    Call("check run approle --jsonl", AnySecurityEvent),
    Call("check list --json", Checks),
    Call("check matrix --json", Matrix),
    Call("tune show --json", Show),
    Call("tune apply baseline --yes --jsonl", TuneEvent),
    Call("tune revert --yes --jsonl", TuneEvent),
    Call("tune ab baseline optimized --workload postgres.point_select --size smoke --pairs 1 "
         "--only synchronous_commit --yes --jsonl", TuneEvent),
    Call("tune cost postgres --profile current --yes --jsonl", TuneEvent),
    Call("report --json", Report),
)  # fmt: skip

Shapes = dict[str, set[str]]
"""The keys of every object, by the place where it stands; a list's items have one place."""
PARTIAL = (Workload, Baseline, Comparison, Comparisons, DrillChoice, Finding, Findings)
"""Types of the console alone: they have the keys that it needs."""


def shapes(text: str, call: Call) -> Shapes:
    """The objects of what `call` printed. A line that cannot be decoded fails, and so does a key
    that its type has not, where the type is the one that the product encodes. Errors:
    `msgspec.ValidationError`."""
    found: Shapes = {}
    lines = text.splitlines() if "--jsonl" in call.words else [text]
    for line in lines:
        raw = msgspec.json.decode(line)
        if "error" in raw:
            raise msgspec.ValidationError(f"refused: {raw['error']}")
        typed = msgspec.json.decode(line, type=call.kind)
        top = raw.get("event", " ".join(call.words.split()[:2]))
        for place, keys in _objects(raw, typed, top):
            found.setdefault(place, set()).update(keys)
    return found


def _objects(raw: Any, typed: Any, place: str) -> Iterator[tuple[str, set[str]]]:
    if isinstance(typed, msgspec.Struct):
        config = typed.__struct_config__
        known = {field.encode_name for field in msgspec.structs.fields(typed)} | {config.tag_field}
        if (more := set(raw) - known) and not isinstance(typed, PARTIAL):
            raise msgspec.ValidationError(f"{place} has unknown keys: {sorted(more)}")
        yield place, set(raw)
        for field in msgspec.structs.fields(typed):
            if field.encode_name in raw:
                inner = raw[field.encode_name], getattr(typed, field.name)
                yield from _objects(*inner, f"{place}.{field.encode_name}")
    elif isinstance(typed, Mapping):
        for key, value in typed.items():
            yield from _objects(raw[str(key)], value, f"{place}.*")
    elif isinstance(typed, Sequence) and not isinstance(typed, str | bytes):
        for one, value in zip(raw, typed, strict=True):
            yield from _objects(one, value, f"{place}[]")


def joined(many: Sequence[Shapes]) -> Shapes:
    """All of them together."""
    found: Shapes = {}
    for one in many:
        for place, keys in one.items():
            found.setdefault(place, set()).update(keys)
    return found
