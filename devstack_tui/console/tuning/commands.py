"""What can be done with the parameters: each action asks what it needs, then starts its child."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable
from functools import partial

from devstack_tui.actions import Action, by_id
from devstack_tui.console.job_pane import JobPane
from devstack_tui.console.screens.ask import (
    ChooseScreen,
    FileScreen,
    FormScreen,
    NameScreen,
    Setting,
)
from devstack_tui.console.screens.confirm import ConfirmScreen, Question
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.console.tuning.argv import (
    BASELINE,
    CURRENT,
    PENDING,
    SHIPPED,
    TuningRequest,
    applying,
    costing,
    proving,
    reverting,
    searching,
)
from devstack_tui.console.tuning.edit_screen import EditScreen
from devstack_tui.console.tuning.job import TuningJobs
from devstack_tui.console.tuning.plan_screen import TuningPlanScreen
from devstack_tui.console.tuning.sheets import change_table, diff_table, import_table
from devstack_tui.console.tuning.view import TuningView, Values
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Planned
from devstack_tui.present.text import plain

PAIRS = ("6", "8", "10", "12", "16", "20", "30")
BUDGETS = ("5m", "15m", "30m", "60m")


class TuningCommands(JobPane):
    """The pane's actions that change something; what is under the cursor is the pane's to say."""

    jobs: TuningJobs
    view: TuningView

    @property
    def cursor(self) -> str:
        """The key of the row under the cursor, in the table that is in use."""
        raise NotImplementedError

    @property
    def mode(self) -> str:
        """Which table is in use: `parameters`, `advice` or `history`."""
        raise NotImplementedError

    def bring_chart(self) -> None:
        """The paired chart comes into view."""
        raise NotImplementedError

    def bring_story(self) -> None:
        """What the job does comes into view."""
        raise NotImplementedError

    def _show_error(self, error: DevstackError) -> None:
        self.notify(str(error), title="Tuning", severity="error", timeout=10, markup=False)

    # --- pending -------------------------------------------------------------------------------

    def action_tuning_edit(self) -> None:
        """Edit the parameter under the cursor; of an advice or a change, what it is for."""
        if self.mode == "advice":
            suggestion = self.view.advice().get(self.cursor)
            if suggestion is not None:
                advice = suggestion.advice
                self._put({advice.service: {advice.parameter: advice.value}})
        elif self.mode == "history":
            change = self.view.history().get(self.cursor)
            if change is not None:
                table = partial(change_table, change)
                self.app.push_screen(SheetScreen(f"Change {change.number}", table))
        else:
            self.run_worker(self._edit(), group="tuning-ask", exclusive=True)

    async def _edit(self) -> None:
        show, row = self.view.show, self.view.row(self.cursor)
        if show is None or row is None:
            if self._known():
                self.notify("Select a parameter: this line is a service's")
            return

        async def submit(value: str) -> None:
            await self.jobs.put(row.service, {row.name: value})

        screen = EditScreen(show, row, self.view.parameter(self.cursor), submit)
        if await self.app.push_screen_wait(screen):
            self._went_on()
            self.look_again()

    def action_tuning_drop(self) -> None:
        """Drop the pending value of the row, or all of a service's."""
        rows = [
            row
            for key, row in self.view.rows.items()
            if row.pending is not None and self.cursor in (key, row.service)
        ]
        if rows:
            values = {row.name: self.view.settled(row) for row in rows}
            self._put({rows[0].service: values})
        else:
            self.notify("Nothing is pending here")

    def action_tuning_drop_all(self) -> None:
        """Drop everything that is pending."""
        if self.view.pending_count:
            self.run_worker(self._change_pending(self.jobs.drop_all()), group="tuning-put")
        else:
            self.notify("Nothing is pending")

    def action_tuning_profile(self) -> None:
        """Choose a profile, and put its values into pending."""
        if self._known():
            self.run_worker(self._profile(), group="tuning-ask", exclusive=True)

    async def _profile(self) -> None:
        made = {name: self.view.of_profile(name) for name in self.view.profiles}
        options = [
            (name, f"{count} values differ" if count else "nothing differs")
            for name in made
            for count in [sum(map(len, made[name].values()))]
        ]
        chosen = await self.app.push_screen_wait(ChooseScreen("Profile into pending", options))
        if not chosen:
            return
        if made[chosen]:
            self._put(made[chosen])
        else:
            self.notify(f"The stack has the values of {chosen} already", markup=False)

    def _put(self, values: Values) -> None:
        self.run_worker(self._change_pending(self._put_all(values)), group="tuning-put")

    async def _put_all(self, values: Values) -> None:
        async with self.jobs.together():
            for service, wanted in values.items():
                await self.jobs.put(service, wanted)

    async def _change_pending(self, work: Awaitable[None]) -> None:
        self._went_on()
        try:
            await work
        except DevstackError as error:
            self._show_error(error)
        self.look_again()

    def action_tuning_diff(self) -> None:
        """What is pending against what is."""
        show = self.view.show
        if show is None or not self.view.pending_count:
            self.notify("Nothing is pending")
            return
        lines, judged = self.view.pending_lines(), self.view.judged
        table = partial(diff_table, lines, judged, show.budget)
        relaxed = sum(line.relaxed for line in lines)
        price = f" · ▲ {relaxed} relaxed" if relaxed else ""
        self.app.push_screen(SheetScreen(f"{len(lines)} pending{price}", table))

    def action_tuning_save(self) -> None:
        """Save what is set and pending as a profile."""
        if self._known():
            self.run_worker(self._save(), group="tuning-ask", exclusive=True)

    async def _save(self) -> None:
        source = PENDING if self.view.pending_count else CURRENT
        what = {PENDING: "What the stack sets, with what is pending over it."}
        help = what.get(source, "What the stack sets now.")
        name = await self.app.push_screen_wait(
            NameScreen("Save as profile", help, (*SHIPPED, CURRENT, PENDING))
        )
        if not name:
            return
        try:
            await self.jobs.save(name, source)
        except DevstackError as error:
            self._show_error(error)
        else:
            self.notify(f"Profile {name} is saved", title="Tuning", markup=False)
        self.look_again()

    def action_tuning_import(self) -> None:
        """Make a profile of a configuration file."""
        if self._known():
            self.run_worker(self._import(), group="tuning-ask", exclusive=True)

    async def _import(self) -> None:
        help = "A postgresql.conf (also pgtune's), my.cnf, mongod.conf, redis.conf or .env."
        path = await self.app.push_screen_wait(FileScreen("Import a configuration file", help))
        if not path:
            return
        taken = (*self.view.profiles, CURRENT, PENDING)
        named = NameScreen("Import as profile", "p then puts its values into pending.", taken)
        if not (name := await self.app.push_screen_wait(named)):
            return
        try:
            found = await self.jobs.import_profile(path, name)
        except DevstackError as error:
            self._show_error(error)
            return
        self.app.push_screen(SheetScreen(f"Profile {name}", partial(import_table, found)))
        self.look_again()

    # --- changes -------------------------------------------------------------------------------

    def action_tuning_apply(self) -> None:
        """Apply what is pending."""
        if self.view.pending_count:
            self._change("tuning_apply", applying())
        else:
            self.notify("Nothing is pending: enter edits a value, p takes a profile")

    def action_tuning_undo(self) -> None:
        """Undo the last apply."""
        self._change("tuning_undo", reverting())

    def action_tuning_return(self) -> None:
        """Back to what the stack had after the change under the cursor."""
        change = self.view.history().get(self.cursor) if self.mode == "history" else None
        if change is None:
            self.notify("In the history (H): select the change to go back to, then r")
        else:
            self._change("tuning_return", reverting(change.number))

    def action_tuning_baseline(self) -> None:
        """Back to the baseline."""
        self._change("tuning_baseline", applying(BASELINE))

    def action_tuning_keep(self) -> None:
        """Apply side B of the last A/B."""
        job = self.jobs.last_ab
        plan = job.ab if job is not None else None
        if plan is None or (job is not None and job.running):
            self.notify("There is no A/B that has ended")
        elif plan.b == CURRENT:
            self.notify("B is what the stack has already")
        else:
            self._change("tuning_keep", applying("" if plan.b == PENDING else plan.b))

    def _change(self, action_id: str, order: TuningRequest) -> None:
        if self._free():
            action = by_id(action_id)
            self.run_worker(self._confirm(action, order), group="tuning-ask", exclusive=True)

    async def _confirm(self, action: Action, order: TuningRequest) -> None:
        question = Question(order.title, action.help, self.owner.stack, action.typed)
        screen = TuningPlanScreen(question, lambda: self.jobs.plan(order))
        if await self.app.push_screen_wait(screen):
            self._start(dataclasses.replace(order, arguments=(*order.arguments, *screen.force)))

    def _known(self) -> bool:
        """Whether the parameters were read; a notice shows why not."""
        if self.view.show is None:
            trouble = self.jobs.trouble
            self.refuse(str(trouble) if trouble else "the parameters are being read")
        return self.view.show is not None

    def _free(self) -> bool:
        """Whether a job can be started; a notice shows why not."""
        running, other = self.jobs.running, self.owner.jobs.running
        status = self.owner.status
        busy = running.request.title if running is not None else other.request.verb if other else ""
        if status is not None and status.at > self.jobs.put_at:
            busy = busy or status.busy
        busy = busy or ("the change of pending" if self.jobs.putting else "")
        if busy:
            self.refuse(f"{busy} is running: wait for its end")
        return not busy

    def _start(self, order: TuningRequest) -> None:
        try:
            self.jobs.start(order)
        except DevstackError as error:
            self.refuse(str(error))
            return
        if order.what == "ab":
            self.bring_chart()
        else:
            self.bring_story()

    def _went_on(self) -> None:
        """The end of an old job is no news any more."""
        if self.jobs.running is None:
            self.view.quiet = self.jobs.current

    # --- measuring -----------------------------------------------------------------------------

    def action_tuning_prove(self) -> None:
        """Choose two sides and a workload, and measure them in pairs."""
        if self._known() and self._free():
            self.run_worker(self._prove(), group="tuning-ask", exclusive=True)

    async def _prove(self) -> None:
        names = await self._workloads()
        if not names:
            return
        sides = self.view.sides()
        b = PENDING if PENDING in sides else next((s for s in sides if s in SHIPPED[1:]), sides[-1])
        settings = (
            Setting("a", "A", sides, CURRENT),
            Setting("b", "B", sides, b),
            Setting("workload", "Workload", names, names[0]),
            Setting("size", "Size", tuple(SIZES), "quick"),
            Setting("pairs", "Pairs", PAIRS, PAIRS[0]),
            Setting("ablate", "Ablate", ("no", "yes"), "no"),
        )
        help = (
            "Runs A B B A … on the same data. What needs it is restarted before each run; "
            "at the end the stack has its present values again. Six pairs are the fewest "
            "that decide. Ablate: then B also runs without each change in turn: what does it carry?"
        )
        wanted = await self.app.push_screen_wait(FormScreen("A/B", help, settings))
        if wanted:
            self._start(
                proving(wanted["a"], wanted["b"], wanted["workload"], wanted["size"],
                        int(wanted["pairs"]), ablate=wanted["ablate"] == "yes")
            )  # fmt: skip

    def action_tuning_search(self) -> None:
        """Choose a workload, and search a better profile for it."""
        if self._known() and self._free():
            self.run_worker(self._search(), group="tuning-ask", exclusive=True)

    async def _search(self) -> None:
        names = await self._workloads()
        if not names:
            return
        settings = (
            Setting("workload", "Workload", names, names[0]),
            Setting("size", "Size", tuple(SIZES), "quick"),
            Setting("budget", "Time", BUDGETS, BUDGETS[1]),
            Setting("durable", "Durable", ("yes", "no"), "yes"),
        )
        help = (
            "Tries values within the memory budget, halves the candidates round by round, and "
            "confirms the best in an A/B. Durable: nothing that a crash could lose."
        )
        wanted = await self.app.push_screen_wait(FormScreen("Search", help, settings))
        if wanted:
            durable = wanted["durable"] == "yes"
            self._start(searching(wanted["workload"], wanted["size"], wanted["budget"], durable))

    async def _workloads(self) -> tuple[str, ...]:
        """The available ones of the services with parameters; of the cursor's service first."""
        try:
            found = await self.jobs.workloads()
        except DevstackError as error:
            self._show_error(error)
            return ()
        services = {row.service for row in self.view.rows.values()}
        here = next(iter(self.view.pending()), "") or self.view.service(self.cursor)
        usable = [w for w in found if w.available and w.service in services]
        if not usable:
            why = next((plain(w.reason) for w in found if w.reason), "no workload is known")
            self.refuse(why)
        return tuple(w.name for w in sorted(usable, key=lambda w: w.service != here))

    def action_tuning_cost(self) -> None:
        """What a SIGKILL of the service under the cursor loses."""
        service = self.view.service(self.cursor)
        if self.mode != "parameters" or not service:
            if self._known():
                self.notify("Among the parameters: select one of the service to kill")
        elif self._free():
            self.run_worker(self._cost(service), group="tuning-ask", exclusive=True)

    async def _cost(self, service: str) -> None:
        profile = PENDING if service in self.view.pending() else CURRENT
        order = costing(service, profile)
        action = by_id("tuning_cost")
        steps = (
            f"apply the {profile} values to {service}",
            "write, and count what is acknowledged",
            f"SIGKILL {service}, start it again",
            "count the acknowledged writes that are missing",
            "restore what was changed",
        )

        async def plan() -> Planned:
            return Planned(verb="tune", stack=self.owner.stack, services=steps)

        question = Question(order.title, action.help, self.owner.stack, action.typed)
        if await self.app.push_screen_wait(ConfirmScreen(question, plan)):
            self._start(order)

    def action_tuning_stop(self) -> None:
        """End what runs."""
        job = self.jobs.running
        if job is None:
            self.notify("Nothing is running")
        elif job.request.outlives:
            text = f"{job.request.title} is not stopped half-way; u undoes it afterwards"
            self.notify(text, markup=False)
        else:
            self.jobs.stop()
