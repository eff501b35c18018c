"""`check list|show|run|prove|matrix`."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from devstack_tui.cli.exports import asked, write
from devstack_tui.cli.output import failure, narrate, print_json, say, show, warn
from devstack_tui.cli.proven_runs import proven_runs
from devstack_tui.cli.running import chosen, existing, follow, run_to_end
from devstack_tui.cli.text.check import (
    Progress,
    count,
    count_lines,
    list_lines,
    matrix_lines,
    proof_lines,
    report_lines,
    run_check_lines,
    run_list_lines,
    show_lines,
)
from devstack_tui.contracts.audit import Check
from devstack_tui.contracts.registry import IDENTITY
from devstack_tui.core.check import strict
from devstack_tui.core.errors import UnreachableError, UsageError
from devstack_tui.core.history import History
from devstack_tui.security import proven, results
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditDone,
    AuditReport,
    CheckRow,
    ProofDone,
)
from devstack_tui.security.prove import Prover
from devstack_tui.security.run_rows import RunCheckRow
from devstack_tui.security.run_rows import rows as run_rows
from devstack_tui.security.runner import Runner
from devstack_tui.security.standing import Standings, headline
from devstack_tui.stack.basis import Currency
from devstack_tui.stack.stack import Stack


def run(options: argparse.Namespace) -> int:
    """Run `check WHAT`."""
    if options.what == "prove":
        return _prove(options)
    stack = existing(options)
    return chosen(options, _list, _show, _run, _matrix)(stack, options)


# -- looking -------------------------------------------------------------------------------


def _chosen(
    catalogue: Catalogue, stack: Stack, options: argparse.Namespace
) -> tuple[tuple[Check, ...], dict[str, CheckRow]]:
    """The checks that were asked for, and what was found of all of them last."""
    known = results.last(stack.paths, catalogue.checks, Currency.of(stack), catalogue.about())
    statuses = {id: row.status for id, row in known.items() if row.status is not None}
    return catalogue.choose(options.words, suites=options.suite, last=statuses), known


def _list(stack: Stack, options: argparse.Namespace) -> int:
    with StackAudit(stack) as audit:
        catalogue = Catalogue.of(audit)
        chosen, known = _chosen(catalogue, stack, options)
    standings = Standings(catalogue.checks.values(), proven.read())
    rows = results.listed(chosen, known, standings)
    # What drills and the gate decide is run by other verbs: listed beside, in no count.
    others = () if options.words or options.suite else _others(standings.record)
    if options.unproven:
        rows = tuple(row for row in rows if not (row.proven or row.kind_proven))
        others = tuple(row for row in others if not row.proven)
    if options.count:
        counted, whole = count(rows), headline(rows)
        if options.json:
            print_json({"counts": counted, "headline": whole})
        else:
            say("\n".join(count_lines(counted, whole)))
    elif options.json:
        print_json({"checks": rows, "of_runs": others, "notes": _notes(stack)})
    else:
        for note in _notes(stack):
            narrate(note)
        say("\n".join([*list_lines(rows, time.time()), *run_list_lines(others)]))
    return 0


def _notes(stack: Stack) -> list[str]:
    """What is wrong with the file that the last results are in."""
    history = History.of(stack.paths)
    history.subjects()
    return history.notes


def _others(record: proven.Record) -> tuple[RunCheckRow, ...]:
    return run_rows(proven_runs(), record)


def _show(stack: Stack, options: argparse.Namespace) -> int:
    other = next((row for row in _others(proven.read()) if row.id == options.id), None)
    if other is not None:
        show(options, {"of_runs": [other]}, run_check_lines(other))
        return 0
    with StackAudit(stack) as audit:
        catalogue = Catalogue.of(audit)
    check = catalogue.get(options.id)
    known = results.last(stack.paths, [check.id], Currency.of(stack), catalogue.about())
    standings = Standings(catalogue.checks.values(), proven.read())
    turned = standings.record.by(check.id)
    row = results.listed([check], known, standings)[0]
    if options.json:
        print_json({"checks": [row], "turned_by": turned, "proof": standings.why(check.id)})
    else:
        sabotage = catalogue.sabotages.get(check.sabotage)
        elsewhere = catalogue.broken_at(check)
        lines = show_lines(row, sabotage, standings.why(check.id), time.time(), elsewhere)
        say("\n".join(lines))
    return 0


def _matrix(stack: Stack, options: argparse.Namespace) -> int:
    with StackAudit(stack) as audit:
        if not audit.running(IDENTITY):
            raise UnreachableError(
                f"nothing can be asked: {IDENTITY} of the stack {stack.name!r} does not run",
                f"`devstack-tui --stack {stack.name} up {IDENTITY}`",
            )
        cells = Catalogue.of(audit).matrix(audit)
    # Plain dataclasses: the same keys as in the report of an audit.
    show(options, {"matrix": cells}, matrix_lines(cells))
    return int(any(cell.real is not None and cell.real != cell.declared for cell in cells))


# -- auditing ------------------------------------------------------------------------------


def _run(stack: Stack, options: argparse.Namespace) -> int:
    files = asked(options, "junit", "sarif")
    # Owned by the runner from here on: it closes the audit, however it ends.
    audit = StackAudit(stack)
    catalogue = Catalogue.of(audit)
    chosen, _ = _chosen(catalogue, stack, options)
    if not chosen:
        raise UsageError(
            f"no check is {' or '.join(options.words)} now", "see `devstack-tui check list`"
        )
    command = shlex.join(["devstack-tui", *sys.argv[1:]])
    runner = Runner(stack, audit, catalogue, chosen, record=proven.read(), command=command)
    return run_to_end(_audited(runner, options, files))


async def _audited(runner: Runner, options: argparse.Namespace, files: Mapping[str, Path]) -> int:
    done = await _follow(runner.run(), options)
    if not isinstance(done, AuditDone):
        return _aborted(AuditDone(None, 130, "interrupted; what was opened is closed"), options)
    if done.report is None:
        if options.jsonl:
            return done.exit_code
        raise failure(done)
    _export(done.report, files)
    show(options, done.report, report_lines(done.report))
    warn(done)
    return strict(done.exit_code, done.report.checks) if options.strict else done.exit_code


def _export(report: AuditReport, files: Mapping[str, Path]) -> None:
    from devstack_tui.security import exported

    write({path: exported.FORMS[name](report) for name, path in files.items()})


# -- proving -------------------------------------------------------------------------------


def _prove(options: argparse.Namespace) -> int:
    if not (options.words or options.all):
        raise UsageError("say what to prove: checks, suites or sabotages, or --all")
    path = proven.record_path() if options.record else None
    return run_to_end(_proved(Prover(options.words, proven_runs()), path, options))


async def _proved(prover: Prover, path: Path | None, options: argparse.Namespace) -> int:
    began = time.time()
    done = await _follow(prover.run(), options)
    if not isinstance(done, ProofDone):
        ended = ProofDone((), 130, "interrupted; the throwaway stack is removed")
        return _aborted(ended, options)
    if done.message and not done.proofs:
        if options.jsonl:
            return done.exit_code
        raise failure(done)
    if path is not None and not done.message:
        proven.record(path, done.proofs, began, whole=not options.words)
    show(options, done, proof_lines(done.proofs))
    warn(done)
    return done.exit_code


# -- both ----------------------------------------------------------------------------------


async def _follow(
    events: AsyncGenerator[AnySecurityEvent, None], options: argparse.Namespace
) -> AnySecurityEvent | None:
    """Report every event; the last one, or None when it was ended from outside."""
    progress = Progress()
    try:
        return await follow(events, options, progress)
    except asyncio.CancelledError:  # ctrl-C; all is undone by now
        return None
    finally:
        progress.close()


def _aborted(done: AuditDone | ProofDone, options: argparse.Namespace) -> int:
    """It was cancelled; what it had begun is undone by now."""
    if options.jsonl:
        print_json(done)
    narrate(done.message)
    return done.exit_code
