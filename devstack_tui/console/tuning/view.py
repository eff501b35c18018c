"""What the Tuning pane shows of the parameters and the jobs, given what the user chose."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.tuning.argv import BASELINE, CURRENT, PENDING
from devstack_tui.console.tuning.facts import parameter_facts, service_facts
from devstack_tui.console.tuning.job import TuningJob, TuningJobs
from devstack_tui.console.tuning.job_log import report_story, story
from devstack_tui.console.tuning.pairs_chart import PairsChartData
from devstack_tui.console.tuning.preview import NOTHING, PendingSummary, judged, pending_of
from devstack_tui.console.tuning.rows import Heading, Line, Shown, Suggestion
from devstack_tui.console.tuning.verdict import Styled
from devstack_tui.console.widgets.time_chart import FIRST, SECOND
from devstack_tui.contracts.tunable import DEFAULT, Parameter, Problem
from devstack_tui.core.plot import Plot, Series
from devstack_tui.present.cells import Fact
from devstack_tui.present.looks import BAD, QUIET
from devstack_tui.present.text import plain
from devstack_tui.tuning.events import HistoryRow, Row, Show

BAD_STYLE, BUSY_STYLE, QUIET_STYLE = "$text-error", "$text-accent", "$foreground 60%"
Values = dict[str, dict[str, str]]
"""Texts by service and name."""


def key_of(row: Row) -> str:
    """`postgres.shared_buffers`."""
    return f"{row.service}.{row.name}"


def _profile_value(row: Row, profile: str) -> str | None:
    return row.baseline if profile == BASELINE else row.profiles.get(profile)


def pairs_count(job: TuningJob, planned: int) -> str:
    """How many of the pairs of an A/B are to come, or why fewer were made than were wanted."""
    made, wanted = len(job.pairs), max(planned, job.run.pairs if job.run else 0)
    if made >= wanted:
        return ""
    if job.report is not None:
        why = plain(job.report.stopped) or "those were enough"
        return f"ended after {made} of {wanted} pairs: {why}"
    if job.running and not job.stopping:
        return f"{wanted - made} more to come, fewer if it is decided before"
    return f"ended after {made} of {wanted} pairs, without a verdict"


class TuningView:
    """The user's filter, and the rows, texts and charts that follow from the jobs."""

    def __init__(self, jobs: TuningJobs) -> None:
        self.filter = ""
        self.only = False
        """Whether only what is changed or pending is shown."""
        self.quiet: TuningJob | None = None
        """The ended job that is old news: the user has gone on."""
        self._jobs = jobs
        self._for: Show | None = None
        self._judged: PendingSummary = NOTHING
        self._catalogue: dict[str, Parameter] = {}

    def forget(self) -> None:
        """Judge nothing of a stack that is gone."""
        self._for, self._judged, self._catalogue = None, NOTHING, {}

    @property
    def show(self) -> Show | None:
        """What was read last."""
        return self._jobs.show

    @property
    def judged(self) -> PendingSummary:
        """What the pending values mean together."""
        self._refresh()
        return self._judged

    @property
    def rows(self) -> dict[str, Row]:
        """Every parameter by its key."""
        return {key_of(row): row for row in self.show.parameters} if self.show else {}

    def row(self, key: str | None) -> Row | None:
        """The parameter with this key."""
        return self.rows.get(key or "")

    def parameter(self, key: str) -> Parameter | None:
        """Its entry in the catalogue."""
        self._refresh()
        return self._catalogue.get(key)

    def service(self, key: str | None) -> str:
        """The service of a row or of a heading."""
        return (key or "").partition(".")[0]

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles' names, the baseline first."""
        found = self.show.profiles if self.show else ()
        return tuple(sorted(dict.fromkeys(found), key=lambda name: name != BASELINE))

    def _refresh(self) -> None:
        show = self.show
        if show is None or show is self._for:
            return
        self._for = show
        self._catalogue = {parameter.key: parameter for parameter in show.catalogue}
        self._judged = judged(show)

    # --- rows ----------------------------------------------------------------------------------

    def lines(self) -> dict[str, Shown]:
        """The table: a heading for each service, then its parameters that pass the filter."""
        show = self.show
        if show is None:
            return {}
        grouped: dict[str, list[Row]] = {}
        for row in show.parameters:
            grouped.setdefault(row.service, []).append(row)
        for name in show.down:
            grouped.setdefault(name, [])
        problems = self._problems()
        made: dict[str, Shown] = {}
        for service, rows in grouped.items():
            wanted = [row for row in rows if self._wanted(row)]
            if not wanted and (self.filter or self.only):
                continue
            made[service] = Heading(
                service,
                plain(show.down.get(service, "")),
                len(rows),
                sum(row.changed for row in rows),
                sum(row.pending is not None for row in rows),
            )
            for row in wanted:
                key = key_of(row)
                made[key] = Line(row, problems.get(key), key in self.judged.relaxed)
        return made

    def _wanted(self, row: Row) -> bool:
        if self.only and not (row.changed or row.pending is not None or row.restart):
            return False
        words = self.filter.lower().split()
        text = f"{row.service}.{row.name} {row.help} {row.apply} {row.source}".lower()
        return all(word in text for word in words)

    def _problems(self) -> dict[str, Problem]:
        """The worst one of each parameter."""
        found: dict[str, Problem] = {}
        for problem in self.judged.problems:
            key = f"{problem.service}.{problem.parameter}"
            if key not in found or (problem.fatal and not found[key].fatal):
                found[key] = problem
        return found

    def advice(self) -> dict[str, Suggestion]:
        """The advisor's list."""
        show, rows = self.show, self.rows
        made = {}
        for advice in show.advice if show else ():
            key = f"{advice.service}.{advice.parameter}"
            row = rows.get(key)
            pending = row is not None and row.pending == advice.value
            made[key] = Suggestion(advice, row.effective if row else "", pending)
        return made

    def history(self) -> dict[str, HistoryRow]:
        """What was applied, newest first."""
        found = self.show.history if self.show else ()
        return {str(change.number): change for change in sorted(found, key=lambda c: -c.number)}

    # --- values --------------------------------------------------------------------------------

    def pending(self) -> Values:
        """What is pending."""
        return pending_of(self.show) if self.show is not None else {}

    def pending_lines(self) -> tuple[Line, ...]:
        """The rows that have a pending value."""
        problems = self._problems()
        return tuple(
            Line(row, problems.get(key), key in self.judged.relaxed)
            for key, row in self.rows.items()
            if row.pending is not None
        )

    @property
    def pending_count(self) -> int:
        """How many values are pending."""
        return sum(len(values) for values in self.pending().values())

    def of_profile(self, name: str) -> Values:
        """What a profile would make pending: where it differs from what the servers that run have.

        A profile is whole for the services that it names: what it does not say there goes back
        to the server's default.
        """
        down = self.show.down if self.show is not None else {}
        rows = [row for row in self.rows.values() if row.service not in down]
        wanted = {key_of(row): _profile_value(row, name) for row in rows}
        named = {row.service for row in rows if wanted[key_of(row)] is not None}
        made: Values = {}
        for row in rows:
            value = wanted[key_of(row)]
            if value is None and row.tuned is not None and row.service in named:
                value = DEFAULT
            real = row.default if value == DEFAULT else value
            if value is not None and (real != row.effective or row.pending is not None):
                made.setdefault(row.service, {})[row.name] = value
        return made

    def settled(self, row: Row) -> str:
        """The value of `row` that leaves nothing pending: what the stack sets already."""
        return row.tuned or DEFAULT

    def sides(self) -> tuple[str, ...]:
        """What an A/B can compare."""
        pending = (PENDING,) if self.pending_count else ()
        return (CURRENT, *pending, *self.profiles)

    # --- texts ---------------------------------------------------------------------------------

    def about(self, key: str | None) -> tuple[str, tuple[Fact, ...]]:
        """The title and the lines of what is under the cursor."""
        shown = self.lines().get(key or "")
        if isinstance(shown, Line):
            return key or "", tuple(parameter_facts(shown, self.parameter(key or "")))
        if isinstance(shown, Heading):
            costs = [row.cost for row in self.rows.values() if row.service == key and row.cost]
            if (last := self._jobs.costs.get(shown.service)) is not None:
                costs.append(f"{last.sentence} ({last.profile} values)")
            return shown.service, tuple(service_facts(shown, tuple(dict.fromkeys(costs))))
        return "Parameters", tuple(self._nothing())

    def _nothing(self) -> Iterator[Fact]:
        show, trouble = self.show, self._jobs.trouble
        if trouble is not None:
            yield Fact("Why", ((f"✗ {plain(trouble.message)}", BAD),))
            yield Fact("Do", ((plain(trouble.remedy) or "f5 tries it again", ""),))
        elif show is None:
            yield Fact("", (("reading the parameters…", QUIET),))
        elif self.filter or self.only:
            what = f"matches “{self.filter}”" if self.filter else "is changed or pending"
            yield Fact("", ((f"no parameter {what}: esc shows all", QUIET),))
        else:
            yield Fact("", (("no service with parameters runs: u in Health starts it", QUIET),))

    def title(self) -> str:
        """Of the table's footer line: what is filtered."""
        parts = [f"/ {self.filter}"] if self.filter else []
        parts += ["only changed or pending"] if self.only else []
        return " · ".join(parts)

    def invitation(self) -> Styled:
        """What is wrong, or what can be done now."""
        show, trouble = self.show, self._jobs.trouble
        if trouble is not None:
            remedy = f" → {plain(trouble.remedy)}" if trouble.remedy else ""
            return f"✗ {plain(trouble.message)}{remedy}", BAD_STYLE
        if show is None:
            return "reading the parameters…", QUIET_STYLE
        if self._jobs.putting:
            return "putting values into pending…", BUSY_STYLE
        return self._trouble(show) or self._possible(show)

    def _trouble(self, show: Show) -> Styled | None:
        if {row.service for row in show.parameters} <= set(show.down):
            return "✗ no service with parameters runs: u in Health starts it", BAD_STYLE
        fatal = next((p for p in self.judged.problems if p.fatal), None)
        if fatal is None:
            return None
        where = ".".join(filter(None, [fatal.service, fatal.parameter]))
        return f"✗ {plain(where)}: {plain(fatal.message)}", BAD_STYLE

    def _possible(self, show: Show) -> Styled:
        count = self.pending_count
        if count:
            return f"◆ {count} pending · d diff · a apply · T proves it · D drops all", BUSY_STYLE
        if show.advice:
            return f"{len(show.advice)} suggestions: i shows them", QUIET_STYLE
        return "enter edits · p a profile · i advice · T A/B", QUIET_STYLE

    # --- jobs ----------------------------------------------------------------------------------

    def job(self) -> TuningJob | None:
        """The job whose progress or end is news."""
        current = self._jobs.current
        return None if current is self.quiet else current

    def story(self) -> tuple[str, tuple[Fact, ...]]:
        """The title and the lines of the job that runs or ran last."""
        job = self._jobs.current
        if job is None:
            return "Jobs", (Fact("", (("nothing was run yet", QUIET),)),)
        return plain(job.request.title), tuple(story(job))

    def report(self) -> tuple[Fact, ...]:
        """The end of the last A/B; nothing while it runs."""
        job = self._jobs.last_ab
        return tuple(report_story(job.report)) if job is not None and job.report else ()

    def paired(self) -> PairsChartData:
        """The paired chart of the last A/B."""
        job = self._jobs.last_ab
        if job is None or job.ab is None:
            empty = "the plan is still to come" if job else "no A/B yet: T starts one"
            return PairsChartData("A/B", "", "", "", 0.05, empty=empty)
        plan = job.ab
        seen = f" · sees {plan.detectable * 100:.0f} % or more" if plan.detectable else ""
        return PairsChartData(
            f"A/B {plan.workload} · {plan.size} · {plan.pairs} pairs{seen}",
            plan.a, plan.b, plan.unit, plan.margin, tuple(job.pairs), pairs_count(job, plan.pairs),
            "" if job.pairs else "the first pair is being measured",
        )  # fmt: skip

    def seconds(self) -> Plot:
        """The last run of both sides, second by second."""
        job = self._jobs.last_ab
        lines = job.seconds if job is not None else {}
        return Plot(
            title="Seconds of this pair",
            unit=plain(job.ab.unit) if job is not None and job.ab is not None else "",
            series=tuple(
                Series(arm.upper(), look, tuple(lines[arm]))
                for arm, look in (("a", FIRST), ("b", SECOND))
                if arm in lines
            ),
            empty="the first second is still to come",
        )
