"""How the report's values read, in every form of it."""

from __future__ import annotations

from collections.abc import Iterable

from devstack_tui.core.check import Status, counts_text, glyph, worded
from devstack_tui.report import documents
from devstack_tui.report.model import (
    NOT_APPLICABLE,
    CoverageRow,
    Item,
    Missing,
    Report,
    Suite,
)

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
MISSING = "Nothing that is full and of now decides these. Until then no report is PASS."
PUBLISHED = (
    "What DevStack Core's own gate asks for at least, beside the baseline of this host. The "
    "machine of those figures was not published: they decide nothing."
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
    """What failed, warned or decided nothing, the worst first; what was skipped is none of it."""
    return sorted(
        (item for item in items if item.status not in (Status.PASS, Status.SKIPPED)),
        key=lambda item: WORST.index(item.status) if item.status in WORST else len(WORST),
    )


def item_verdict(item: Item) -> str:
    """`WARN, as declared`; `FAIL, stale`."""
    return worded(item) + (", stale" if item.stale else "")


def suite_verdict(suite: Suite) -> str:
    """`PASS`; `PASS, stale`."""
    return f"{suite.verdict}, stale" if suite.stale else suite.verdict


def suite_figures(suite: Suite) -> str:
    """In front of its figures, why they decide nothing."""
    stale = f"stale: {suite.stale}" if suite.stale else ""
    return "; ".join(filter(None, (stale, suite.beside, suite.figures)))


def missing_text(one: Missing) -> str:
    """`Failover 1–16: not run on this stack yet`."""
    return f"{one.what}: {one.why}"


def summary(report: Report) -> str:
    """One sentence about the coverage: what decided, what is missing, what does not apply."""
    rows = report.coverage.core
    decided = counts_text([row for row in rows if not row.missing and row.status != NOT_APPLICABLE])
    parts = [f"{len(rows)} core checks: {decided or 'none decided'}"]
    parts += [f"{missing} missing" for missing in [sum(row.missing for row in rows)] if missing]
    parts += [
        f"{len(ids)} {'does' if len(ids) == 1 else 'do'} not apply ({why})"
        for why, ids in report.inapplicable.items()
    ]
    beyond = [one for one in report.missing if not set(one.checks) <= {row.id for row in rows}]
    if beyond:
        parts.append(f"{sum(len(one.checks) for one in beyond):,} beyond them to be made again")
    proven_here = sum(row.proven is True or row.kind_proven for row in rows)
    core = f"{'; '.join(parts)}. {proven_here} of the {len(rows)} are of kinds proven by sabotage"
    explained = sum(proven(row) == "explained" for row in rows)
    core += f", and {explained} say why they are not." if explained else "."
    if report.warnings.total:
        declared = report.warnings.declared
        core += f" {report.warnings.total:,} WARN in all, {declared:,} of them as declared."
    return f"{core} Security: {report.headline}." if report.headline else core
