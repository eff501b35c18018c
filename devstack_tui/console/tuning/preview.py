"""What the rules of the tuning say of values that nobody has applied yet, for the screen.

The rules are pure and quick enough for every key. They are imported when they are first needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devstack_tui.contracts.tunable import DEFAULT, Problem
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning.events import Budget, Row, Show


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """Of the pending values together: what memory the stack would take, what is wrong with
    them, and the keys of those that are relaxed in durability."""

    budget: Budget | None = None
    problems: tuple[Problem, ...] = ()
    relaxed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """One value: its canonical form, or why it is `wrong`; how it was `understood`, where it was
    written otherwise; what is to be known of it; what memory the stack would take with it and all
    that is pending."""

    value: str = ""
    wrong: str = ""
    warnings: tuple[str, ...] = ()
    budget: Budget | None = None
    understood: str = ""


NOTHING = PendingSummary()
Table = Mapping[str, Mapping[str, str]]


def pending_of(show: Show) -> dict[str, dict[str, str]]:
    """What is pending, by service and name."""
    made: dict[str, dict[str, str]] = {}
    for row in show.parameters:
        if row.pending is not None:
            made.setdefault(row.service, {})[row.name] = row.pending
    return made


def judged(show: Show) -> PendingSummary:
    """Of what is pending in `show`. Values that cannot be judged at all are one problem."""
    from devstack_tui.state.parameter_values import relaxed
    from devstack_tui.tuning import rules

    pending = pending_of(show)
    try:
        budget, problems = rules.judge(show, pending)
    except (DevstackError, ValueError, LookupError) as error:
        return PendingSummary(show.budget, (Problem("", "", str(error)),))
    found = frozenset(
        parameter.key
        for parameter in show.catalogue
        if (text := pending.get(parameter.service, {}).get(parameter.name)) is not None
        and relaxed(parameter, parameter.default if text == DEFAULT else text)
    )
    # What is wrong with a profile's file is reported by `tune show` alone.
    others = tuple(problem for problem in show.problems if not problem.service)
    return PendingSummary(budget, (*problems, *others), found)


def checked(show: Show, row: Row, text: str, known: tuple[Problem, ...] = ()) -> ValueCheck:
    """The problems and the memory budget with `text` as the value of `row`, beside all that is
    pending; problems that were `known` before belong to other values."""
    from devstack_tui.state.parameter_values import reading, relaxed
    from devstack_tui.tuning import rules

    try:
        value = rules.validate(show, row.service, row.name, text)
        wanted = pending_of(show)
        wanted.setdefault(row.service, {})[row.name] = value
        budget, problems = rules.judge(show, wanted)
    except DevstackError as error:
        return ValueCheck(wrong=" → ".join(filter(None, [error.message, error.remedy])))
    except (ValueError, LookupError) as error:
        return ValueCheck(wrong=str(error))
    mine = [
        problem
        for problem in problems
        if (problem.service, problem.parameter) == (row.service, row.name) or problem not in known
    ]
    fatal = next((problem.message for problem in mine if problem.fatal), "")
    if fatal:
        return ValueCheck(value, fatal, budget=budget)
    warnings = [problem.message for problem in mine]
    for parameter in show.catalogue:
        real = parameter.default if value == DEFAULT else value
        if (parameter.service, parameter.name) == (row.service, row.name):
            warnings += [f"development only: {row.durability}"] if relaxed(parameter, real) else []
    return ValueCheck(value, "", tuple(warnings), budget, reading(text, value))
