"""How the report's values read, in every form of it."""

from __future__ import annotations

from collections.abc import Iterable

from devstack_tui.core.check import Status, glyph
from devstack_tui.report import documents
from devstack_tui.report.model import CoverageRow, Item, Report

KINDS = {
    documents.CHECK: "Security checks",
    documents.REGRESS: "Regression gate",
    documents.DRILL: "Drills",
    documents.BENCH: "Benchmarks",
    documents.AB: "A/B comparisons",
    documents.COST: "What a kill costs",
    documents.AUTO: "Searches",
}
COUNTED = (
    "These tables do not add up to the kinds and instances of the security checks: drills, gates "
    "and checks that only sum up others are in them too, and a kind can be in both."
)
PROVEN = (
    "Proven: “yes” was broken itself by a sabotage, “its kind” at another instance; “seen red” "
    "was FAIL or WARN in a run of this stack, without a sabotage, and is not counted as proven; "
    "“no” was neither; “–” has no sabotage; “explained”: nothing can turn it red yet, see below."
)
WORST = ("FAIL", "ERROR", "INCONCLUSIVE", "WARN")
FIRST_STEPS = (
    ("up", "start the stack"),
    ("check run", "audit its AppRoles and its TLS"),
    ("drill run redis.failover", "break a node and measure what that costs"),
    ("bench record", "measure it, and keep that as this host's baseline"),
    ("regress", "compare it with the baseline"),
)


def verdict_text(verdict: str) -> str:
    """`● PASS`."""
    return f"{glyph(verdict)} {verdict}"


def kind_title(kind: str) -> str:
    """The heading of a kind; one that is not known is called as it is kept."""
    return KINDS.get(kind, kind.capitalize())


def proven(row: CoverageRow) -> str:
    """`yes`, `no`, or by what else it is known that it can fail."""
    if row.proven:
        return "yes"
    if row.kind_proven:
        return "its kind"
    if row.seen_red:
        return "seen red"
    if row.explained:
        return "explained"
    return "–" if row.proven is None else "no"


def by_status(counts: dict[str, int]) -> str:
    """`21 PASS, 2 FAIL`."""
    return documents.counts_text(counts) or "–"


def loud(items: Iterable[Item]) -> list[Item]:
    """What did not pass, the worst first."""
    return sorted(
        (item for item in items if item.status != Status.PASS),
        key=lambda item: WORST.index(item.status) if item.status in WORST else len(WORST),
    )


def summary(report: Report) -> str:
    """One sentence about the coverage."""
    rows = report.coverage.core
    passed = sum(row.status == "PASS" for row in rows)
    proven_here = sum(row.proven is True or row.kind_proven for row in rows)
    explained = sum(proven(row) == "explained" for row in rows)
    core = (
        f"{passed} of the {len(rows)} core checks passed last, {proven_here} of the {len(rows)} "
        "are of kinds proven by sabotage"
        + (f", and {explained} say why they are not." if explained else ".")
    )
    return f"{core} Security: {report.headline}." if report.headline else core
