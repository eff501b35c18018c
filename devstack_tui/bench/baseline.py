"""Baselines: recorded on this host, and DevStack Core's published figures."""

from __future__ import annotations

import contextlib
import hashlib
import math
import statistics
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from devstack_tui.bench.canary import Canary
from devstack_tui.bench.catalogue import Entry
from devstack_tui.bench.events import WorkloadSummary
from devstack_tui.contracts import sizes
from devstack_tui.core import codec, files
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.fingerprint import Fingerprint, host
from devstack_tui.core.paths import config_home, resource
from devstack_tui.stack.stack import Stack

SCHEMA = 1
PUBLISHED = ("baseline", "optimized", "minimum")


class BaselineWorkload(msgspec.Struct, frozen=True, omit_defaults=True):
    """One workload of a baseline: the throughput of each run, and what it depends on. `seconds` is
    how long the shortest run was measured; 0, and not in the file, where an older release recorded.
    """

    size: str
    unit: str
    samples: tuple[float, ...]
    fingerprint: Fingerprint
    seconds: float = 0.0

    @property
    def lasted_s(self) -> float | None:
        """How long its runs were. Where that was not recorded its numbers say it: `seconds`, or how
        many operations a run had: so many batches of so many documents. None where nothing does."""
        if self.seconds:
            return self.seconds
        asked = self.fingerprint.workload
        if "seconds" in asked:
            return float(asked["seconds"])
        numbers = [n for n in asked.values() if isinstance(n, int | float)]
        return math.prod(numbers) / statistics.median(self.samples) if numbers else None

    def incomparable(self, depends: Fingerprint) -> str:
        """Why runs that depend on `depends` cannot be compared with it; empty when they can."""
        lasted = self.lasted_s
        if reason := sizes.no_verdict(self.size, lasted):
            runs = reason if lasted is None else f"recorded with runs of {lasted:.1f} s"
            return f"{runs}: not comparable"
        if differences := self.fingerprint.differences(depends):
            return f"the baseline cannot be compared: {'; '.join(differences)}"
        return ""


class Baseline(msgspec.Struct, frozen=True):
    """A host's baseline. `workloads` has the figures of a workload's longest runs by its name, and
    those of other sizes by `sizes.beside`. `seal` is a digest of all the rest: an edited file is no
    measurement."""

    host: Fingerprint
    recorded: float
    canary: Canary
    workloads: dict[str, BaselineWorkload]
    schema: int = SCHEMA
    seal: str = ""

    def of(self, workload: str, depends: Fingerprint) -> BaselineWorkload | None:
        """What runs that depend on `depends` stand against: the figures of their size, else those
        of another, which say why they cannot be compared."""
        own = sizes.beside(workload, str(depends.workload.get("size", "")))
        return self.workloads.get(own) or self.workloads.get(workload)

    def sealed(self) -> Baseline:
        """The same with the right seal."""
        bare = msgspec.structs.replace(self, seal="")
        # As it will be read: a float that was given as a whole number is written differently.
        bare = codec.decode(msgspec.json.encode(bare), Baseline)
        digest = hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()
        return msgspec.structs.replace(self, seal=digest)


def fingerprints(stack: Stack, entries: Iterable[Entry], size: str) -> dict[str, Fingerprint]:
    """What a run of each workload depends on: host, server, engine and the workload's numbers.

    Raises `NotInstalledError` for a server or an engine that is not there.
    """
    machine = host()
    engine = stack.engine()
    made = {}
    for entry in entries:
        found = engine.locate(entry.service)
        made[entry.name] = machine.of(
            {found.flavour: found.version},
            " ".join(entry.workload.engine(partial(engine.client, entry.service))),
            {"name": entry.name, "size": size, **entry.sizes.params(size)},
        )
    return made


def path_of(machine: Fingerprint) -> Path:
    """The file of a host's baseline: the user's own, or one that came with us."""
    return resource(f"baselines/{machine.digest()}.json")


def read(machine: Fingerprint) -> Baseline | None:
    """This host's baseline, or None when none was recorded.

    Raises `DevstackError` for a file that is damaged or was edited.
    """
    path = path_of(machine)
    again = "record it anew with `devstack-tui bench record`"
    try:
        found = codec.decode(files.read_bytes(path), Baseline)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DevstackError(f"the baseline {path} is damaged: {error}", again) from None
    except OSError as error:
        raise files.explain(error, "reading the baseline") from None
    if found.schema != SCHEMA:
        raise DevstackError(f"the baseline {path} is of another version", again)
    if found.seal != found.sealed().seal:
        raise DevstackError(f"the baseline {path} was edited: it is no measurement", again)
    return found


def write(
    canary: Canary,
    summaries: Iterable[WorkloadSummary],
    prints: Mapping[str, Fingerprint],
) -> Path:
    """Keep summaries as this host's baseline; the figures of other workloads and of other sizes in
    it stay. A baseline that cannot be used is set aside beside it.

    Raises `DevstackError` when a summary is no measurement.
    """
    machine = host()
    path = config_home() / "baselines" / f"{machine.digest()}.json"
    try:
        kept = read(machine)
    except DevstackError:
        kept = None
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
    workloads = dict(kept.workloads) if kept else {}
    for summary in summaries:
        if summary.problem:
            raise DevstackError(
                f"nothing was recorded: {summary.workload}: {summary.problem}",
                "mend that, then record again",
            )
        made = BaselineWorkload(
            *(summary.size, summary.unit, summary.samples),
            *(prints[summary.workload], summary.seconds),
        )
        _put(workloads, summary.workload, made)
    sealed = Baseline(machine, time.time(), canary, workloads).sealed()
    try:
        files.make_dir(path.parent)
        files.write_private(path, msgspec.json.format(msgspec.json.encode(sealed)))
    except OSError as error:
        raise files.explain(error, "writing the baseline") from None
    return path


def _put(kept: dict[str, BaselineWorkload], name: str, made: BaselineWorkload) -> None:
    """Its own size's figures are replaced. Raises `DevstackError` where those are of longer runs,
    which give a verdict, and these give none."""
    longest = kept.get(name)
    key = name
    if longest is not None and longest.size != made.size:
        key = sizes.beside(name, made.size)
    old = kept.get(key)
    short = sizes.no_verdict(made.size, made.lasted_s)
    if short and old and not sizes.no_verdict(old.size, old.lasted_s):
        raise DevstackError(
            f"nothing was recorded: {name}: {short}, and its baseline is of longer runs",
            f"set its `seconds` to {sizes.SIZES[made.size].least_s:g} or more in your "
            "workloads.toml",
        )
    kept[key] = made
    if longest is not None and key != name and _least_s(made) > _least_s(longest):
        kept[name] = kept.pop(key)
        kept[sizes.beside(name, longest.size)] = longest


def _least_s(one: BaselineWorkload) -> float:
    known = sizes.SIZES.get(one.size)
    return known.least_s if known else 0.0


class PublishedFigure(msgspec.Struct, frozen=True):
    throughput: float
    unit: str
    latency_ms: float | None = None


def published(which: str) -> dict[str, PublishedFigure]:
    """DevStack Core's published figures: `baseline`, `optimized`, or `minimum`, below which its own
    gate failed. Their machine was not published: they decide nothing. Raises `UsageError`."""
    path = resource("baselines/devstack_core.toml")
    document = read_toml(path)
    if which not in PUBLISHED:
        known = ", ".join(f"published:{name}" for name in PUBLISHED)
        raise UsageError(f"there are no published figures {which!r}", f"there are {known}")
    return convert(document[which], dict[str, PublishedFigure], path, which)
