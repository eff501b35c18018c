"""Giving services the parameters that the stack's store holds, and taking that back.

Used by an apply while it runs, and by the next change for one that was killed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from devstack_tui.contracts.engine import Engine, Run
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.server_home import Cancelled
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.tunable import Apply, Reading, Tunables
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Phase
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.probing import probe_once
from devstack_tui.state import parameter_store
from devstack_tui.state.parameter_values import overruled, with_open_files

ACTION = "tune"
STORE, NAMES, STRANGE = "store", "names", "strange"
"""Of an entry in the journal."""
WITHIN_S = 15.0
"""A unit that was asked to end is back, or the service healthy, within this time."""
PROBE_TIMEOUT_S = 2.0
CLOCK_S = 0.1
"""How exactly the start of a process is known."""

Say = Callable[[str, str, str], None]
"""Reports service, phase and detail."""
Names = Mapping[str, Iterable[str]]
"""Parameters by service."""


class _Deadline(threading.Event):
    """Set when the verb is cancelled, and when the time is over; `extend` gives more of it."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer
        self.extend()

    def extend(self) -> None:
        self._until = time.monotonic() + WITHIN_S

    @property
    def passed(self) -> bool:
        return time.monotonic() > self._until

    def is_set(self) -> bool:
        return self._outer.is_set() or self.passed


