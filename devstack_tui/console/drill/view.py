"""What the Drill pane shows: choices, sentences and rows, from what the jobs know."""

from __future__ import annotations

from textual.content import Content

from devstack_tui.console.drill.cluster_map import node_line, ordered
from devstack_tui.console.drill.job import DrillJob, DrillJobs, DrillRequest
from devstack_tui.console.drill.model import DrillChoice, RepeatTimeline, standing
from devstack_tui.console.drill.rows import Choice, HistoryDrill
from devstack_tui.console.job_line import BAD, GOOD, WARN, failed
from devstack_tui.contracts.drill import DrillResult
from devstack_tui.core.check import Result
from devstack_tui.core.plot import seconds_text
from devstack_tui.core.units import counted, measured
from devstack_tui.drill.events import DrillReport
from devstack_tui.present.text import plain

MOST_REPEATS = 50


class DrillView:
    """Which drill, fault, victim and how often; and the report of the history that is open."""

    def __init__(self, jobs: DrillJobs) -> None:
        self._jobs = jobs
        self._fault: dict[str, str] = {}
        self._victim: dict[str, str] = {}
        self.repeats = 1
        self.marked = ""
        self.trouble = ""
        self.report: DrillReport | None = None
        """Of the history, while it is open."""
        self._turn: int | None = None

    def forget(self) -> None:
        """Open and mark nothing of a stack that is gone."""
        self.report, self.marked = None, ""
        self.follow()

    # --- choosing ------------------------------------------------------------------------------

    def find(self, name: str) -> DrillChoice | None:
        """The drill called `name`."""
        return next((drill for drill in self._jobs.listing.drills if drill.name == name), None)

    def fault(self, drill: DrillChoice) -> str:
        """The chosen fault of a drill; by default its first."""
        return self._fault.get(drill.name) or (drill.faults[0] if drill.faults else "")

    def victim(self, drill: DrillChoice) -> str:
        """The chosen victim of a drill; by default its first."""
        return self._victim.get(drill.name) or (drill.victims[0] if drill.victims else "")

    def next_fault(self, name: str) -> None:
        """Choose the next fault of a drill."""
        if (drill := self.find(name)) is not None and drill.faults:
            possible = tuple(fault for fault in drill.faults if fault not in drill.refused)
            self._fault[name] = _after(possible or drill.faults, self.fault(drill))

    def next_victim(self, name: str) -> None:
        """Choose the next victim of a drill."""
        if (drill := self.find(name)) is not None and drill.victims:
            self._victim[name] = _after(drill.victims, self.victim(drill))

    def repeat(self, more: int) -> None:
        """So many repeats more, or fewer."""
        self.repeats = min(max(self.repeats + more, 1), MOST_REPEATS)

    def request(self, name: str) -> DrillRequest | str:
        """What a start would run, or why there is nothing to run."""
        drill = self.find(name)
        if drill is None:
            return self.trouble or "no drill is chosen"
        if not drill.available:
            return f"{drill.name}: {drill.reason}"
        return DrillRequest(drill.name, self.fault(drill), self.victim(drill), self.repeats)

    # --- rows ----------------------------------------------------------------------------------

    def choices(self) -> dict[str, Choice]:
        """The list of drills."""
        running = self._jobs.running
        listing, found = self._jobs.listing, {}
        for drill in listing.drills:
            outcome, past = standing(drill, listing.history)
            age_s = self._jobs.now() - past.started if past is not None else None
            runs = running is not None and running.request.drill == drill.name
            found[drill.name] = Choice(drill, runs, outcome, age_s)
        return found

    def empty(self) -> str:
        """What stands in place of the lanes."""
        keys = "p shows what a drill would do, g starts it"
        if not (earlier := len(self._jobs.listing.history)):
            return f"Nothing was drilled yet: {keys}."
        drills = "the earlier drill" if earlier == 1 else f"the {earlier} earlier drills"
        return f"No drill is in view: h shows {drills}, {keys}."

    def history(self) -> dict[str, HistoryDrill]:
        """Every drill of the history, newest first."""
        return {
            past.id: HistoryDrill(past, past.id == self.marked)
            for past in self._jobs.listing.history
        }

    def past(self, name: str | None) -> DrillReport | None:
        """A drill of the history."""
        return next((past for past in self._jobs.listing.history if past.id == name), None)

    # --- what runs -----------------------------------------------------------------------------

    @property
    def job(self) -> DrillJob | None:
        """The drill that runs, or ran last."""
        return self._jobs.current

    @property
    def results(self) -> tuple[DrillResult, ...]:
        """The repeats that are over, of the opened report or of the current drill."""
        if self.report is not None:
            return self.report.repeats
        return tuple(self.job.results) if self.job is not None else ()

    def turn(self) -> None:
        """Look at the next repeat."""
        if self.results:
            last = len(self.results) - 1
            self._turn = ((last if self._turn is None else self._turn) + 1) % len(self.results)

    def follow(self) -> None:
        """Look at what comes last again."""
        self._turn = None

    def result(self) -> DrillResult | None:
        """The repeat in view, if it is over."""
        if self._turn is not None and self._turn < len(self.results):
            return self.results[self._turn]
        last = self.results[-1] if self.results else None
        live = self._live()
        running = self.report is None and self.job is not None and self.job.running
        if running and last is not None and live is not None and live.repeat != last.repeat:
            return None
        return last

    def _live(self) -> RepeatTimeline | None:
        return self.job.timeline if self.job is not None and self.report is None else None

    def timeline(self) -> RepeatTimeline | None:
        """The lanes in view."""
        live, result = self._live(), self.result()
        if result is None or (live is not None and live.repeat == result.repeat):
            return live
        return RepeatTimeline.of(result)

    def steps(self) -> dict[str, Result]:
        """What was decided: of the repeat that was chosen, else of the whole drill once it is
        over."""
        report = self.report or (self.job.done.report if self.job and self.job.done else None)
        if self._turn is None and report is not None:
            return {step.id: step for step in report.steps}
        timeline = self.timeline()
        return timeline.steps if timeline is not None else {}

    def settings(self, name: str) -> str:
        """`sigkill · redis-1 · 3 times` of the drill under the cursor."""
        request = self.request(name)
        if isinstance(request, str):
            return ""
        times = f"{request.repeats}×" if request.repeats > 1 else ""
        return plain(" ".join(filter(None, [request.fault, request.victim, times])))

    def map_lines(self, width: int) -> list[Content]:
        """The cluster map and the counters beside it."""
        timeline, job = self.timeline(), self.job
        lines: list[Content] = []
        # Nobody looked at the cluster after a drill that was cut short.
        current = job is not None and (job.running or job.verdict)
        if current and timeline is not None and timeline.map is not None:
            lines += [node_line(node, width) for node in ordered(timeline.map.nodes)]
        lines += self._figures(timeline)
        return lines

    def _figures(self, timeline: RepeatTimeline | None) -> list[Content]:
        if timeline is None:
            return []
        if timeline.acknowledged is None:
            return [Content.styled("writes not measured", "$foreground 60%")]
        lines = [
            Content.assemble(
                Content.styled("acknowledged ", "$foreground 60%"),
                Content(f"{timeline.acknowledged:,} "),
                Content.styled("failed ", "$foreground 60%"),
                Content(f"{counted(timeline.failed)} "),
                Content.styled("indeterminate ", "$foreground 60%"),
                Content(counted(timeline.indeterminate)),
            )
        ]
        result = self.result()
        if result is None or result.repeat != timeline.repeat:
            return lines
        lost = result.lost
        expected = ""
        if result.expected is not None:
            expected = f" (expected {result.expected[0]:.1f}–{result.expected[1]:.1f} s)"
        lines.append(
            Content.assemble(
                Content.styled(
                    f"lost {counted(lost)} ", "$text-success" if lost == 0 else "bold $text-error"
                ),
                Content(f"write window {measured(result.write_window_s)}"),
                Content.styled(expected, "$foreground 60%"),
            )
        )
        if result.timings:
            times = "  ".join(f"{plain(k)} {v:.2f}" for k, v in result.timings.items())
            lines.append(Content.styled(f"{times} s", "$foreground 60%"))
        if result.void:
            lines.append(Content.styled(f"▲ void: {plain(result.void)}", "$text-warning"))
        return lines

    def progress(self, now: float, name: str) -> Content:
        """One line about the drill that runs, ran last, or would run."""
        job, notes = self.job, self._jobs.listing.notes
        if job is None and notes and not self.trouble:
            return Content.styled(f" ▲ {plain(notes[0])}", WARN)
        if job is None:
            text = self.trouble or f"g starts {name or 'a drill'}: the plan comes first"
            return Content.styled(f" {plain(text)}", "$foreground 60%")
        if job.running:
            return self._running(job, now)
        return _ended(job, now)

    def _running(self, job: DrillJob, now: float) -> Content:
        phase = job.phase
        what = "beginning"
        if job.stopping:
            what = "aborting: the stack is being healed"
        elif phase is not None:
            detail = f": {plain(phase.detail)}" if phase.detail else ""
            what = f"repeat {phase.repeat} · {plain(phase.phase)}{detail}"
        elapsed = seconds_text(job.elapsed(now))
        of = f" of ≈ {seconds_text(job.plan.expected_s)}" if job.plan else ""
        return Content.assemble(
            Content.styled(f" ▶ {what} ", "$text-warning" if job.stopping else "$text-accent"),
            Content.styled(f"{elapsed}{of} · x aborts and heals", "$foreground 60%"),
        )


def _ended(job: DrillJob, now: float) -> Content:
    elapsed, title = seconds_text(job.elapsed(now)), plain(job.request.title)
    wrong = job.error or (job.done if job.done is not None and job.done.report is None else None)
    if wrong is not None and wrong.message:
        return failed(title, wrong.message, wrong.remedy)
    if job.stopping:
        return Content.styled(f" ○ {title}: aborted after {elapsed}, healed", WARN)
    report = job.done.report if job.done is not None else None
    outcome = report.outcome if report is not None else job.verdict
    styles = {"PASS": ("●", GOOD), "FAIL": ("✗", BAD)}
    glyph, style = styles.get(outcome, ("▲" if job.verdict == "PASS" else "?", WARN))
    return Content.styled(f" {glyph} {plain(outcome)} · {title} · {elapsed}", style)


def _after(names: tuple[str, ...], name: str) -> str:
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]
