"""The facade: one stack by its name, and the verbs that change it.

Every verb is an async generator of events; the blocking work is done in one thread a service.
Leaving the generator early (ctrl-C) interrupts the services that are on their way and stops
those; what was ready stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Done, Event, Note, Planned
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths, stack_names
from devstack_tui.stack import bootstrap, layout, settings
from devstack_tui.stack import instance as instances
from devstack_tui.stack.engine import Engine
from devstack_tui.stack.engines.embedded import EmbeddedEngine
from devstack_tui.stack.instance import Instance
from devstack_tui.stack.parts import Service
from devstack_tui.stack.ports import choose_offset
from devstack_tui.stack.registry import NAMES, service, services
from devstack_tui.stack.workers import Workers

DEFAULT = "default"


class Stack:
    """One stack. `overrides` are service settings from the command line, for a new stack only."""

    def __init__(
        self,
        name: str = DEFAULT,
        *,
        overrides: dict[str, dict[str, Any]] | None = None,
        port_offset: int | None = None,
    ) -> None:
        self.paths = StackPaths.of(name)
        self.name = name
        self._overrides = overrides or {}
        self._offset = port_offset
        self.settings = settings.load(self._overrides)

    # -- looking ---------------------------------------------------------------------------

    def instance(self) -> Instance | None:
        """The stack's identity, or None when it was never started."""
        return instances.read(self.paths)

    def engine(self) -> Engine:
        """The engine, for looking: a stack that was never started is shown where it would be."""
        return self._engine(self.instance() or self._placeholder())

    def selected(self) -> tuple[str, ...]:
        """The services that this stack consists of, in the order of the registry."""
        found = self.instance()
        names = found.selected if found else self.settings.profile(self.settings.default_profile)
        return tuple(name for name in NAMES if name in names)

    def resolve(self, names: Sequence[str], profile: str | None = None) -> tuple[Service, ...]:
        """What `up` of these names or this profile starts: they and what they require.

        Raises `UsageError` for an unknown or switched-off service and an unknown profile.
        """
        if names:
            wanted = {service(name).name for name in names}
            for name in wanted:
                if not self.settings.services[name].enabled:
                    raise DevstackError(
                        f"{name} is switched off in {self.settings.path}",
                        f"set services.{name}.enabled = true",
                    )
        else:
            wanted = set(self.settings.profile(profile or self.settings.default_profile))
        for found in services():
            if found.name in wanted:
                wanted |= set(found.requires)
        return tuple(found for found in services() if found.name in wanted)

    # -- changing --------------------------------------------------------------------------

    async def up(
        self, names: Sequence[str] = (), profile: str | None = None
    ) -> AsyncIterator[Event]:
        """Start services and wait until the probe of each passes. Idempotent."""
        chosen = self.resolve(names, profile)
        async for event in self._changing("up", lambda: self._start(chosen)):
            yield event

    async def down(self, names: Sequence[str] = (), *, wipe: bool = False) -> AsyncIterator[Event]:
        """Stop services in reverse order; `wipe` then deletes the stack's data."""
        chosen = tuple(service(name) for name in names) or services()
        if not self.paths.root.exists():
            yield Planned("down", self.name, ())
            yield Done("down", 0, 0.0, "it was never started")
            return
        async for event in self._changing("down", lambda: self._stop(chosen, wipe)):
            yield event

    async def restart(self, names: Sequence[str]) -> AsyncIterator[Event]:
        """Stop services and start them again. An interrupted one is started by the next verb."""
        chosen = self.resolve_running(names)
        async for event in self._changing("restart", lambda: self._restart(chosen)):
            yield event

    def resolve_running(self, names: Sequence[str]) -> tuple[Service, ...]:
        """The named services, or all that the stack consists of."""
        wanted = {service(name).name for name in names} or set(self.selected())
        return tuple(found for found in services() if found.name in wanted)

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
            chosen = self.resolve_running(names)
        else:
            named = tuple(service(name) for name in names) or services()
            engine = self._engine(self._readable_instance(True))
            running = {s.name for s in services() if engine.units(s)}
            chosen = tuple(s for s in reversed(named) if s.name in running)
        return Planned(verb, self.name, tuple(s.name for s in chosen))

    async def _changing(
        self, verb: str, work: Callable[[], AsyncIterator[Event]]
    ) -> AsyncIterator[Event]:
        """Hold the lock, mend what was left, do `work`, and end with `Done`."""
        started = time.monotonic()
        failed = ""
        try:
            layout.make(self.paths)
            lock = StackLock(self.paths.lock, verb)
            async for note in _acquire(lock):
                yield note
            with lock:
                async for event in work():
                    failed = failed or _failure(event)
                    yield event
        except OSError as error:
            raise files.explain(error, f"running `{verb}`") from None
        yield Done(verb, 1 if failed else 0, time.monotonic() - started, failed)

    async def _start(self, chosen: Sequence[Service]) -> AsyncIterator[Event]:
        layout.check(self.paths)
        halfway = {name for name in self.interrupted_restart() if name in NAMES}
        names = {found.name for found in chosen} | halfway
        chosen = tuple(found for found in services() if found.name in names)
        instance = self._settle(chosen)
        engine = self._engine(instance)
        async for event in self._mended(engine):
            yield event
        if halfway:
            yield Note(f"finishing a restart that was interrupted: {', '.join(sorted(halfway))}")
        keys = bootstrap.read_keys(self.paths.secrets)
        if keys and keys.made_by and keys.made_by != bootstrap.digest(services()):
            yield Note(
                "Vault was set up by other policies or services than those of now: they take "
                "effect in a new stack only (`down --wipe`)"
            )
        yield Planned("up", self.name, tuple(found.name for found in chosen))
        async for event in Workers(engine).start(chosen):
            yield event
        self._journal_end("restart")

    async def _stop(self, chosen: Sequence[Service], wipe: bool) -> AsyncIterator[Event]:
        engine = self._engine(self._readable_instance(wipe))
        async for event in self._mended(engine):
            yield event
        running = [found for found in chosen if engine.units(found)]
        yield Planned("down", self.name, tuple(found.name for found in reversed(running)))
        async for event in Workers(engine).stop(running):
            yield event
        if len(chosen) == len(services()):
            self._journal_end("restart")
        if wipe:
            Journal(self.paths.journal).begin("wipe", self.name)
            await asyncio.to_thread(engine.wipe)
            yield Note(f"the data of the stack {self.name!r} are deleted")

    async def _restart(self, chosen: Sequence[Service]) -> AsyncIterator[Event]:
        layout.check(self.paths)
        instance = self._settle(chosen)
        engine = self._engine(instance)
        async for event in self._mended(engine):
            yield event
        yield Planned("restart", self.name, tuple(found.name for found in chosen))
        Journal(self.paths.journal).begin("restart", ",".join(found.name for found in chosen))
        workers = Workers(engine)
        async for event in workers.stop([found for found in chosen if engine.units(found)]):
            yield event
        async for event in workers.start(chosen):
            yield event
        self._journal_end("restart")

    async def _mended(self, engine: Engine) -> AsyncIterator[Event]:
        for note in await asyncio.to_thread(engine.recover):
            yield Note(note)

    def _journal_end(self, action: str) -> None:
        journal = Journal(self.paths.journal)
        for intent in journal.pending():
            if intent.action == action:
                journal.end(intent)

    def _settle(self, chosen: Iterable[Service]) -> Instance:
        """The instance with `chosen` among its services, made if this is the first time.

        A wipe that was cut short is finished first.
        """
        pending = Journal(self.paths.journal).pending()
        if any(intent.action == "wipe" for intent in pending):
            self._engine(self._readable_instance(True)).wipe()
            layout.make(self.paths)
            pending = []
        names = {found.name for found in chosen}
        found = self.instance()
        if found is None:
            found = instances.new(
                self.paths, EmbeddedEngine.name, self._new_offset(), self._overrides
            )
        elif any(record.running for s in services() for record in self._engine(found).units(s)):
            names |= set(found.selected)
        elif self.name == DEFAULT or self._offset is not None:
            # Nothing runs: the stack moves to where it is configured now.
            offset = self.settings.port_offset if self._offset is None else self._offset
            found = msgspec.structs.replace(found, port_offset=offset)
        if (
            self._overrides
            and self._overrides != found.overrides
            and (self.paths.data / "vault").exists()
        ):
            raise DevstackError(
                f"the stack {self.name!r} was made with {found.overrides or 'the settings'}: "
                "its shape cannot be changed in place",
                f"`devstack-tui --stack {self.name} down --wipe`, or use another --stack",
            )
        selected = tuple(name for name in NAMES if name in names)
        return instances.write(self.paths, msgspec.structs.replace(found, selected=selected))

    def _new_offset(self) -> int:
        if self._offset is not None:
            return self._offset
        if self.name == DEFAULT:
            return self.settings.port_offset
        base = _claims(self.settings, 0)
        taken: set[int] = set(_claims(self.settings, self.settings.port_offset))
        for other in stack_names():
            # A damaged stack may not keep another one from starting: its ports are tried as well.
            with contextlib.suppress(DevstackError):
                if found := instances.read(StackPaths.of(other)):
                    taken |= set(_claims(self.settings, found.port_offset))
        return choose_offset(base, taken)

    def _readable_instance(self, wipe: bool) -> Instance:
        """The instance; for a wipe, a damaged one is no obstacle: records prove what is ours."""
        try:
            return self.instance() or self._placeholder()
        except DevstackError:
            if not wipe:
                raise
            return self._placeholder()

    def _placeholder(self) -> Instance:
        offset = self.settings.port_offset if self._offset is None else self._offset
        return Instance(f"none-{self.name}", self.name, EmbeddedEngine.name, offset, 0.0)

    def _engine(self, instance: Instance) -> EmbeddedEngine:
        own = settings.load(instance.overrides) if instance.overrides else self.settings
        return EmbeddedEngine(self.paths, instance, own)


def _claims(loaded: settings.StackSettings, offset: int) -> list[int]:
    """Every port that a stack with this offset may bind."""
    return [
        port
        for found in services()
        for port in found.server().claims(loaded.of(found.name, offset)).values()
    ]


async def _acquire(lock: StackLock) -> AsyncIterator[Event]:
    """Take the lock, telling once who is waited for."""
    told = False
    while owner := lock.try_acquire():
        if not told:
            told = True
            seconds = max(0, round(time.time() - owner.since))
            yield Note(f"waiting for `{owner.verb}` (pid {owner.pid}, since {seconds} s) to end")
        await asyncio.sleep(0.1)


def _failure(event: Event) -> str:
    from devstack_tui.core.events import Phase, Progress

    if isinstance(event, Progress) and event.phase is Phase.FAILED:
        return f"{event.service}: {event.detail}"
    return ""
