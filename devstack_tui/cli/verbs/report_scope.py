"""What each check of a report is about, and which do not apply on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from functools import partial

from devstack_tui.bench import baseline, thresholds
from devstack_tui.bench.catalogue import Catalogue as Workloads
from devstack_tui.bench.catalogue import Entry
from devstack_tui.contracts import sizes
from devstack_tui.contracts.audit import Check
from devstack_tui.contracts.registry import names
from devstack_tui.core.errors import DevstackError, NotInstalledError, command
from devstack_tui.core.fingerprint import host
from devstack_tui.report.core_checks import checks as core_checks
from devstack_tui.report.model import Published
from devstack_tui.report.verdict import Need
from devstack_tui.security.audit import StackAudit
from devstack_tui.stack.basis import NOTHING_RUNS, Basis
from devstack_tui.stack.stack import Stack

Services = frozenset[str]


def gate() -> dict[str, Services]:
    """The services that each check of the gate says something about."""
    entries = _workloads()
    own = {id: frozenset({entry.service.name}) for id, entry in entries.items()}
    every = frozenset[str]().union(*own.values())
    return own | {check.id: every for check in core_checks() if check.id.startswith("perf.")} | own


def _workloads() -> dict[str, Entry]:
    """The workload of each check of the gate that has one."""
    known = Workloads()
    return {check.id: known.choose([check.workload])[0] for check in thresholds.load().checks}


def inapplicable(
    stack: Stack, audit: StackAudit, checks: Mapping[str, Check], rests: Basis | None
) -> dict[str, str]:
    """Why core checks do not apply here: a program that they need is not installed."""
    running = {name for name, one in (rests.services if rests else {}).items() if one.units}
    # What runs is installed; to ask for the version of a program takes its time.
    missing = {name: audit.missing(name) for name in names() if name not in running}
    needed: dict[str, Iterable[str]] = {}
    for check in core_checks():
        if (one := checks.get(check.id)) is not None:
            needed[check.id] = () if one.sums else (one.service, *one.needs)
        else:
            needed[check.id] = (check.id.partition(".")[0],)
    found = {id: why for id, services in needed.items() if (why := _first(missing, services))}
    engine = stack.engine()
    for id, entry in _workloads().items():
        if why := missing.get(entry.service.name, ""):
            found[id] = why
            continue
        try:
            entry.workload.engine(partial(engine.client, entry.service))
        except NotInstalledError as error:
            found[id] = error.message
    return found


def absent(stack: Stack, services: Mapping[str, Services], rests: Basis | None) -> dict[str, Need]:
    """What checks, or all checks of a service, need first: a service that the stack does not
    consist of, or that does not run, or a baseline."""
    found: dict[str, Need] = {}
    if not _recorded():
        why = "no baseline is recorded for this host"
        record = Need(why, command(stack.name, "bench", "record"))
        found = {check.id: record for check in thresholds.load().throughput}
    there = set(stack.selected())
    running = {name for name, one in (rests.services if rests else {}).items() if one.units}
    single = {name: frozenset({name}) for name in names()}
    for id, needed in (single | dict(services)).items():
        if not running and needed:
            found[id] = Need(NOTHING_RUNS, command(stack.name, "up"))
        elif len(needed) < len(names()) and (lacking := needed - running):
            found[id] = _up(stack.name, lacking - there, lacking & there)
    return found


def _up(stack: str, foreign: Services, stopped: Services) -> Need:
    """Services that are no part of the stack, or are stopped, are brought by `up`."""
    one = len(foreign or stopped) == 1
    why = f"{', '.join(sorted(foreign or stopped))} "
    if foreign:
        why += f"{'is' if one else 'are'} not part of the stack"
    else:
        why += f"{'does' if one else 'do'} not run now"
    return Need(why, command(stack, "up", *sorted(foreign | stopped)))


def _recorded() -> dict[str, float]:
    """The medians of this host's baseline that can be compared."""
    try:
        known = baseline.read(host())
    except DevstackError:  # damaged or of another release: `regress` says so
        known = None
    return {
        name: statistics.median(one.samples)
        for name, one in (known.workloads if known else {}).items()
        if not sizes.no_verdict(one.size, one.lasted_s)
    }


def published() -> list[Published]:
    """The throughputs that others published, beside this host's own baseline."""
    own = _recorded()
    return [
        Published(name, figure.unit, figure.throughput, own.get(name))
        for name, figure in baseline.published("minimum").items()
    ]


def _first(missing: Mapping[str, str], services: Iterable[str]) -> str:
    return next((missing[name] for name in services if missing.get(name)), "")
