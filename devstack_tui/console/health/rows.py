"""The columns of the Health pane's table."""

from __future__ import annotations

from devstack_tui.console.widgets.line_table import Column
from devstack_tui.contracts.model import ServiceStatus, State
from devstack_tui.present.cells import Cell
from devstack_tui.present.looks import KEY, QUIET, state_look, state_text
from devstack_tui.present.text import (
    BLANK,
    duration,
    memory,
    millis,
    percent,
    plain,
    sparkline,
    tls_version,
)

TREND_WIDTH = 8


def alive(service: ServiceStatus) -> bool:
    return service.state not in (State.STOPPED, State.ABSENT)


def _name(service: ServiceStatus) -> Cell:
    return Cell(plain(service.name), KEY if alive(service) else QUIET)


def _p95(service: ServiceStatus) -> Cell:
    return Cell(millis(service.latency_ms.p95))


def _tls(service: ServiceStatus) -> Cell:
    text = tls_version(plain(service.tls))
    # A space more, because the column before it ends flush right.
    return Cell(f" {text}", QUIET if text == BLANK else "")


def _quiet(text: str) -> Cell:
    return Cell(plain(text) or BLANK, QUIET)


COLUMNS: tuple[Column, ...] = (
    Column("state", "STATE", 10, 0, lambda s: Cell(state_text(s.state), state_look(s.state))),
    Column("service", "SERVICE", 13, 0, _name),
    Column("version", "VERSION", 8, 7, lambda s: _quiet(s.version)),
    Column("role", "ROLE", 11, 9, lambda s: _quiet(s.role)),
    Column("endpoint", "ENDPOINT", 15, 1, lambda s: Cell(plain(s.endpoint) or BLANK)),
    Column("p50", "P50 MS", 6, 2, lambda s: Cell(millis(s.latency_ms.p50)), right=True),
    Column("p95", "P95 MS", 6, 2, _p95, right=True),
    Column(
        "trend", "TREND", TREND_WIDTH, 3,
        lambda s: Cell(sparkline(s.latency_ms.recent, TREND_WIDTH), "look--trend"),
    ),
    Column("uptime", "UPTIME", 6, 4, lambda s: Cell(duration(s.uptime_s)), right=True),
    Column("cpu", "CPU %", 5, 6, lambda s: Cell(percent(s.cpu_percent)), right=True),
    Column("memory", "MEM", 5, 5, lambda s: Cell(memory(s.memory_bytes)), right=True),
    Column("tls", " TLS", 6, 8, _tls),
)  # fmt: skip
