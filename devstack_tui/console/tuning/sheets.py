"""The tables of the Tuning pane's dialogs: what is pending, and one applied change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.table import Table
from rich.text import Text

from devstack_tui.console.tuning.preview import PendingSummary
from devstack_tui.console.tuning.rows import Line
from devstack_tui.console.tuning.verdict import memory_verdict
from devstack_tui.present.looks import BAD, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import memory, plain
from devstack_tui.tuning.events import TAKEN, Budget, HistoryRow, ImportedProfile

Ink = Callable[[str], Style]


def diff_table(
    lines: Sequence[Line], judged: PendingSummary, before: Budget | None, ink: Ink
) -> Table:
    """Every pending value against what is, the memory before and after, and what is wrong."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in (None, 12, 12, None):
        table.add_column(max_width=width, no_wrap=width is None, overflow="fold")
    heads = ("PARAMETER", "NOW", "PENDING", "APPLY")
    table.add_row(*(Text(head, ink(QUIET)) for head in heads))
    for line in lines:
        row = line.row
        table.add_row(
            Text(plain(f"{row.service}.{row.name}")),
            Text(plain(row.effective), ink(QUIET)),
            Text(plain(row.pending or ""), ink(KEY)),
            Text(plain(row.apply), ink(WARN if row.restart else QUIET)),
        )
    outer = Table.grid(expand=True)
    outer.add_row(table)
    for line in lines:
        if line.relaxed:
            name = plain(f"{line.row.service}.{line.row.name}")
            text = f"▲ {name}, development only: {plain(line.row.durability)}"
            outer.add_row(Text(text, ink(WARN)))
    after = judged.budget
    if before is not None and after is not None:
        verdict, _ = memory_verdict(after)
        look = {"✗": BAD, "▲": WARN}.get(verdict[0], GOOD)
        text = (
            f"\nMemory: sure {memory(before.sure)} → {memory(after.sure)}, worst"
            f" {memory(before.worst)} → {memory(after.worst)} of {memory(after.limit)} "
        )
        outer.add_row(Text.assemble(text, (verdict, ink(look))))
    for problem in judged.problems:
        mark, look = ("✗", BAD) if problem.fatal else ("▲", WARN)
        outer.add_row(Text(f"{mark} {plain(problem.message)}", ink(look)))
    return outer


def import_table(found: ImportedProfile, ink: Ink) -> Table:
    """What of a file is in the profile now, and what is not."""
    table = Table.grid(padding=(0, 2, 0, 0))
    rest = [one for one in found.lines if one.status != TAKEN]
    for one in rest:
        look = QUIET if one.status == "irrelevant" else BAD if one.status == "refused" else WARN
        table.add_row(Text(one.status, ink(look)), Text(f"line {plain(one.sentence)}"))
    for one in found.lines:
        if one.status == TAKEN:
            table.add_row(Text("● taken", ink(GOOD)), Text(plain(one.sentence)))
    return table


def change_table(change: HistoryRow, ink: Ink) -> Table:
    """Who changed what, and which source won."""
    outer = Table.grid(expand=True)
    state = ("○ undone", ink(QUIET)) if change.undone else ("● applied", ink(GOOD))
    outer.add_row(Text.assemble(f"by {plain(change.by)} ", state, "\n"))
    table = Table.grid(padding=(0, 2, 0, 0))
    heads = ("PARAMETER", "BEFORE", "AFTER", "WINNING SOURCE")
    table.add_row(*(Text(head, ink(QUIET)) for head in heads))
    for name, (before, after) in change.values.items():
        table.add_row(
            Text(plain(name)),
            Text(plain(before or "default"), ink(QUIET)),
            Text(plain(after or "default"), ink(KEY)),
            Text(plain(change.sources.get(name, ""))),
        )
    outer.add_row(table)
    return outer
