"""What the Bench pane shows of the jobs, given what the user chose."""

from __future__ import annotations

import statistics

from devstack_tui.bench.events import RegressDone, RunResult
from devstack_tui.console.bench.job import BenchJobs, BenchRequest
from devstack_tui.console.bench.model import Baseline, Group, RunSeries, Workload, groups
from devstack_tui.console.bench.plots import BenchPlots, nothing, series_scene, trend_scene
from devstack_tui.console.bench.progress import RECORDS
from devstack_tui.console.bench.rows import Choice, HistoryRun, Outcome, checks, error_text
from devstack_tui.contracts.sizes import SIZES, beside
from devstack_tui.core.check import Result
from devstack_tui.core.plot import LINEAR, seconds_text
from devstack_tui.present.bench import evenness
from devstack_tui.present.text import plain, when

HISTORY_SHOWN = 200


class BenchView:
    """The user's choices, and the rows and charts that follow from them."""

    def __init__(self, jobs: BenchJobs) -> None:
        self.chosen: set[str] = set()
        self.size = "quick"
        self.runs = 3
        self.scale = LINEAR
        self.subject = ""
        """The workload whose history is shown."""
        self.series: RunSeries | None = None
        """The run of the history that is shown second by second."""
        self.marked = ""
        self.trouble = ""
        """Why the workloads could not be listed."""
        self._jobs = jobs
        self._gate: RegressDone | None = None
        self._groups: dict[tuple[str, str], list[Group]] = {}
        self._grouped = 0
        """How many runs there were when they were grouped."""

    def forget(self) -> None:
        """Choose nothing of a stack that is gone."""
        self.chosen, self.subject, self.series, self.marked = set(), "", None, ""
        self._gate = None
        self._groups, self._grouped = {}, 0

    @property
    def workloads(self) -> dict[str, Workload]:
        """By name."""
        return {workload.name: workload for workload in self._jobs.listing.workloads}

    @property
    def gate(self) -> RegressDone | None:
        """The last result of the regression gate."""
        current = self._jobs.current
        if current is not None and current.gate is not None:
            self._gate = current.gate
        return self._gate

    def check(self, key: str | None) -> Result | None:
        """The check in row `key`."""
        return checks(self.gate.checks).get(key or "") if self.gate else None

    # --- choosing ------------------------------------------------------------------------------

    def toggle(self, name: str) -> None:
        """Choose `name`, or leave it out; what is not available cannot be chosen."""
        workload = self.workloads.get(name)
        if workload is not None and workload.available:
            self.chosen ^= {name}

    def toggle_all(self) -> None:
        """Everything that is available, or nothing if that is chosen already."""
        available = {w.name for w in self._jobs.listing.workloads if w.available}
        self.chosen = set() if self.chosen == available else available

    def request(self, under_cursor: str) -> BenchRequest | str:
        """What a start runs, or why there is nothing to run."""
        names = tuple(name for name in self.workloads if name in self.chosen)
        if not names:
            workload = self.workloads.get(under_cursor)
            if workload is None:
                return self.trouble or "The workloads are not known yet"
            if not workload.available:
                return f"{workload.name} is not available: {plain(workload.reason)}"
            names = (under_cursor,)
        return BenchRequest(names, self.size, self.runs)

    def no_gate(self) -> str:
        """Why a gate of the chosen size could judge nothing here; empty where it can, or where the
        size needs no baseline."""
        sized = (one.size in ("", self.size) for one in self._jobs.listing.baseline.values())
        if not SIZES[self.size].verdict or any(sized):
            return ""
        return f"No baseline of {self.size} runs can be compared here: {RECORDS}"

    def recording(self) -> BenchRequest | str:
        """What a baseline is measured of: what is chosen, else all that is available; or why there
        is nothing."""
        available = [name for name, one in self.workloads.items() if one.available]
        names = tuple(name for name in available if name in self.chosen) or tuple(available)
        if not names:
            return self.trouble or "no workload is available"
        return BenchRequest(names, self.size, record=True)

    def settings(self) -> str:
        """`4 chosen · quick × 3`."""
        return f"{len(self.chosen)} chosen · {self.size} × {self.runs}"

    def invitation(self) -> str:
        """What a start would run, and how long that took before."""
        if self.trouble:
            return f"✗ {plain(self.trouble)}"
        if not self.workloads:
            return "looking for workloads…"
        if not self.chosen and self._jobs.listing.notes:
            return f"▲ {plain(self._jobs.listing.notes[0])}"
        if not self.chosen:
            return "space chooses · a all · s size · + - runs · g starts"
        names = tuple(name for name in self.workloads if name in self.chosen)
        text = f"g runs {BenchRequest(names, self.size, self.runs).title}"
        seconds = [self._seconds(name) for name in names]
        known = [s for s in seconds if s is not None]
        if not known:
            return text
        sign = "≈" if len(known) == len(seconds) else "at least"
        return f"{text} · {sign} {seconds_text(sum(known) * self.runs)}"

    def _seconds(self, name: str) -> float | None:
        seconds = [
            (run.setup_s + run.elapsed_s) or run.seconds
            for run in self._jobs.results.values()
            if run.workload == name and run.size == self.size and not run.problem
        ]
        return statistics.median(seconds) if seconds else None

    # --- rows ----------------------------------------------------------------------------------

    def choices(self) -> dict[str, Choice]:
        """The list of workloads."""
        running = self._jobs.running
        now = running.current.workload if running is not None and running.current else ""
        waiting: set[str] = set()
        if running is not None:
            measured = {result.workload for result in running.results}
            waiting |= set(running.request.workloads) - measured
        waiting |= {name for request in self._jobs.queue for name in request.workloads}
        rows = {}
        for name, workload in self.workloads.items():
            state = "running" if name == now else "waiting" if name in waiting else ""
            last = next(reversed(self._all(name, self.size)), None)  # it stands below the size
            rows[name] = Choice(workload, name in self.chosen, state, last.median if last else None)
        return rows

    def outcomes(self) -> dict[str, Outcome]:
        """The last runs of every workload that was ever run."""
        job = self._jobs.current
        problems = job.problems if job is not None else {}
        running = self._jobs.running
        now = running.current.workload if running is not None and running.current else ""
        rows = {}
        for name in self._names():
            group = self._last(name)
            problem = problems.get(name) or (group.problem if group else "")
            if group is None and not problem:
                continue
            baseline = self._baseline(name, group.first.size if group else self.size)
            age = self._jobs.now() - group.runs[-1].started if group else None
            size = group.first.size if group else self.size
            other = size if size != self.size else ""
            rows[name] = Outcome(name, group, baseline, problem, name == now, age, other)
        return rows

    def history(self) -> dict[str, HistoryRun]:
        """The runs of the subject, newest first."""
        runs = [run for run in self._jobs.results.values() if run.workload == self.subject]
        runs.sort(key=lambda run: -run.started)
        return {
            run.id: HistoryRun(run, run.id == self.marked, self._baseline(self.subject, run.size))
            for run in runs[:HISTORY_SHOWN]
        }

    def last_run(self, workload: str) -> RunResult | None:
        """The newest run of `workload`."""
        group = self._last(workload)
        return group.runs[-1] if group else None

    def name_of(self, run: RunResult) -> str:
        """`postgres.tpcb 11-02 12:00:00`."""
        return f"{plain(run.workload)} {when(run.started)}"

    def about(self, mode: str, key: str | None, workload: str) -> str:
        """A sentence about the row under the cursor: first of all its problem."""
        if mode == "checks":
            check = self.check(key)
            return plain(check.evidence.splitlines()[0]) if check and check.evidence else ""
        if key is None:
            known = self.workloads.get(workload)
            if known is None:
                return ""
            text = f"{plain(known.title or known.name)} · {plain(known.unit)}"
            return text if known.available else f"{text} · not available: {plain(known.reason)}"
        run = self._jobs.results.get(key) if mode == "history" else self.last_run(key)
        problem = run.problem if run else self.outcomes()[key].problem if mode == "results" else ""
        if problem:
            return f"✗ {plain(problem)}"
        return self._details(run) if run is not None else ""

    def _details(self, run: RunResult) -> str:
        parts = [
            plain(f"{run.engine} {run.engine_version}"),
            f"{run.clients} clients",
            f"CPU client {run.client_cpu:.1f}, server {run.server_cpu:.1f} cores",
        ]
        if run.littles_law is not None:
            parts.append(f"Little {run.littles_law:.2f}")
        if even := evenness(run):
            parts.append(even)
        errors = error_text(run.errors)
        return " · ".join([*parts, f"errors: {errors}" if errors else "no errors"])

    # --- charts --------------------------------------------------------------------------------

    def scene(self, mode: str, subject: str, selected: RunResult | None) -> BenchPlots:
        """What the charts show: what runs now, a run of the history, or the trend."""
        if mode == "history":
            size = selected.size if selected else self.size
            known = self._baseline(self.subject, size)
            if self.series is not None:
                about = when(selected.started) if selected else ""
                return series_scene(self.series, known, self.scale, about)
            found = self._all(self.subject, size)
            return trend_scene(found, known, self.scale, selected)
        running = self._jobs.running
        series = running.series if running is not None else self._jobs.all_series.get(subject)
        if series is not None and (series.ticks or running is not None):
            return self._series(series)
        last = self._last(subject)
        if running is not None or last is None:
            measured = [made for made in self._jobs.all_series.values() if made.ticks]
            if running is not None or not measured:
                return nothing(self.scale)
            series = measured[-1]
            return self._series(series)
        found = self._all(subject, last.first.size)
        return trend_scene(found, self._baseline(subject, last.first.size), self.scale)

    def _series(self, series: RunSeries) -> BenchPlots:
        """What is measured now, or was last."""
        job = self._jobs.current
        size = job.request.size if job is not None else self.size
        return series_scene(series, self._baseline(series.workload, size), self.scale)

    def _baseline(self, workload: str, size: str) -> Baseline | None:
        """What runs of this size can be held against."""
        listed = self._jobs.listing.baseline
        found = listed.get(beside(workload, size)) or listed.get(workload)
        return found if found is not None and found.size in ("", size) else None

    def _last(self, workload: str) -> Group | None:
        found = self._all(workload)
        return found[-1] if found else None

    def _all(self, workload: str, size: str = "") -> list[Group]:
        runs = self._jobs.results
        if len(runs) != self._grouped:
            self._groups.clear()
            self._grouped = len(runs)
        key = (workload, size)
        if key not in self._groups:
            self._groups[key] = groups(runs.values(), workload, size)
        return self._groups[key]

    def _names(self) -> list[str]:
        known = list(self.workloads)
        found = [run.workload for run in self._jobs.results.values()]
        job = self._jobs.current
        return list(dict.fromkeys([*known, *found, *(job.problems if job else ())]))
