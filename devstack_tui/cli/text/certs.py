"""Certificates as text."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from devstack_tui.core.events import Rotated
from devstack_tui.health.certificates import LEAF, CertificateRow
from devstack_tui.identity.certificates import remedy

SIGNS = {"ok": "●", "soon": "▲", "urgent": "✗", "expired": "✗"}


def row_of(row: CertificateRow) -> dict[str, Any]:
    """One of `certificates[]` of the JSON document: the certificate's fields beside the row's."""
    fields = msgspec.to_builtins(row)
    return {**fields, **(fields.pop("certificate") or {})}


def list_lines(rows: Sequence[CertificateRow]) -> Iterator[str]:
    """A line for each certificate, and below it what is to be known or done."""
    yield (
        f"{'certificate':<14} {'state':<10} {'days':>5}  {'until':<10}  {'key':<9} "
        f"{'signature':<24} {'serial':<16} served"
    )
    for row in rows:
        found = row.certificate
        if found is None:
            yield f"{row.name:<14} ✗ {row.problem}"
            continue
        state = f"{SIGNS[row.state or '']} {row.state}"
        yield (
            f"{row.name:<14} {state:<10} {row.days_left:>5}  {_date(found.not_after)}  "
            f"{found.key:<9} {found.signature:<24} {found.serial[:14] + '…':<16} {_served(row)}"
        )
        names = f" · for {', '.join(found.sans)}" if found.sans else ""
        by = f"{found.subject} · by {found.issuer} · from {_date(found.not_before)}"
        yield f"{'':<14} {by}{names}"
        for one in row.served:
            if one.problem:
                yield f"{'':<14} ✗ {one.listener}: {one.problem}"
            elif not one.current:
                yield f"{'':<14} ✗ {one.listener} serves {one.serial}, not the file's"
        if row.kind == LEAF and (not row.well or row.state != "ok"):
            yield f"{'':<14} → {remedy(row.name)}"


def rotated_line(event: Rotated) -> str:
    """What became of one service."""
    held = f" · a connection of before: {event.held}" if event.held else ""
    ports = len(event.listeners)
    seen = f" · seen at {ports} listener{'s' if ports != 1 else ''}" if ports else ""
    return (
        f"{'':7}{event.service:<14} {event.how}: {event.before[:14]}… → {event.after[:14]}…, "
        f"until {_date(event.not_after)}{seen}{held} ({event.seconds:.1f} s)"
    )


def _served(row: CertificateRow) -> str:
    if not row.served:
        return "not running" if row.kind == LEAF else ""
    count = sum(one.current for one in row.served)
    return f"{count} of {len(row.served)}" if len(row.served) > 1 else ("yes" if count else "no")


def _date(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")
