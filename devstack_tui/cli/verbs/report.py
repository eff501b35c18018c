"""`report`: the last result of everything, and what of it is covered."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from devstack_tui.cli.exports import once, write
from devstack_tui.cli.output import narrate
from devstack_tui.cli.running import existing
from devstack_tui.cli.verbs import report_scope
from devstack_tui.contracts.audit import Check
from devstack_tui.contracts.model import StackStatus
from devstack_tui.contracts.registry import service
from devstack_tui.core import codec, exports
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.history import History
from devstack_tui.drill import timeline
from devstack_tui.drill.events import DrillReport
from devstack_tui.drill.runner import KIND
from devstack_tui.health.monitor import Monitor
from devstack_tui.report import core_checks
from devstack_tui.report.build import build, exit_status, redacted
from devstack_tui.report.coverage import CatalogueCheck
from devstack_tui.report.html import html
from devstack_tui.report.markdown import markdown
from devstack_tui.report.model import Report
from devstack_tui.security import proven, results
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import CheckRow
from devstack_tui.security.not_audited import gaps
from devstack_tui.security.standing import Standings, headline
from devstack_tui.stack import basis
from devstack_tui.stack.view import StackView


def run(options: argparse.Namespace) -> int:
    """Run `report`: its exit status is that of the verdict, once it is written."""
    stack = existing(options)
    history = History.of(stack.paths)
    with StackAudit(stack) as audit:
        secrets = audit.known_secrets()
        catalogue = Catalogue.of(audit)
        checks = catalogue.checks
        rows = _rows(checks.values())
        rests = basis.look(stack)
        inapplicable = report_scope.inapplicable(stack, audit, checks, rests)
        about = catalogue.about() | report_scope.gate()
    status = asyncio.run(_looked(stack.name))
    report = build(
        history,
        stack.name,
        known=[
            CatalogueCheck(
                *(row.id, row.title, row.suite, row.proven),
                kind=row.kind,
                kind_proven=row.kind_proven,
            )
            for row in rows
        ]
        + _of_runs(rows),
        secrets=secrets,
        headline=headline(rows),
        not_audited=gaps(stack.selected()),
        development_only=status.development_only,
        unasked=_unasked(status),
        rests=rests,
        about=about,
        inapplicable=inapplicable,
        absent=report_scope.absent(stack, about, rests),
        published=report_scope.published(),
    )
    asked = _requested_files(options)
    texts = {path: make(report, history, secrets) for path, make in asked.items()}
    write(texts)
    for path in texts.keys() - {exports.STDOUT}:
        narrate(f"wrote {path}")
    if options.json:
        print(_json(report, history, secrets), end="")
    elif not texts:
        print(markdown(report), end="")
    return exit_status(report, strict=options.strict)


async def _looked(name: str) -> StackStatus:
    """The servers as they are now: a stored result knows nothing of the settings in force."""
    monitor = Monitor(StackView(name))
    try:
        return await monitor.look()
    finally:
        monitor.close()


def _unasked(status: StackStatus) -> list[str]:
    """The services with parameters that did not answer the look."""
    silent = [row.name for row in status.services if row.required and not row.version]
    return [name for name in silent if service(name).tunables() is not None]


Make = Callable[[Report, History, frozenset[str]], str]


def _requested_files(options: argparse.Namespace) -> dict[Path, Make]:
    """Which files to make. Raises `UsageError` where one cannot be, or two are the same."""
    named = {"--md": options.md, "--html": options.html}
    places = {name: Path(text) for name, text in named.items() if text is not None}
    forms: dict[str, Make] = {"--md": _markdown, "--html": _html}
    if options.out is not None:
        folder = _made(Path(options.out))
        for form, make in (("md", _markdown), ("html", _html), ("json", _json)):
            places[f"--out ({form})"] = folder / f"report.{form}"
            forms[f"--out ({form})"] = make
    once(options, places)
    return {path: forms[name] for name, path in places.items()}


def _made(folder: Path) -> Path:
    """The directory, made if it is not there; that in which it is must be."""
    exports.require_possible([folder] if not folder.is_dir() else [])
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def _rows(checks: Collection[Check]) -> tuple[CheckRow, ...]:
    return results.listed(checks, {}, Standings(checks, proven.read()))


def _of_runs(rows: Sequence[CheckRow]) -> list[CatalogueCheck]:
    """The core checks that are in no catalogue: those that drills and the gate decide. The title of
    each, with the limits of then, is that of its last run."""
    record = proven.read()
    return [
        CatalogueCheck(check.id, "", suite.prefix, bool(record.by(check.id)))
        for suite in core_checks.suites()
        if not suite.missing and not any(row.id.startswith(f"{suite.prefix}.") for row in rows)
        for check in suite.checks
    ]


def _markdown(report: Report, _history: History, _secrets: frozenset[str]) -> str:
    return markdown(report)


def _json(report: Report, _history: History, _secrets: frozenset[str]) -> str:
    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"


def _html(report: Report, history: History, secrets: frozenset[str]) -> str:
    return html(report, _timelines(report, history, secrets))


def _timelines(report: Report, history: History, secrets: frozenset[str]) -> dict[str, str]:
    """A picture of every drill in the report, by its run's id."""
    found = {}
    for suite in report.suites:
        if suite.kind != KIND:
            continue
        try:
            drill = codec.decode(history.get(suite.id, KIND).document, DrillReport)
        except (DevstackError, ValueError):
            continue  # of another release: its figures are in the report, its course is not
        if any(repeat.lanes for repeat in drill.repeats):
            found[suite.id] = timeline.svg(redacted(drill, secrets))
    return found