class Tuner:
    """The steps of an apply on one engine. Every method blocks.

    Each raises `DevstackError`, and `Cancelled` once `cancelled` is set.
    """

    def __init__(
        self,
        engine: Engine,
        say: Say = lambda service, phase, detail: None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._engine = engine
        self._say = say
        self._cancelled = cancelled or threading.Event()

    def configure(self, service: Service) -> None:
        """Write the configuration from the store."""
        self._say(service.name, "configure", "")
        self._engine.configure(service, Run(cancelled=self._cancelled))

    def live(
        self,
        service: Service,
        values: Mapping[str, str | None],
        stored: Mapping[str, str],
    ) -> tuple[str, ...]:
        """Make LIVE and RELOAD parameters take effect; others are passed over. Whose default
        follows from one of them, and is not among the `stored` that the stack sets, is given back
        again: it would keep what followed from the value before. Returns what the server warned
        of."""
        part = tunables(service)
        known = {
            p.name: p
            for p in part.parameters(self._engine.locate(service))
            if p.apply is not Apply.RESTART
        }
        followers = [p.name for p in known.values() if p.follows in values]
        values = {**dict.fromkeys(set(followers) - stored.keys()), **values}
        chosen = [known[name] for name in values if name in known]
        if not chosen:
            return ()
        reloads = all(p.apply is Apply.RELOAD for p in chosen)
        names = ", ".join(p.name for p in chosen)
        self._say(service.name, "reload" if reloads else "live", names)
        wanted = {p.name: values[p.name] for p in chosen}
        return part.set_live(self._engine.target(service), chosen, wanted)

    def restart(self, service: Service) -> None:
        """One restart with the configuration from the store, until the service is healthy."""
        limit = _Deadline(self._cancelled)

        def before(unit: str) -> None:
            limit.extend()
            self._say(service.name, "restart", unit)

        try:
            self._engine.cycle(service, Run(self._reporter(service), limit), before)
            limit.extend()
            self._healthy(service, limit)
        except Cancelled:
            if self._cancelled.is_set():
                raise
            gone = self._engine.exit_reason(service)
            raise DevstackError(
                gone or f"{service.name} did not come up within {WITHIN_S:.0f} s",
                f"look at `devstack-tui logs {service.name}`",
            ) from None

    def read(self, service: Service) -> Reading:
        """Every effective value, in a fresh session."""
        self._say(service.name, "read", "")
        engine = self._engine
        found = tunables(service).read(
            engine.target(service), engine.locate(service), engine.files(service)
        )
        return with_open_files(found, engine.limits(service).open_files)

    def _reporter(self, service: Service) -> Callable[[Phase, str], None]:
        return lambda phase, detail: self._say(service.name, "restart", detail or phase.value)

    def _healthy(self, service: Service, limit: _Deadline) -> None:
        reason = ""
        while not limit.is_set():
            try:
                seen = probe_once(service, self._engine.target(service), PROBE_TIMEOUT_S)
                if not seen.problems:
                    return
                reason = "; ".join(seen.problems)
            except DevstackError as error:
                reason = error.message
            if gone := self._engine.exit_reason(service):
                raise DevstackError(gone, f"look at `devstack-tui logs {service.name}`")
            self._say(service.name, "restart", reason)
            limit.wait(0.1)
        if self._cancelled.is_set():
            raise Cancelled(f"interrupted while {service.name} was starting")
        raise DevstackError(
            f"{service.name} is not healthy {WITHIN_S:.0f} s after its restart: {reason}",
            f"look at `devstack-tui logs {service.name}`",
        )


def tunables(service: Service) -> Tunables:
    """The service's tunables. Raises `DevstackError` when it has none."""
    found = service.tunables()
    if found is None:
        raise DevstackError(f"{service.name} has no parameters that can be tuned")
    return found


def intend(paths: StackPaths, names: Names, foreign: Names | None = None) -> Intent:
    """Journal what the stack sets now, before `names` are changed: whoever comes after a `kill -9`
    brings that back. End it with `Journal.end` when all is done, or undone.

    Somebody else has changed the parameters of `foreign`, which cannot be brought back.
    """
    return Journal(paths.journal).begin(
        ACTION,
        ",".join(found.name for found in services() if found.name in names),
        store=parameter_store.encode(parameter_store.read(paths)),
        names=_encoded(names),
        strange=_encoded(foreign or {}),
    )


def take_back(
    engine: Engine,
    paths: StackPaths,
    intents: Sequence[Intent],
    say: Say,
    ending: Collection[str] = (),
) -> tuple[str, ...]:
    """Bring back what the stack set before the oldest of `intents`: the store, then every service
    that any of them may have touched. Returns what could not be brought back, in sentences.

    A service is restarted if a unit of it was started since, or is not there; otherwise its
    parameters are set back live. Where a service that it needs does not run either, the whole
    stack is down: `up` starts it with the store, as those that are `ending` now.

    What could not be brought back is in the journal again, without the store, which has been: the
    next change gives these services what the store holds by then.
    """
    oldest = intents[0]
    first = next((intent for intent in intents if STORE in intent.undo), None)
    if first is None:
        previous = parameter_store.read(paths)
    else:
        previous = parameter_store.decode(first.undo[STORE])
        parameter_store.write(paths, previous)
    touched = {name for intent in intents for name in intent.subject.split(",")}
    tuner = Tuner(engine, lambda service, _, detail: say(service, "restore", detail))
    problems = []
    for service in services():
        if service.name in ending or (first is None and not engine.units(service)):
            continue  # it was stopped since, or will be: it takes the store when it is started
        if service.name in touched and _needed(engine, service):
            values = previous.values.get(service.name, {})
            names = _named(intents, NAMES, service)
            wanted = {name: values.get(name) for name in sorted(names | values.keys())}
            try:
                if _restarted(engine, service, oldest.at):
                    tuner.restart(service)
                else:
                    tuner.configure(service)
                    tuner.live(service, wanted, values)
                ours = wanted.keys() - _named(intents, STRANGE, service)
                sure = {name: wanted[name] for name in ours}
                _require(tuner.read(service), sure, engine.files(service).path())
            except DevstackError as error:
                problems.append(f"{service.name}: {error.message}")
            except Exception as error:  # a driver's own class
                problems.append(f"{service.name}: {type(error).__name__}")
    if problems:
        _try_again(paths, intents)
    return tuple(problems)


def _try_again(paths: StackPaths, intents: Sequence[Intent]) -> None:
    """Journal what `intents` touched as to be brought back, as far as that is the servers'."""
    touched = dict.fromkeys(name for intent in intents for name in intent.subject.split(","))
    names = {name: _named(intents, NAMES, service_named(name)) for name in touched}
    foreign = {name: _named(intents, STRANGE, service_named(name)) for name in touched}
    Journal(paths.journal).begin(
        ACTION, ",".join(touched), names=_encoded(names), strange=_encoded(foreign)
    )


def unfinished(paths: StackPaths) -> frozenset[str]:
    """The parameters, as `service.name`, that a `tune` has begun to change and has neither kept nor
    undone: it runs, or was killed."""
    found: set[str] = set()
    for intent in Journal(paths.journal).pending():
        with contextlib.suppress(ValueError):  # it is set aside by the next change
            if intent.action == ACTION:
                table = codec.decode(intent.undo.get(NAMES, "{}"), dict[str, list[str]])
                found |= {f"{service}.{name}" for service, names in table.items() for name in names}
    return frozenset(found)


def check(intent: Intent) -> None:
    """Raise whatever is wrong with an entry of ours in the journal."""
    for name in intent.subject.split(","):
        tunables(service_named(name))
    if STORE in intent.undo:
        parameter_store.decode(intent.undo[STORE])
    if intent.action == ACTION:
        for key in (NAMES, STRANGE):
            codec.decode(intent.undo[key], dict[str, list[str]])


def _restarted(engine: Engine, service: Service, since: float) -> bool:
    """Whether a unit of the service was started after that time, or is not there."""
    units = engine.units(service)
    young = any((unit.started_at or 0.0) > since - CLOCK_S for unit in units)
    return not units or young or not all(unit.running for unit in units)


def _require(reading: Reading, wanted: Mapping[str, str | None], home: str) -> None:
    """Raise `DevstackError` for the first parameter that is not as wanted."""
    for parameter in reading.parameters:
        if parameter.name in wanted and parameter.name in reading.effective:
            found = reading.effective[parameter.name]
            if wrong := overruled(parameter, wanted[parameter.name], found, home):
                raise DevstackError(wrong)


def _needed(engine: Engine, service: Service) -> bool:
    """Whether what the service requires runs, so that it can run itself."""
    required = [engine.units(service_named(name)) for name in service.requires]
    return all(units and all(unit.running for unit in units) for units in required)


def _encoded(names: Names) -> str:
    return msgspec.json.encode(
        {service: sorted(found) for service, found in names.items()}
    ).decode()


def _named(intents: Iterable[Intent], key: str, service: Service) -> set[str]:
    """The parameters of a service that any of the intents names under `key`."""
    found: set[str] = set()
    for intent in intents:
        table = codec.decode(intent.undo.get(key, "{}"), dict[str, list[str]])
        found |= set(table.get(service.name, ()))
    return found
