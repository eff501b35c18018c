"""The embedded engine: real server processes on this machine, no container needed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from devstack_tui.contracts.bindings import Bindings
from devstack_tui.contracts.client import Client
from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.contracts.engine import Feature, Run
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.model import Credentials, Installation, LogLine, Requirement
from devstack_tui.contracts.processes import Loosening, ProcessFacts
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.service import ProcessSpec, Server, Service
from devstack_tui.contracts.tunable import Rolling
from devstack_tui.contracts.unit_control import Completed
from devstack_tui.core import files, machine, process
from devstack_tui.core.errors import DevstackError, NotInstalledError, UnreachableError, UsageError
from devstack_tui.core.events import Phase
from devstack_tui.core.machine import Machine
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.programs import Hint
from devstack_tui.engines.embedded import (
    accounts,
    bindings,
    data_series,
    faults,
    firewall,
    leftovers,
    ports,
    process_facts,
    programs,
    requirements,
)
from devstack_tui.engines.embedded.handed_programs import handed
from devstack_tui.engines.embedded.places import Places
from devstack_tui.engines.embedded.process_records import Record
from devstack_tui.engines.embedded.programs import ProgramContext
from devstack_tui.engines.embedded.server_home import ProcessHome, await_alone
from devstack_tui.engines.embedded.unit_logs import Logs
from devstack_tui.engines.embedded.view import EmbeddedView
from devstack_tui.identity.vault_api import read_credentials
from devstack_tui.state import directories
from devstack_tui.state.instance import Instance
from devstack_tui.state.settings import StackSettings

LOG_ROTATE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _StartContext:
    """All that a server part gets when it is started."""

    service: Service
    server: Server
    installation: Installation
    home: ProcessHome


class EmbeddedEngine(EmbeddedView):
    """See `devstack_tui.contracts.engine.Engine`. One object serves one verb."""

    def __init__(self, paths: StackPaths, instance: Instance, settings: StackSettings) -> None:
        super().__init__(paths, instance, settings)
        self._logs = Logs(paths.logs, self._records)
        self._places = Places(self, paths, instance, settings)

    @property
    def features(self) -> frozenset[Feature]:
        """See the Protocol: all, but a partition only with the right and the program for it."""
        missing = set()
        try:
            self.require(Feature.PARTITION)
        except DevstackError:
            missing.add(Feature.PARTITION)
        return frozenset(Feature) - missing

    def require(self, feature: Feature) -> None:
        """See the Protocol."""
        if feature is Feature.PARTITION:
            firewall.require(self._instance.id)

    def examine(self, service: Service | None = None) -> Iterator[Requirement]:
        """See the Protocol."""
        if service is None:
            yield requirements.platform()
            yield requirements.packet_filter()
            return
        with contextlib.suppress(DevstackError):  # what is not here needs no account
            self.locate(service)
            yield from requirements.account(service)
        if not self.units(service):
            found = requirements.occupied_port(service.name, self.claims(service))
            yield from [found] if found else []

    def hints(self) -> Sequence[Hint]:
        """See the Protocol."""
        return requirements.hints()

    def furnish(self, service: Service) -> str:
        """See the Protocol."""
        made: list[str] = []
        with contextlib.suppress(NotInstalledError):
            self.locate(service)
            accounts.require(service, made.append)
        return " ".join(made)

    def free_offset(self, base: Iterable[int], reserved: Iterable[int]) -> int:
        """See the Protocol."""
        return ports.choose_offset(base, reserved)

    def prepare(self, service: Service, run: Run) -> None:
        """See the Protocol."""
        if not self._units.alive(service):
            run.say(Phase.PREPARING, "")
            data_series.check(self.files(service), service.name, self.locate(service))
            self._require_ports(service)

    def claims(self, service: Service) -> Mapping[str, int]:
        """See the Protocol."""
        settings = self._settings.of(service.name, self._instance.port_offset)
        return service.server().claims(settings)

    def _require_ports(self, service: Service) -> None:
        if not self._units.alive(service):
            claims, data = self.claims(service), self._paths.data / service.name
            leftovers.clear_ports(service, self._instance.id, claims, data)
            ports.require_free(service.name, claims, self._paths.name)

    def recover(self) -> Sequence[str]:
        """See the Protocol."""
        return leftovers.recover(self._records, self._instance.id, self._end_unit)

    def start(self, service: Service, run: Run) -> None:
        """See the Protocol: prepares, starts the units that are missing, completes."""
        with self._explained(service, "starting"):
            self._adopt(service, run)
            place = self._place(service, run)
            if any(
                not self._units.fits(record, service) for record in self._records.of(service.name)
            ):
                self._end(service, run)
            self._bring(place, run)

    def configure(self, service: Service, run: Run) -> None:
        """See the Protocol."""
        with self._explained(service, "configuring"):
            place = self._place(service, run)
            place.server.prepare(place.home, place.installation)

    def cycle(self, service: Service, run: Run, before: Callable[[str], None]) -> None:
        """See the Protocol."""
        with self._explained(service, "restarting"):
            self._adopt(service, run)
            place = self._place(service, run)
            rolling = service.rolling()
            if rolling is None:
                place.server.prepare(place.home, place.installation)
                for record in reversed(self._records.of(service.name)):
                    before(record.unit)
                self._end(service, run)
                self._bring(place, run)
                return
            # A node that is missing can take over nothing.
            self._bring(place, run)
            for unit in rolling.order(place.home.target):
                before(unit)
                rolling.hand_over(place.home.target, unit)
                run.say(Phase.STOPPING, unit)
                for record in self._records.of(service.name):
                    if record.unit == unit:
                        self._end_unit(record)
                self._bring(place, run)
                place.home.wait_for(
                    f"the others to take {unit} in again", partial(_settled, rolling, place.home)
                )

    @contextlib.contextmanager
    def _explained(self, service: Service, doing: str) -> Iterator[None]:
        """Each server has its own words for a full disk, if any: say what is behind them."""
        try:
            yield
        except OSError as error:
            raise files.explain(error, f"{doing} {service.title}") from None
        except DevstackError as error:
            directories.require_room(self._paths, error)
            raise

    def _adopt(self, service: Service, run: Run) -> None:
        """What an older release has started as root ends, and its files go to its own account."""
        account = accounts.require(service, lambda text: run.say(Phase.PREPARING, text))
        others = [
            found
            for record in self._records.of(service.name)
            if record.alive and record.process is not None
            if (found := process.rights(record.process.pid)) and found.uids != {account.uid}
        ]
        if others:
            self._end(service, run)
        if not self._units.alive(service):
            self._places.hand_over(service, run, whole=bool(others))

    def _place(self, service: Service, run: Run) -> _StartContext:
        installation = self.locate(service)
        data_series.check(self.files(service), service.name, installation)
        run.say(Phase.PREPARING, "")
        return _StartContext(service, service.server(), installation, self.home(service, run))

    def _bring(self, place: _StartContext, run: Run) -> None:
        """Prepare, start the units that are missing, complete."""
        service, server, home = place.service, place.server, place.home
        self._require_ports(service)
        server.prepare(home, place.installation)
        data_series.note(self.files(service), place.installation)
        present = self._units.alive(service)
        run.say(Phase.STARTING, "")
        specs = service.launcher().processes(home, place.installation)
        for order, spec in enumerate(specs):
            if spec.unit not in present:
                self._spawn(home, spec, order, self._units.partners(service))
        server.complete(home, place.installation)
        self._records.completed(service.name)

    def respawn(self, service: Service, run: Run, loosely: Loosening | None = None) -> None:
        """See the Protocol."""
        with self._explained(service, "starting"):
            credentials = read_credentials(self._paths.secrets, service)
            self._end(service, run)
            self._adopt(service, run)
            home = self._home(service, run, credentials)
            specs = service.launcher().processes(home, self.locate(service))
            for order, spec in enumerate(specs):
                self._spawn(home, spec, order, self._units.partners(service), loosely)
            self._records.completed(service.name)

    def stop(self, service: Service, run: Run) -> bool:
        """See the Protocol: the last started is the first to end."""
        return self._end(service, run)

    def _end(self, service: Service, run: Run) -> bool:
        gently = True
        for record in reversed(self._records.of(service.name)):
            run.say(Phase.STOPPING, record.unit)
            gently &= self._end_unit(record)
        return gently

    def _end_unit(self, record: Record) -> bool:
        gently = True
        if record.alive and record.process is not None:
            # A stop needs no room on the disk; without the note an interrupted one is not finished.
            with contextlib.suppress(OSError):
                self._records.stopping(record)
            gently = process.end(record.process, record.signal, record.grace_s, self._units.mine)
        self._records.remove(record)
        return gently

    def limits(self, service: Service | None = None) -> Machine:
        """See the Protocol: they share this machine, or our control group."""
        found = machine.look(self._paths.root)
        if service is None:
            return found
        units = [unit.pid for unit in self.units(service) if unit.running and unit.pid]
        return msgspec.structs.replace(found, open_files=process.open_files(units))

    def bindings(self) -> Mapping[str, Bindings]:
        """See the Protocol."""
        claims = {name: self.claims(service_named(name)) for name in self._instance.selected}
        return bindings.look(self._records.all(), self._instance.id, claims)

    def environment(self, unit: str) -> Mapping[str, str]:
        """See the Protocol."""
        return process.environment(self._units.main(unit)[1].pid)

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        """See the Protocol."""
        return process_facts.look(self._records, self._instance.id)

    def commands(self) -> Sequence[tuple[str, str]]:
        """See the Protocol."""
        return process_facts.commands()

    def execute(
        self,
        unit: str,
        argv: Sequence[str],
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        limit: float = 60.0,
    ) -> Completed:
        """See the Protocol."""
        beside = self._beside(unit, env or {})
        if argv[0] != sys.executable:
            return programs.run(argv, beside, stdin=stdin, limit=limit)
        with handed(argv, beside.env, beside.account) as ours:
            return programs.run(argv, beside, stdin=stdin, limit=limit, ours=ours)

    def interact(self, unit: str, argv: Sequence[str]) -> int:
        """See the Protocol."""
        return programs.interact(argv, self._beside(unit, {}))

    def _beside(self, unit: str, more: Mapping[str, str]) -> ProgramContext:
        record, main = self._units.main(unit)
        helper = {process.UNIT_VARIABLE: f"helper:{record.service}"}
        env = {**process.environment(main.pid), **helper, **more}
        account = accounts.require(service_named(record.service))
        return ProgramContext(env, self._paths.data / record.service, account)

    def client(self, service: Service, *names: str) -> Client:
        """See the Protocol."""
        return programs.find_client(service, names)

    def prove_owned(self, service: Service) -> None:
        """See the Protocol."""
        units = {
            record.unit: record.process if record.alive else None
            for record in self._records.of(service.name)
        }
        if not units:
            raise UnreachableError(f"{service.title} does not run", self._up(service))
        faults.prove(units, self._instance.id, self._paths.name, self._up(service))

    def aim(
        self, service: Service, units: Sequence[str], fault: Fault, cut: NodeTraffic | None = None
    ) -> Handle:
        """See the Protocol."""
        self.require(Feature(fault.value))
        if fault is Fault.PARTITION:
            if cut is None:
                raise UsageError(f"{service.title} has no other node to be cut off from")
            return faults.of_network(units[0], firewall.table_of(self._instance.id), cut)
        if not units:
            raise UnreachableError(f"{service.title} does not run", self._up(service))
        try:
            found = [self._units.main(unit, service) for unit in units]
        except UnreachableError as error:
            raise UnreachableError(error.message, self._up(service)) from None
        return faults.of_processes(fault, units, [main for _, main in found], found[0][0].signal)

    def inject(self, handle: Handle) -> float:
        """See the Protocol."""
        return faults.inject(handle)

    def undo(self, handle: Handle) -> float:
        """See the Protocol."""
        return faults.undo(faults.ours(handle, self._instance.id))

    def gone(self, handle: Handle, within: float) -> None:
        """See the Protocol."""
        faults.await_gone(faults.ours(handle, self._instance.id), within)

    def _up(self, service: Service) -> str:
        return f"`devstack-tui --stack {self._paths.name} up {service.name}`"

    def log_units(self, service: Service) -> Sequence[str]:
        """See the Protocol."""
        return [log.unit for log in self._logs.of(service)]

    def logs(
        self,
        service: Service,
        lines: int,
        follow: threading.Event | None = None,
        *,
        wanted: Callable[[str], object] | None = None,
    ) -> Iterator[LogLine]:
        """See the Protocol."""
        return self._logs.lines(service, lines, follow, wanted)

    def require_stopped(self) -> None:
        """See the Protocol."""
        if any(record.alive for record in self._records.all()):
            raise DevstackError("a server of this stack still runs", "`devstack-tui down` first")

    def wipe(self) -> None:
        """See the Protocol: the identity card goes last, so that a wipe that was cut short is
        still known as this stack's."""
        self.require_stopped()
        paths = self._paths
        for folder in (paths.data, paths.run, paths.logs, paths.secrets):
            _remove(folder)
        last = (paths.journal, paths.instance)
        for path in paths.root.iterdir():
            if path not in (*last, paths.lock):
                _remove(path)
        for path in last:
            _remove(path)

    def home(self, service: Service, run: Run) -> ProcessHome:
        """The service's place, with its secret and certificate fetched by its own AppRole."""
        return self._home(service, run, self._places.login(service, run))

    def _home(self, service: Service, run: Run, credentials: Credentials) -> ProcessHome:
        return self._places.home(
            service,
            run,
            credentials,
            died=lambda: self.exit_reason(service),
            reload=self.reload,
            stop=lambda: self._end(service, run),
        )

    def _spawn(
        self,
        home: ProcessHome,
        spec: ProcessSpec,
        order: int,
        made_for: tuple[str, ...],
        loosely: Loosening | None = None,
    ) -> Record:
        await_alone(home, spec)
        log = self._logs.path(spec.unit)
        if log.exists() and log.stat().st_size > LOG_ROTATE_BYTES:
            log.replace(log.with_suffix(".log.1"))
        env = home.environment({process.UNIT_VARIABLE: spec.unit, **spec.env})
        with handed(spec.argv, env, home.account) as program:
            record = self._records.intend(spec, home.service, order, made_for)
            started = process.spawn(
                spec.argv,
                {**env, **program.env},
                home.data,
                log,
                None if loosely is Loosening.ROOT else home.account.owner,
                executable=program.executable,
                descriptors=program.descriptors,
                loosely=loosely is Loosening.LIMITS,
            )
        return self._records.started(record, started)

    def reload(self, unit: str) -> None:
        """See the Protocol: by SIGHUP to its main process."""
        os.kill(self._units.main(unit)[1].pid, signal.SIGHUP)


def _remove(path: Path) -> None:
    """A file, or a directory with all below it; harmless where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _settled(rolling: Rolling, home: ProcessHome) -> bool:
    """Whether the next node may end. Raises what is still missing."""
    if missing := rolling.settled(home.target):
        raise DevstackError(missing)
    return True
