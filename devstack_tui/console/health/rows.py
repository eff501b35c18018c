"""One line of the health table: which columns there are, and what a service's cells say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devstack_tui.contracts.model import ServiceStatus, State
from devstack_tui.present.looks import KEY, QUIET, state_look, state_text
from devstack_tui.present.text import (
    BLANK,
    duration,
    memory,
    millis,
    percent,
    plain,
    shorten,
    sparkline,
    tls_version,
)

GAP = 1
TREND_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, and its look (a component class, or empty for the plain one)."""

    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the lowest `rank` is dropped last when the terminal is narrow."""

    key: str
    label: str
    width: int
    rank: int
    cell: Callable[[ServiceStatus], Cell]
    right: bool = False


def _alive(service: ServiceStatus) -> bool:
    return service.state not in (State.STOPPED, State.ABSENT)


def _name(service: ServiceStatus) -> Cell:
    return Cell(plain(service.name), KEY if _alive(service) else QUIET)


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


def columns_for(width: int) -> tuple[Column, ...]:
    """The columns that fit into `width` cells, in their order; rank 0 is always there."""
    chosen: list[Column] = []
    room = width
    for column in sorted(COLUMNS, key=lambda c: c.rank):
        need = column.width + GAP
        if need <= room or column.rank == 0:
            chosen.append(column)
            room -= need
        else:
            # A less important column that happens to be narrow must not jump the queue.
            break
    return tuple(c for c in COLUMNS if c in chosen)


def cells(service: ServiceStatus, columns: tuple[Column, ...]) -> tuple[Cell, ...]:
    """One row, each text exactly as wide as its column."""
    made = []
    for column in columns:
        cell = column.cell(service)
        text = shorten(cell.text, column.width)
        text = text.rjust(column.width) if column.right else text.ljust(column.width)
        look = cell.look or ("" if _alive(service) else QUIET)
        made.append(Cell(text + " " * GAP, QUIET if cell.text.strip() == BLANK else look))
    return tuple(made)
