"""What is known of one check, as labelled lines."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.security.rows import Line, proof
from devstack_tui.core.check import warned_as_declared
from devstack_tui.present.cells import Fact, Span, verdict
from devstack_tui.present.looks import BUSY, GOOD, QUIET
from devstack_tui.present.text import duration, millis, plain
from devstack_tui.security.events import CheckRow


def check_facts(line: Line, now: float, elsewhere: str = "") -> Iterator[Fact]:
    """The lines of a check; `now` is Unix time, `elsewhere` where its kind is broken."""
    row = line.row
    yield Fact("Result", tuple(_result(line, now)))
    if row.evidence:
        yield Fact("Evidence", ((_lines(row.evidence), ""),))
    yield Fact("At stake", ((_lines(row.stake), ""),))
    if row.remedy:
        yield Fact("Remedy", ((_lines(row.remedy), ""),))
    yield Fact("Sabotage", tuple(_sabotage(row, elsewhere)))
    where = " › ".join(filter(None, [plain(row.suite), plain(row.group)]))
    core = f"core check {plain(row.core)}" if row.core else "beyond the core checks"
    kind = f" · one of {plain(row.kind)}" if row.kind else ""
    yield Fact("Place", ((f"{where} · {plain(row.service)}", ""), (f" · {core}{kind}", QUIET)))


def _result(line: Line, now: float) -> Iterator[Span]:
    row = line.row
    if line.waits:
        yield "… waiting", BUSY
        yield " · before: ", QUIET
    if row.status is None:
        yield "· never run", QUIET
    else:
        cell = verdict(row.status.value)
        yield cell.text, cell.look
        if warned_as_declared(row):
            yield ", as declared", QUIET
        if row.stale:
            yield f", stale: {plain(row.stale)}", QUIET
    yield f" · severity {plain(row.severity)}", ""
    if row.status is not None:
        yield f" · {_ago(now - row.at)}", QUIET
        yield f" · took {millis(row.ms)} ms", QUIET


def _ago(seconds: float) -> str:
    return "just now" if seconds < 60 else f"{duration(seconds)} ago"


def _sabotage(row: CheckRow, elsewhere: str) -> Iterator[Span]:
    glyph, word = proof(row)
    yield f"{glyph} {word}", GOOD if row.proven or row.kind_proven else ""
    if row.proven:
        yield f" · {plain(row.sabotage)} was seen to turn it red", QUIET
    elif row.kind_proven:
        yield f" · another instance of {plain(row.kind)} was broken and turned red", QUIET
    elif row.sabotage:
        yield f" · {plain(row.sabotage)} should turn it red: check prove {plain(row.id)}", QUIET
    elif elsewhere:
        yield f" · its kind is broken at {plain(elsewhere)}", QUIET
    elif not row.kind:
        yield " · red when one of those is that it sums up", QUIET
    else:
        yield " · no change on this machine can turn it red", QUIET


def _lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.splitlines())
