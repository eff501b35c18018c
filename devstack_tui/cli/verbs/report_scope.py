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
from devstack_tui.report.coverage import Need
from devstack_tui.report.model import Published
from devstack_tui.security.audit import StackAudit
from devstack_tui.stack.basis import Basis
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


def absent(stack: Stack, services: Mapping[str, Services]) -> dict[str, Need]:
    """What checks need first: a service that the stack does not consist of, or a baseline."""
    there = set(stack.selected())
    found = {}
    if not _recorded():
        why = "no baseline is recorded for this host"
        record = Need(why, command(stack.name, "bench", "record"))
        found = {check.id: record for check in thresholds.load().throughput}
    for id, needed in services.items():
        lacking = sorted(needed - there)
        if lacking and len(needed) < len(names()):
            why = (
                f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not part of the stack"
            )
            found[id] = Need(why, command(stack.name, "up", *lacking))
    return found


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
