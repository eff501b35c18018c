"""A second implementation of the Engine contract, which has no process, no file and no port at all:
what works on it uses nothing of a server but the contract. It is no stand-in for a server: whether
one answers, the tests say by `answer`."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from devstack_tui.contracts.bindings import Bindings
from devstack_tui.contracts.client import Client
from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.contracts.engine import (
    Engine,
    Feature,
    Run,
    UnitEvent,
)
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.model import (
    Credentials,
    Endpoint,
    Installation,
    LogLine,
    Observation,
    Requirement,
    Target,
    UnitUsage,
    Usage,
)
from devstack_tui.contracts.processes import Loosening, ProcessFacts
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.unit_control import Completed
from devstack_tui.core.errors import DevstackError, NotInstalledError, UnreachableError, UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.programs import Hint
from devstack_tui.core.rooted_files import FileStat, parts_of
from devstack_tui.state import parameter_store
from devstack_tui.state.instance import Instance
from devstack_tui.state.settings import StackSettings

STARTS = itertools.count(1)


@dataclass
class Thing:
    """A unit: `start` is 0 while it does not run."""

    name: str
    owner: str
    start: int = 0
    at: float = 0.0
    held: bool = False
    log: list[str] = field(default_factory=list)


class MemoryFiles:
    """See `devstack_tui.contracts.service_files.ServiceFiles`. `found` holds the bytes of each
    file, and None for a directory."""

    def __init__(self, found: dict[str, tuple[bytes | None, FileStat]]) -> None:
        self._found = found

    def path(self, name: str = "") -> str:
        return "/".join(("memory:", *parts_of(name)))

    def read(self, name: str, last: int | None = None) -> bytes:
        raw, _ = self._at(name)
        if raw is None:
            raise IsADirectoryError(name)
        return raw[-last:] if last else raw

    def write(
        self, name: str, data: str | bytes, *, mode: int = 0o600, mtime_ns: int | None = None
    ) -> str:
        raw = data.encode() if isinstance(data, str) else data
        about = FileStat(mode, 0, True, len(raw), mtime_ns or time.time_ns())
        self._found[self._key(name)] = raw, about
        return self.path(name)

    def edit(self, name: str, change: Callable[[str], str], *, keep_mtime: bool = False) -> str:
        before, (_, about) = self.read(name).decode(), self._at(name)
        if (after := change(before)) != before:
            mtime_ns = about.mtime_ns if keep_mtime else None
            self.write(name, after, mode=about.mode, mtime_ns=mtime_ns)
        return before

    def stat(self, name: str = "") -> FileStat | None:
        found = self._found.get("/".join(parts_of(name)))
        return found and found[1]

    def list(self, name: str = "") -> tuple[str, ...]:
        above = parts_of(name)
        names = (one.split("/") for one in self._found if one)
        return tuple(sorted(one[-1] for one in names if one[:-1] == above))

    def directory(self, name: str) -> str:
        parts = parts_of(name)
        for number in range(len(parts) + 1):
            about = FileStat(0o700, 0, True, 0, time.time_ns(), is_directory=True)
            self._found.setdefault("/".join(parts[:number]), (None, about))
        return self.path(name)

    def chmod(self, name: str, mode: int) -> None:
        raw, about = self._at(name)
        self._found["/".join(parts_of(name))] = raw, replace(about, mode=mode)

    def copy(self, name: str, new: str) -> None:
        self.write(new, self.read(name))

    def rename(self, name: str, new: str) -> None:
        self._at(name)
        old, key = "/".join(parts_of(name)), self._key(new)
        for one in [one for one in self._found if f"{one}/".startswith(f"{old}/")]:
            self._found[key + one.removeprefix(old)] = self._found.pop(one)

    def link(self, name: str, target: str) -> None:
        raise DevstackError(f"there are no links in memory: {name} to {target}")

    def remove(self, name: str) -> None:
        old = "/".join(parts_of(name))
        for one in [one for one in self._found if f"{one}/".startswith(f"{old}/")]:
            del self._found[one]

    def connect(self, name: str, timeout: float) -> socket.socket:  # noqa: ARG002
        raise ConnectionRefusedError(name)

    def _at(self, name: str) -> tuple[bytes | None, FileStat]:
        try:
            return self._found["/".join(parts_of(name))]
        except KeyError:
            raise FileNotFoundError(name) from None

    def _key(self, name: str) -> str:
        """The name of a file whose directory is there."""
        parts = parts_of(name)
        self._at("/".join(parts[:-1]))
        return "/".join(parts)


WORLDS: dict[str, dict[str, list[Thing]]] = {}
"""The units of every service, by the directory of their stack."""
FILES: dict[str, dict[str, dict[str, tuple[bytes | None, FileStat]]]] = {}
"""The files of every service, likewise."""


class MemoryEngine:
    """See `devstack_tui.contracts.engine.Engine`."""

    name = "memory"

    def __init__(self, paths: StackPaths, instance: Instance, settings: StackSettings) -> None:
        self._paths = paths
        self._settings = settings
        self._things = WORLDS.setdefault(str(paths.root), {})
        self._files = FILES.setdefault(str(paths.root), {})
        self._id = instance.id

    features = frozenset(Feature) - {Feature.PARTITION}

    def require(self, feature: Feature) -> None:
        if feature not in self.features:
            raise UsageError(f"a {feature} is not possible in memory")

    def examine(self, service: Service | None = None) -> Iterator[Requirement]:
        yield Requirement(service.name if service else "memory", "ok", "there is enough")

    def hints(self) -> Sequence[Hint]:
        return ()

    def furnish(self, service: Service) -> str:  # noqa: ARG002
        return ""

    def free_offset(self, base: Iterable[int], reserved: Iterable[int]) -> int:  # noqa: ARG002
        return 100

    def prepare(self, service: Service, run: Run) -> None:
        pass

    def locate(self, service: Service) -> Installation:
        return Installation(Path("image"), "1.0", service.title, "1")

    def program(self, service: Service) -> str:
        return f"image of {service.name}" if self.units(service) else ""

    def target(self, service: Service) -> Target:
        settings = self._settings.of(service.name, 0)
        ports = settings.ports
        endpoint = Endpoint(service.scheme, "127.0.0.1", ports["main"], ports.get("tls"))
        # A CA that is there; no client reads it.
        here = Path(__file__)
        options = settings.options()
        return Target(service.name, endpoint, ports, Credentials(), here, here, options)

    def recover(self) -> Sequence[str]:
        return ()

    def start(self, service: Service, run: Run) -> None:  # noqa: ARG002
        files = self.files(service)
        files.directory("")
        if not all(thing.start for thing in self._things.get(service.name, [Thing("", "")])):
            files.write("running", self._configuration(service))
        numbered = [f"{service.name}-{number}" for number in range(1, 7)]
        names = numbered if service.rolling() else [service.name]
        made = [Thing(name, self._id) for name in names]
        for thing in self._things.setdefault(service.name, made):
            if not thing.start:
                thing.start, thing.held, thing.at = next(STARTS), False, time.time()
                thing.log.append(f"start {thing.start}")

    def configure(self, service: Service, run: Run) -> None:  # noqa: ARG002
        self.files(service).write("configuration", self._configuration(service))

    def _configuration(self, service: Service) -> bytes:
        """The parameters that the stack sets: those of the last start are in the file `running`."""
        values = parameter_store.read(self._paths).values.get(service.name, {})
        return msgspec.json.encode(values)

    def cycle(self, service: Service, run: Run, before: Callable[[str], None]) -> None:
        for thing in self._things[service.name]:
            before(thing.name)
        self.respawn(service, run)

    def respawn(
        self,
        service: Service,
        run: Run,
        loosely: Loosening | None = None,  # noqa: ARG002
    ) -> None:
        self._end(service)
        self.start(service, run)

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        return {}

    def commands(self) -> Sequence[tuple[str, str]]:
        return ()

    def reload(self, unit: str) -> None:
        self._thing(unit).log.append("read again")

    def stop(self, service: Service, run: Run) -> bool:  # noqa: ARG002
        self._end(service)
        self._things.pop(service.name, None)
        return True

    def units(self, service: Service) -> Sequence[UnitUsage]:
        return [
            UnitUsage(
                thing.name,
                None,
                running=bool(thing.start),
                completed=bool(thing.start),
                started_at=thing.at if thing.start else None,
                start_id=str(thing.start or ""),
            )
            for thing in self._things.get(service.name, ())
        ]

    def usage(self, service: Service) -> Mapping[str, Usage]:
        running = [thing for thing in self._things.get(service.name, ()) if thing.start]
        return {thing.name: Usage(1.0, 2_000_000) for thing in running}

    def watch(self, ended: threading.Event) -> Iterator[UnitEvent]:
        return self._changes(self._starts(), ended)

    def _changes(self, before: Mapping[str, str], ended: threading.Event) -> Iterator[UnitEvent]:
        while not ended.wait(0.01):
            now = self._starts()
            for unit in sorted(before.keys() | now.keys()):
                if before.get(unit) != now.get(unit):
                    yield UnitEvent(unit, now.get(unit, ""))
            before = now

    def _starts(self) -> dict[str, str]:
        things = [thing for found in list(self._things.values()) for thing in found]
        return {thing.name: str(thing.start or "") for thing in things}

    def limits(self, service: Service | None = None) -> Machine:  # noqa: ARG002
        return Machine(1 << 30, 1.0, "memory")

    def claims(self, service: Service) -> Mapping[str, int]:
        return self.target(service).ports

    def bindings(self) -> Mapping[str, Bindings]:
        return {}

    def environment(self, unit: str) -> Mapping[str, str]:
        return {"UNIT": self._thing(unit).name}

    def execute(
        self,
        unit: str,
        argv: Sequence[str],
        stdin: str = "",
        env: Mapping[str, str] | None = None,  # noqa: ARG002
        limit: float = 60.0,  # noqa: ARG002
    ) -> Completed:
        self._thing(unit)
        return Completed(0, f"{' '.join(argv)}: {stdin}", "")

    def interact(self, unit: str, argv: Sequence[str]) -> int:
        return self.execute(unit, argv).status

    def client(self, service: Service, *names: str) -> Client:
        raise NotInstalledError(f"{service.title} has no {names[0]} in memory", "")

    def prove_owned(self, service: Service) -> None:
        if not self._things.get(service.name):
            raise UnreachableError(f"{service.title} does not run")
        if any(thing.owner != self._id for thing in self._things[service.name]):
            raise DevstackError(f"{service.title} is not of this stack: nothing was touched")

    def aim(
        self,
        service: Service,
        units: Sequence[str],
        fault: Fault,
        cut: NodeTraffic | None = None,  # noqa: ARG002
    ) -> Handle:
        self.require(Feature(fault.value))
        names = [thing.name for thing in self._things.get(service.name, ())]
        if not units or not set(units) <= set(names):
            raise UnreachableError(f"{service.title} does not run")
        return Handle(fault, tuple(units), {unit: str(self._thing(unit).start) for unit in units})

    def inject(self, handle: Handle) -> float:
        for thing in self._meant(handle):
            if handle.fault is Fault.FREEZE:
                thing.held = True
            else:
                thing.start = 0
                thing.log.append(f"ended by {handle.fault}")
        return time.monotonic()

    def undo(self, handle: Handle) -> float:
        for thing in self._meant(handle):
            thing.held = False
        return time.monotonic()

    def gone(self, handle: Handle, within: float) -> None:  # noqa: ARG002
        assert not list(self._meant(handle))

    def exit_reason(self, service: Service) -> str:
        for thing in self._things.get(service.name, ()):
            if not thing.start:
                return f"{thing.name} has ended: {thing.log[-1]}"
        return ""

    def log_units(self, service: Service) -> Sequence[str]:
        return [thing.name for thing in self._things.get(service.name, ()) if thing.log]

    def logs(
        self,
        service: Service,
        lines: int,
        follow: threading.Event | None = None,
        *,
        wanted: Callable[[str], object] | None = None,
    ) -> Iterator[LogLine]:
        things = self._things.get(service.name, ())
        if wanted and not follow:
            for thing in things:
                kept = [LogLine(thing.name, text) for text in thing.log if wanted(text)]
                yield from kept[max(0, len(kept) - lines) :]
            return
        read = {thing.name: max(0, len(thing.log) - lines) for thing in things}
        while True:
            for thing in things:
                for text in thing.log[read[thing.name] :]:
                    read[thing.name] += 1
                    yield LogLine(thing.name, text)
            if follow is None or follow.wait(0.01):
                return

    def files(self, service: Service) -> MemoryFiles:
        return MemoryFiles(self._files.setdefault(service.name, {}))

    def require_stopped(self) -> None:
        if any(thing.start for things in self._things.values() for thing in things):
            raise DevstackError("a server of this stack still runs")

    def wipe(self) -> None:
        self.require_stopped()
        self._things.clear()
        self._files.clear()

    # -- what only the tests ask ---------------------------------------------------------------

    def answer(self, service: Service, *_: object) -> Observation:
        """In place of a probe: the service answers if all its units run and none is held."""
        things = self._things.get(service.name, [])
        if not things or not all(thing.start and not thing.held for thing in things):
            raise UnreachableError("no answer in time")
        return Observation(1.0)

    def age(self, seconds: float) -> None:
        """As if everything had been started so many seconds earlier."""
        for thing in (one for things in self._things.values() for one in things):
            thing.at -= seconds

    def work(self, unit: str) -> None:
        """In place of a client of the unit. Raises `UnreachableError`."""
        if self._thing(unit).held:
            raise UnreachableError("no answer in time")

    def _thing(self, unit: str) -> Thing:
        for thing in (one for things in self._things.values() for one in things):
            if thing.name == unit and thing.start and thing.owner == self._id:
                return thing
        raise UnreachableError(f"{unit} does not run")

    def _meant(self, handle: Handle) -> Iterator[Thing]:
        for thing in (one for things in self._things.values() for one in things):
            if thing.start and handle.undo.get(thing.name) == str(thing.start):
                yield thing

    def _end(self, service: Service) -> None:
        for thing in self._things.get(service.name, ()):
            thing.start = 0


ENGINE: type[Engine] = MemoryEngine
