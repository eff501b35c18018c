"""The facade: one stack by its name, with the verbs that change it.

Every verb is an async generator of events; the blocking work is done in one thread a service.
Cancelling its reader (ctrl-C), or closing it, stops the services that are on their way; what was
ready stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from devstack_tui import engines
from devstack_tui.contracts.engine import Engine, Feature, Run
from devstack_tui.contracts.registry import IDENTITY, names, service, services
from devstack_tui.contracts.service import Service
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.event_stream import Emit, from_threads, in_thread
from devstack_tui.core.events import Done, Event, Note, Phase, Planned, Progress
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import DEFAULT_STACK, StackPaths, stack_names
from devstack_tui.identity import rotation
from devstack_tui.identity.certificates import encrypted
from devstack_tui.stack import busy, recovery
from devstack_tui.stack.orchestrator import Workers
from devstack_tui.stack.transaction import Events, changing, relay
from devstack_tui.stack.view import StackView, available
from devstack_tui.state import directories, parameter_store, settings
from devstack_tui.state import instance as instances
from devstack_tui.state.instance import Instance

ROTATE = "certs rotate"


class Stack(StackView):
    """One stack and the verbs that change it."""

    def engine(self) -> Engine:
        """The engine that made the stack; of one that was never started, the default one."""
        return self._engine(self.instance() or self._placeholder())

    def _engine(self, instance: Instance) -> Engine:
        return engines.create(self.paths, instance, self._settings_of(instance))

    def up(self, names: Sequence[str] = (), profile: str | None = None) -> Events:
        """Start services and wait until the probe of each passes. Idempotent."""
        directories.require_usable(self.paths)
        chosen = self.resolve(names, profile)
        return changing(self.paths, "up", lambda emit: self._start(chosen, emit))

    def down(self, names: Sequence[str] = (), *, wipe: bool = False) -> Events:
        """Stop services in reverse order; `wipe` then deletes the stack's data."""
        chosen = self._named(names)
        if not self.paths.root.exists():
            return _never_started(self.name)
        return changing(self.paths, "down", lambda emit: self._stop(chosen, wipe, emit))

    def restart(self, names: Sequence[str]) -> Events:
        """Stop services and start them again. An interrupted one is started by the next `up`."""
        chosen = available(self.resolve_running(names))
        return changing(self.paths, "restart", lambda emit: self._restart(chosen, emit))

    def rotate(self, names: Sequence[str], *, restart: bool = False) -> Events:
        """Give services, or all that have TLS, another certificate while they run. A server that
        cannot take one is restarted if `restart`, else SKIPPED. Raises `UsageError` for a name
        without TLS."""
        chosen = self._rotatable(names)
        return changing(self.paths, ROTATE, lambda emit: self._rotate(chosen, restart, emit))

    def _rotatable(self, names: Sequence[str]) -> tuple[Service, ...]:
        engine = self.engine()
        wanted = self.resolve_running(names)
        chosen = tuple(found for found in wanted if encrypted(found, engine.target(found)))
        for found in wanted:
            if names and found not in chosen:
                raise UsageError(f"{found.title} has no TLS: there is nothing to rotate")
        return chosen

    def interrupted_restart(self) -> tuple[str, ...]:
        """The services that a `restart` stopped and, being killed, did not start again."""
        return tuple(
            name
            for intent in Journal(self.paths.journal).pending()
            if intent.action == "restart"
            for name in intent.subject.split(",")
        )

    def plan(self, verb: str, names: Sequence[str] = (), profile: str | None = None) -> Planned:
        """What a verb would do, in order, without doing it."""
        if verb == "up":
            chosen = self.resolve(names, profile)
        elif verb == "restart":
            chosen = available(self.resolve_running(names))
        elif verb == ROTATE:
            chosen = self._rotatable(names)
        else:
            engine = self._engine(self._readable_instance())
            chosen = tuple(s for s in reversed(self._named(names)) if engine.units(s))
        disturbs = busy.running(self.paths) if verb != "up" else ()
        return Planned(verb, self.name, tuple(s.name for s in chosen), disturbs)

    def _named(self, names: Sequence[str]) -> tuple[Service, ...]:
        """The named services, each once, or all; in the order of the registry."""
        wanted = {service(name).name for name in names}
        return tuple(found for found in self.services() if not wanted or found.name in wanted)

    async def _start(self, chosen: Sequence[Service], emit: Emit[Event]) -> None:
        directories.check(self.paths)
        halfway = {name for name in self.interrupted_restart() if name in names()}
        wanted = {found.name for found in chosen} | halfway
        chosen = tuple(found for found in services() if found.name in wanted)
        damaged = instances.damaged(self.paths)
        engine = self._engine(self._settle(chosen))
        if damaged:
            emit(Note(f"restored {self.paths.instance} from its copy"))
        await self._mend(engine, emit, starting=True)
        if halfway:
            emit(Note(f"finishing a restart that was interrupted: {', '.join(sorted(halfway))}"))
        with self._journaled("up", chosen):
            emit(Planned("up", self.name, tuple(found.name for found in chosen)))
            await relay(Workers(engine, parameter_store.tuned(self.paths)).start(chosen), emit)
        if self._orphaned():  # what needs servers that run
            await self._mend(engine, emit)

    async def _stop(self, chosen: Sequence[Service], wipe: bool, emit: Emit[Event]) -> None:
        engine = self._engine(self._readable_instance())
        if self.unusable_settings:
            emit(Note(f"done without your settings: {self.unusable_settings}"))
        try:
            if wipe:
                engine.require(Feature.DATA)
                await in_thread(lambda: recovery.let_go(engine, self.paths))
            else:
                await self._mend(engine, emit, ending={found.name for found in chosen})
        except OSError as error:
            emit(Note(f"not mended: {files.explain(error, 'mending').message}"))
        running = [found for found in chosen if engine.units(found)]
        with self._journaled("down", running):
            emit(Planned("down", self.name, tuple(found.name for found in reversed(running))))
            await relay(Workers(engine).stop(running), emit)
        if len(chosen) >= len(services()):
            with contextlib.suppress(OSError):
                self._journal_end("restart")
        if wipe:
            engine.require_stopped()
            with contextlib.suppress(OSError):  # the room comes with the wipe
                Journal(self.paths.journal).begin("wipe", self.name)
            await asyncio.to_thread(engine.wipe)
            emit(Note(f"the data of the stack {self.name!r} are deleted"))

    async def _restart(self, chosen: Sequence[Service], emit: Emit[Event]) -> None:
        directories.check(self.paths)
        engine = self._engine(self._settle(chosen))
        await self._mend(engine, emit)
        await self._rehearse(engine, chosen)
        emit(Planned("restart", self.name, tuple(found.name for found in chosen)))
        Journal(self.paths.journal).begin("restart", ",".join(found.name for found in chosen))
        workers = Workers(engine, parameter_store.tuned(self.paths))
        await relay(workers.stop([found for found in chosen if engine.units(found)]), emit)
        await relay(workers.start(chosen), emit)
        self._journal_end("restart")

    async def _rehearse(self, engine: Engine, chosen: Sequence[Service]) -> None:
        """Do all that comes before a start while the services still run. Raises `DevstackError`
        for one that could not be started again."""
        names = {found.name for found in chosen}
        for found in chosen:
            missing = {n for n in found.requires if not _runs(engine, service(n))}
            if not _runs(engine, found) or missing & names:
                continue  # there is nothing to lose, or what it lacks is started first
            try:
                await in_thread(partial(engine.configure, found, Run()))
            except DevstackError as error:
                raise DevstackError(
                    f"nothing was stopped: {found.name} could not be started again: "
                    f"{error.message}",
                    error.remedy,
                ) from None

    async def _rotate(self, chosen: Sequence[Service], restart: bool, emit: Emit[Event]) -> None:
        engine = self.engine()
        await self._mend(engine, emit)
        emit(Planned(ROTATE, self.name, tuple(found.name for found in chosen)))
        send = from_threads(emit)
        for found in chosen:

            def say(text: str, name: str = found.name) -> None:
                send(Progress(name, Phase.PREPARING, text))

            work = partial(rotation.rotate, engine, self.paths, found, restart=restart, say=say)
            try:
                # Interrupted, it ends the one that it is at: that takes seconds.
                rotated = await in_thread(work)
            except rotation.NeedsRestart as error:
                emit(Progress(found.name, Phase.SKIPPED, error.message, error.remedy))
            except DevstackError as error:
                emit(Progress(found.name, Phase.FAILED, error.message, error.remedy))
            except Exception as error:  # a driver's own class
                emit(Progress(found.name, Phase.FAILED, recovery.reason(error)))
            else:
                emit(rotated)
                emit(Progress(found.name, Phase.READY, rotated.how))

    def heal(self) -> Events:
        """Finish what a killed verb left, if its owner is gone, with a note for each repair."""
        if self._orphaned():
            found = self.instance()
            if found is not None:
                engine = self._engine(found)
                return changing(self.paths, "heal", lambda emit: self._mend(engine, emit))
        return _nothing_to_heal()

    def heal_unless_busy(self, say: Callable[[str], None]) -> None:
        """`heal` for who must not wait: what a verb works on now is that verb's to mend. Blocks.

        Without anything pending this is one look for a file.
        """
        if not self._orphaned():
            return
        found = self.instance()
        lock = StackLock(self.paths.lock, "heal")
        if found is None or lock.try_acquire() is not None:
            return
        with lock:
            try:
                self._repair(self._engine(found), say)
            except OSError as error:
                raise files.explain(error, "healing what was left undone") from None

    def _orphaned(self) -> bool:
        """Whether anything was left by who was killed."""
        return recovery.due(self.paths)

    def _repair(self, engine: Engine, say: Callable[[str], None], **how: Any) -> None:
        for note in engine.recover():
            say(note)
        recovery.heal(engine, self.paths, say, **how)

    async def _mend(self, engine: Engine, emit: Emit[Event], **how: Any) -> None:
        """Finish, or undo, what an interrupted verb left; `how` as `recovery.heal` takes it. The
        stack's lock is held."""
        send = from_threads(emit)
        # Interrupted, it ends all the same: nobody heals beside it.
        await in_thread(lambda: self._repair(engine, lambda text: send(Note(text)), **how))

    @contextlib.contextmanager
    def _journaled(self, verb: str, chosen: Sequence[Service]) -> Iterator[None]:
        """Who looks names it if it is killed meanwhile. What an earlier one left is settled by it:
        an interrupted `restart` by `up` alone. A full disk is no obstacle."""
        settled = ["up", "down"]
        with contextlib.suppress(OSError):
            if chosen:
                Journal(self.paths.journal).begin(verb, ",".join(one.name for one in chosen))
        try:
            yield
            settled += ["restart"] if verb == "up" else []
        finally:
            with contextlib.suppress(OSError):
                self._journal_end(*settled)

    def _journal_end(self, *actions: str) -> None:
        journal = Journal(self.paths.journal)
        for intent in journal.pending():
            if intent.action in actions:
                journal.end(intent)

    def _settle(self, chosen: Iterable[Service]) -> Instance:
        """The instance with `chosen` among its services, made if this is the first time.

        A wipe that was cut short is finished first.
        """
        pending = Journal(self.paths.journal).pending()
        if any((one.action, one.subject) == ("wipe", self.name) for one in pending):
            self._engine(self._readable_instance()).wipe()
            directories.make(self.paths)
            pending = []
        wanted = {found.name for found in chosen}
        found = self.instance()
        if found is None:
            self._require_none_runs()
            found = instances.new(self.paths, engines.DEFAULT, self._new_offset(), self._overrides)
        elif any(
            record.running for s in self.services() for record in self._engine(found).units(s)
        ):
            wanted |= set(found.selected)
            if self._offset not in (None, found.port_offset):
                raise DevstackError(
                    f"the stack {self.name!r} runs with the port offset {found.port_offset}: "
                    "it cannot move while something of it runs",
                    "`devstack-tui down`, then run it again",
                )
        elif self.name == DEFAULT_STACK or self._offset is not None:
            # Nothing runs: the stack moves to where it is configured now.
            offset = self.settings.port_offset if self._offset is None else self._offset
            found = msgspec.structs.replace(found, port_offset=offset)
        if (
            self._overrides
            and self._overrides != found.overrides
            and self._engine(found).files(service(IDENTITY)).stat()
        ):
            raise DevstackError(
                f"the stack {self.name!r} was made with {found.overrides or 'the settings'}: "
                "its shape cannot be changed in place",
                f"`devstack-tui --stack {self.name} down --wipe`, or use another --stack",
            )
        order = {name: place for place, name in enumerate(names())}
        # One that stack.toml does not name any more goes on to be ended by `down`.
        selected = tuple(sorted(wanted, key=lambda name: order.get(name, len(order))))
        return instances.write(self.paths, msgspec.structs.replace(found, selected=selected))

    def _require_none_runs(self) -> None:
        """Raise `DevstackError` for servers that run of a stack whose identity is gone: they would
        not be known by a new one."""
        engine = self._engine(self._placeholder())
        if any(_runs(engine, found) for found in services()):
            raise DevstackError(
                f"servers of the stack {self.name!r} run, but {self.paths.instance} and its copy "
                "are gone",
                "`devstack-tui down` ends them; `devstack-tui up` then starts them again with "
                "their data",
            )

    def _new_offset(self) -> int:
        if self._offset is not None:
            return self._offset
        if self.name == DEFAULT_STACK:
            return self.settings.port_offset
        base = _claims(self.settings, 0)
        taken: set[int] = set(_claims(self.settings, self.settings.port_offset))
        for other in stack_names():
            # A damaged stack may not keep another one from starting: its ports are tried as well.
            with contextlib.suppress(DevstackError):
                if found := instances.read(StackPaths.of(other)):
                    taken |= set(_claims(self.settings, found.port_offset))
        return self._engine(self._placeholder()).free_offset(base, taken)

    def _readable_instance(self) -> Instance:
        """The instance; for who only ends what runs a damaged one is no obstacle: records prove
        what is ours."""
        try:
            return self.instance() or self._placeholder()
        except DevstackError:
            return self._placeholder()


def _runs(engine: Engine, found: Service) -> bool:
    return any(unit.running for unit in engine.units(found))


def _claims(loaded: settings.StackSettings, offset: int) -> list[int]:
    """Every port that a stack with this offset may bind. A service of another package whose part
    cannot be loaded binds none."""
    claims: list[int] = []
    for found in services():
        with contextlib.suppress(*([DevstackError] if found.outside else [])):
            claims += found.server().claims(loaded.of(found.name, offset)).values()
    return claims


async def _never_started(name: str) -> Events:
    yield Planned("down", name, ())
    yield Done("down", 0, 0.0, "it was never started")


async def _nothing_to_heal() -> Events:
    yield Done("heal", 0, 0.0)
