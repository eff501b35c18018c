"""What is known of one service, as labelled lines."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.health.changes import Change
from devstack_tui.contracts.model import Certificate, ServiceStatus, State
from devstack_tui.identity.certificates import Age, age, days_left
from devstack_tui.present.cells import Fact, Span
from devstack_tui.present.looks import BAD, GOOD, QUIET, WARN, state_look, state_text
from devstack_tui.present.text import clock_time, date, duration, memory, millis, percent, plain

CHANGES_SHOWN = 10


def facts(service: ServiceStatus, now: float) -> Iterator[Fact]:
    """The lines of `service`; `now` is Unix time. What is unknown is left out."""
    yield from _trouble(service)
    if service.version:
        version = " ".join(filter(None, [service.flavour, service.version]))
        yield Fact("Version", _joined(version, service.role))
    if service.endpoint:
        yield Fact("Endpoint", tuple(_endpoint(service)))
    if service.certificate is not None:
        yield Fact("Certificate", _certificate(service.certificate, now))
    known = {
        "AppRole": service.approle,
        "Config": service.config_source,
        "Connect": service.connect,
    }
    for label, text in known.items():
        if text:
            yield Fact(label, _joined(text))
    usage = tuple(_usage(service))
    if usage:
        yield Fact("Process", _joined(*usage))
    latency = service.latency_ms
    if latency.p50 is not None:
        text = f"p50 {millis(latency.p50)} ms · p95 {millis(latency.p95)} ms"
        yield Fact("Probe", ((text, ""), (f" · of the last {latency.samples}", QUIET)))
    for key, value in service.facts.items():
        if key != "flavour":
            yield Fact(plain(key).capitalize(), _joined(value))


def _trouble(service: ServiceStatus) -> Iterator[Fact]:
    """Why it is not well, what to do, and what of its settings a crash would cost."""
    if service.reason:
        yield Fact("Why", ((plain(service.reason), state_look(service.state)),))
    if service.remedy:
        yield Fact("Do", ((plain(service.remedy), ""),))
    for one in service.development_only:
        text = f"▲ {one.name} = {one.value}, for production {one.production}"
        yield Fact("Development only", ((plain(text), WARN), (f" · {plain(one.why)}", QUIET)))


def node_rows(service: ServiceStatus) -> Iterator[tuple[Span, ...]]:
    """One row per node: state, name, role, endpoint, latency, detail."""
    for node in service.nodes:
        yield (
            (state_text(node.state), state_look(node.state)),
            (plain(node.name), ""),
            (plain(node.role), ""),
            (plain(node.endpoint), QUIET),
            (f"{millis(node.latency_ms)} ms" if node.latency_ms is not None else "", ""),
            (plain(node.detail), QUIET if node.state is State.HEALTHY else state_look(node.state)),
        )


def past(changes: tuple[Change, ...]) -> Iterator[Fact]:
    """The last changes, newest first: time, what, and why it is not well."""
    for change in changes[:CHANGES_SHOWN]:
        what = " ".join(filter(None, [change.subject, change.now]))
        spans = [(plain(what), state_look(change.state))]
        if change.why and change.state is not State.HEALTHY:
            spans.append((f" · {plain(change.why)}", QUIET))
        yield Fact(clock_time(change.at), tuple(spans))


def _endpoint(service: ServiceStatus) -> Iterator[Span]:
    yield plain(service.endpoint), ""
    if service.tls_endpoint and service.tls_endpoint != service.endpoint:
        yield f" · TLS {plain(service.tls_endpoint)}", ""
    if service.tls:
        yield f" · {plain(service.tls)}", QUIET


def _certificate(certificate: Certificate, now: float) -> tuple[Span, ...]:
    days = days_left(certificate, now)
    match age(certificate, now):
        case Age.EXPIRED:
            left = (f"✗ expired {-days} d ago", BAD)
        case Age.URGENT:
            left = (f"✗ {days} d left", BAD)
        case Age.SOON:
            left = (f"▲ {days} d left", WARN)
        case Age.OK:
            left = (f"● {days} d left", GOOD)
    until = f" · until {date(certificate.not_after)}"
    return (left, (until, ""), (f" · {plain(certificate.subject)}", QUIET))


def _usage(service: ServiceStatus) -> Iterator[str]:
    if service.uptime_s is not None:
        yield f"up {duration(service.uptime_s)}"
    if service.cpu_percent is not None:
        yield f"{percent(service.cpu_percent)} % CPU"
    if service.memory_bytes is not None:
        yield f"{memory(service.memory_bytes)} memory"
    pids = [str(unit.pid) for unit in service.units if unit.pid]
    if pids:
        yield f"pid {pids[0]}" if len(pids) == 1 else f"{len(pids)} processes"


def _joined(*parts: str) -> tuple[Span, ...]:
    return ((" · ".join(plain(part) for part in parts if part), ""),)
