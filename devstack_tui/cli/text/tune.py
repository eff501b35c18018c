"""The tuning as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from devstack_tui.cli.output import Narration, narrate, say
from devstack_tui.contracts.tunable import DEFAULT, Advice, Parameter
from devstack_tui.core.units import moment, size
from devstack_tui.state.parameter_values import reading
from devstack_tui.tuning.events import (
    TAKEN,
    Budget,
    HistoryRow,
    ImportedProfile,
    Note,
    Row,
    Show,
    TuneDone,
    TunePlanned,
    TuneStep,
)
from devstack_tui.tuning.profiles import Profile
from devstack_tui.tuning.rules import sentence

ApplyEvent = TunePlanned | TuneStep | Note | TuneDone


class Narrator(Narration):
    """An apply as it happens, on stderr."""

    _last = ("", "", "")

    def __call__(self, event: ApplyEvent) -> None:
        match event:
            case TuneStep():
                summary = (event.service, event.phase, event.detail)
                if summary != self._last:
                    self.say(f"{event.service:<10} {event.phase:<10} {event.detail}".rstrip())
                self._last = summary
            case Note():
                self.say(event.text)
            case TuneDone():
                narrate(outcome(event))


def outcome(done: TuneDone) -> str:
    """How an apply ended."""
    if done.exit_code == 0:
        count = len(done.outcomes)
        read = "1 value read back" if count == 1 else f"{count} values read back"
        result = read if count else done.message
        return f"tune: done after {done.seconds:.1f} s, {result or 'nothing to read back'}"
    back = "the last good configuration is back" if done.restored else "NOT everything is back"
    remedy = f"\n  → {done.remedy}" if done.remedy else ""
    return f"tune: {done.message}\n  {back} after {done.seconds:.1f} s{remedy}"


def planned(plan: TunePlanned) -> str:
    """What an apply will do, for who has to agree."""
    count = len(plan.changes)
    what = "1 parameter changes" if count == 1 else f"{count} parameters change"
    lines = [f"{plan.by}: {what} in the stack {plan.stack!r}"]
    lines += [
        f"  {c.service}.{c.parameter}: {c.before or DEFAULT} → {c.after or DEFAULT}  ({c.apply})"
        + (f", understood: {c.understood}" if c.understood else "")
        for c in plan.changes
    ]
    lines += [f"  {number}. {step}" for number, step in enumerate(plan.steps, 1)]
    lines += [f"  warning: {warning}" for warning in (*plan.disturbs, *plan.warnings)]
    return "\n".join(lines)


def print_rows(rows: Sequence[Row]) -> None:
    """A line for each parameter."""
    width = max((len(f"{row.service}.{row.name}") for row in rows), default=0)
    if rows:
        say(f"{'PARAMETER':<{width}}  {'VALUE':<18} {'SOURCE':<32} DEFAULT")
    for row in rows:
        pending = f" → {row.pending} pending" if row.pending is not None else ""
        pending += f" (understood: {row.understood})" if row.understood else ""
        restart = " (restart)" if row.restart else ""
        value = row.effective or f"({row.tuned or row.default})"
        source = f"{row.source}, {row.set_by}" if row.set_by else row.source
        say(
            f"{row.service + '.' + row.name:<{width}}  {value:<18} {source:<32} "
            f"{row.default}{pending}{restart}"
        )
        if row.warning:
            say(f"{'':<{width}}  ! {row.warning}")
        if row.cost:
            say(f"{'':<{width}}    {row.cost}")


def narrate_rest(show: Show) -> None:
    """The remarks of `tune show` beside its rows, as narration."""
    for reason in show.down.values():
        narrate(f"not asked: {reason}")
    if show.budget is not None:
        narrate(budget(show.budget))
    for problem in show.problems:
        narrate(f"{'error' if problem.fatal else 'warning'}: {sentence(problem)}")


def budget(found: Budget) -> str:
    """The memory of the whole stack in one line."""
    return (
        f"memory: {size(found.sure)} surely, {size(found.worst)} at worst, of {size(found.limit)} "
        f"({found.limit_from})"
    )


def print_profile(
    profile: Profile, values: Mapping[str, Mapping[str, str]], rows: Sequence[Row]
) -> None:
    """What a profile sets, and what is now."""
    known = {(row.service, row.name): row for row in rows}
    width = max((len(f"{one}.{name}") for one, own in values.items() for name in own), default=0)
    for service, own in values.items():
        for name, value in own.items():
            row = known.get((service, name))
            now, how = "", "not a parameter of the server that is installed"
            if row is not None:
                now = f"now {row.effective}" if row.effective else row.source
                now, how = f"{now}, default {row.default}", f"({row.apply})"
            written = reading(profile.written.get(service, {}).get(name, value), value)
            understood = f" (understood: {written})" if written else ""
            say(f"{service + '.' + name:<{width}}  {value:<12} {now} {how}{understood}")


def imported(path: Path, found: ImportedProfile) -> list[str]:
    """The values of a profile that was imported, then what did not get into it."""
    count = sum(map(len, found.values.values()))
    what = "1 value" if count == 1 else f"{count} values"
    rest = [one for one in found.lines if one.status != TAKEN]
    return [
        f"{found.profile}: {what} of {', '.join(found.values)}, in {found.path}",
        *(f"  {one.sentence}" for one in found.lines if one.status == TAKEN),
        *([f"not taken: {len(rest)}"] if rest else []),
        *(f"  {one.status:<10} {path}:{one.sentence}" for one in rest),
    ]


def print_list(
    profiles: Iterable[Profile], broken: Mapping[str, str], catalogue: Sequence[Parameter]
) -> None:
    """The profiles, those that cannot be read with the reason, then every parameter."""
    for profile in profiles:
        say(f"{profile.name:<14} {', '.join(profile.values)}: {profile.title}")
    for name, reason in broken.items():
        say(f"{name:<14} cannot be used: {reason}")
    say()
    width = max((len(parameter.key) for parameter in catalogue), default=0)
    for parameter in catalogue:
        say(f"{parameter.key:<{width}}  {parameter.apply:<8} {parameter.help}")


def print_history(rows: Sequence[HistoryRow]) -> None:
    """The changes, the newest first."""
    if not rows:
        say("nothing was applied yet")
    for row in reversed(rows):
        undone = "  (undone)" if row.undone else ""
        say(f"#{row.number}  {moment(row.at)}  {row.by}{undone}")
        for key, (before, after) in row.values.items():
            source = f"  ({row.sources[key]})" if key in row.sources else ""
            say(f"    {key}: {before or DEFAULT} → {after or DEFAULT}{source}")


def print_advice(advice: Sequence[Advice]) -> None:
    """A suggestion and its reason each."""
    if not advice:
        say("nothing to suggest: what is set fits this machine and what the servers count")
    for one in advice:
        say(f"{one.service}.{one.parameter} = {one.value}")
        say(f"    {one.reason}")
        assignment = shlex.quote(f"{one.parameter}={one.value}")
        say(f"    devstack-tui tune set {one.service} {assignment}")
