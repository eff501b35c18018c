"""The embedded engine: real server processes on this machine, no container needed."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devstack_tui.contracts.drill import Cut
from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.model import (
    Credentials,
    Endpoint,
    Installation,
    LogLine,
    Target,
    UnitUsage,
    Usage,
)
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.server_home import HOST, Site
from devstack_tui.contracts.service import ProcessSpec, Server, Service
from devstack_tui.contracts.tunable import Rolling
from devstack_tui.core import files, process
from devstack_tui.core.errors import DevstackError, UnreachableError, UsageError
from devstack_tui.core.events import Phase
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.process import ProcessId
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.engines.embedded import data_series, faults, firewall, log_files
from devstack_tui.engines.embedded.log_files import LogFile
from devstack_tui.engines.embedded.ports import require_free
from devstack_tui.engines.embedded.process_records import Record, Records
from devstack_tui.engines.embedded.process_units import (
    account_of,
    await_alone,
    last_line,
    seen,
    used,
)
from devstack_tui.identity import approle_login
from devstack_tui.state import directories, parameter_store
from devstack_tui.state.instance import Instance
from devstack_tui.state.settings import StackSettings

SPAWN_S = 3.0
TABLE_S = 0.2
"""How old a look at all processes may be that several questions share."""
LOG_ROTATE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Place:
    """All that a server part is told when it is started."""

    service: Service
    server: Server
    installation: Installation
    site: Site


class EmbeddedEngine:
    """See `devstack_tui.contracts.engine.Engine`. One object serves one verb."""

    name = "embedded"

    def __init__(self, paths: StackPaths, instance: Instance, settings: StackSettings) -> None:
        self._paths = paths
        self._instance = instance
        self._settings = settings
        self._records = Records(paths.run)
        self.journal = Journal(paths.journal)
        self._table_lock = threading.Lock()
        self._last_table: tuple[float, process.Table] = (-math.inf, {})

    def locate(self, service: Service) -> Installation:
        """The server program on this machine."""
        return service.launcher().locate()

    def target(self, service: Service) -> Target:
        """Host, ports, CA and, once the service was started, its credentials."""
        settings = self._settings.of(service.name, self._instance.port_offset)
        return Target(
            service=service.name,
            endpoint=Endpoint(
                service.scheme, HOST, settings.ports["main"], settings.ports.get("tls")
            ),
            ports=settings.ports,
            credentials=approle_login.read_credentials(self._paths.secrets, service),
            ca=self._paths.root / "ca.crt",
            secrets=self._paths.secrets,
            options=settings.options(),
        )

    def recover(self) -> Sequence[str]:
        """Find again what was started but not recorded; end helpers and what servers left."""
        owned = process.owned(self._instance.id)
        owned.pop(os.getpid(), None)
        notes = self._let_go_on(owned)
        notes += self._finish_stops()
        found, keep = self._find_again(owned)
        notes += found
        for pid, unit in owned.items():
            left = process.identify(pid)
            if pid not in keep and left is not None:
                process.end(left, grace_s=3.0, mine=self._mine)
                notes.append(f"ended {unit or 'a process'} (pid {pid}), left over from before")
        return notes

    def _let_go_on(self, owned: Mapping[int, str]) -> list[str]:
        """End the hold of every process of ours that was held still."""
        held = {pid: unit for pid, unit in owned.items() if process.frozen(pid)}
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        return [f"let {unit} (pid {pid}) go on, which was held still" for pid, unit in held.items()]

    def _finish_stops(self) -> list[str]:
        stopping = [record for record in self._records.all() if record.stopping]
        for record in stopping:
            self._end_unit(record)
        return [f"stopped {record.unit}: its stop was interrupted" for record in stopping]

    def _find_again(self, owned: Mapping[int, str]) -> tuple[list[str], set[int]]:
        """Record what runs of each unit; what was told, and the processes that belong to units."""
        records = {record.unit: record for record in self._records.all()}
        notes: list[str] = []
        keep: set[int] = set()
        for unit, pids in process.leaders(owned).items():
            known = records.get(unit)
            found = [p for pid in sorted(pids) if (p := process.identify(pid))]
            if known is None or not found:
                continue
            if not known.alive:
                known = self._records.started(known, found[0])
                notes.append(f"found {unit} again (pid {found[0].pid}): its start was interrupted")
            if known.process is not None:
                keep |= process.descendants([known.process.pid], process.table())
        return notes, keep

    def start(self, service: Service, run: Run) -> None:
        """See the Protocol: prepares, starts the units that are missing, completes."""
        with self._explained(service, "starting"):
            place = self._place(service, run)
            if any(not self._fits(record, service) for record in self._records.of(service.name)):
                self._end(service, run)
            self._bring(place, run)

    def configure(self, service: Service, run: Run) -> None:
        """See the Protocol."""
        with self._explained(service, "configuring"):
            place = self._place(service, run)
            place.server.prepare(place.site, place.installation)

    def cycle(self, service: Service, run: Run, before: Callable[[str], None]) -> None:
        """See the Protocol."""
        with self._explained(service, "restarting"):
            place = self._place(service, run)
            rolling = service.rolling()
            if rolling is None:
                for record in reversed(self._records.of(service.name)):
                    before(record.unit)
                self._end(service, run)
                self._bring(place, run)
                return
            # A node that is missing can take over nothing.
            self._bring(place, run)
            for unit in rolling.order(place.site.target):
                before(unit)
                rolling.hand_over(place.site.target, unit)
                run.say(Phase.STOPPING, unit)
                for record in self._records.of(service.name):
                    if record.unit == unit:
                        self._end_unit(record)
                self._bring(place, run)
                place.site.wait_for(
                    f"the others to take {unit} in again", partial(_settled, rolling, place.site)
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

    def _place(self, service: Service, run: Run) -> _Place:
        installation = self.locate(service)
        data_series.check(self._series(service), service.name, installation)
        run.say(Phase.PREPARING, "")
        return _Place(service, service.server(), installation, self.site(service, run))

    def _bring(self, place: _Place, run: Run) -> None:
        """Prepare, start the units that are missing, complete."""
        service, server, site = place.service, place.server, place.site
        if not self._alive(service):
            require_free(service.name, server.claims(site.settings), self._paths.name)
        server.prepare(site, place.installation)
        data_series.note(self._series(service), place.installation)
        present = self._alive(service)
        run.say(Phase.STARTING, "")
        specs = service.launcher().processes(site, place.installation)
        for order, spec in enumerate(specs):
            if spec.unit not in present:
                self._spawn(site, spec, order, self._made_for(service))
        server.complete(site, place.installation)
        self._records.completed(service.name)

    def respawn(self, service: Service, run: Run) -> None:
        """See the Protocol."""
        with self._explained(service, "starting"):
            credentials = approle_login.read_credentials(self._paths.secrets, service)
            site = self._site(service, run, credentials)
            self._end(service, run)
            specs = service.launcher().processes(site, self.locate(service))
            for order, spec in enumerate(specs):
                self._spawn(site, spec, order, self._made_for(service))
            self._records.completed(service.name)

    def stop(self, service: Service, run: Run) -> bool:
        """See the Protocol: the last started is the first to end."""
        return self._end(service, run)

    def _series(self, service: Service) -> Path:
        return self._paths.data / service.name / data_series.FILE

    def _made_for(self, service: Service) -> tuple[str, ...]:
        return tuple(name for name in service.after if name in self._instance.selected)

    def _fits(self, record: Record, service: Service) -> bool:
        """Whether the unit was configured for the services that the stack consists of now."""
        return record.made_for == self._made_for(service)

    def _alive(self, service: Service) -> set[str]:
        return {record.unit for record in self._records.of(service.name) if record.alive}

    def _end(self, service: Service, run: Run) -> bool:
        gently = True
        for record in reversed(self._records.of(service.name)):
            run.say(Phase.STOPPING, record.unit)
            gently &= self._end_unit(record)
        return gently

    def _mine(self, pid: int) -> bool:
        return process.belongs(pid, self._instance.id)

    def _end_unit(self, record: Record) -> bool:
        gently = True
        if record.alive and record.process is not None:
            self._records.stopping(record)
            gently = process.end(record.process, record.signal, record.grace_s, self._mine)
        self._records.remove(record)
        return gently

    def units(self, service: Service) -> Sequence[UnitUsage]:
        """See the Protocol."""
        return [
            seen(record, self._fits(record, service)) for record in self._records.of(service.name)
        ]

    def usage(self, service: Service) -> Mapping[str, Usage]:
        """See the Protocol: of the main process, its session and all their children."""
        running = {
            record.unit: record.process.pid
            for record in self._records.of(service.name)
            if record.alive and record.process is not None
        }
        if not running:
            return {}
        table = self._table()
        return {unit: used(pid, table) for unit, pid in running.items()}

    def _table(self) -> process.Table:
        """Every process of the machine, at most `TABLE_S` seconds ago."""
        with self._table_lock:
            at, table = self._last_table
            if time.monotonic() - at > TABLE_S:
                table = process.table()
                self._last_table = time.monotonic(), table
            return table

    def _processes(self, service: Service) -> Mapping[str, ProcessId]:
        """The main process of each unit that runs, proven to be the stack's own."""
        return {
            record.unit: record.process
            for record in self._records.of(service.name)
            if record.process is not None and record.alive and self._mine(record.process.pid)
        }

    def prove_owned(self, service: Service) -> None:
        """See the Protocol."""
        units = {
            record.unit: record.process if record.alive else None
            for record in self._records.of(service.name)
        }
        if not units:
            raise UnreachableError(f"{service.title} does not run", self._up(service))
        faults.prove(units, self._instance.id, self._paths.name, self._up(service))

    def require_fault(self, fault: Fault) -> None:
        """See the Protocol."""
        if fault is Fault.PARTITION:
            firewall.require(self._instance.id)

    def aim(
        self, service: Service, units: Sequence[str], fault: Fault, cut: Cut | None = None
    ) -> Handle:
        """See the Protocol."""
        self.require_fault(fault)
        if fault is Fault.PARTITION:
            if cut is None:
                raise UsageError(f"{service.title} has no other node to be cut off from")
            return faults.of_network(units[0], firewall.table_of(self._instance.id), cut)
        if not units:
            raise UnreachableError(f"{service.title} does not run", self._up(service))
        records = {record.unit: record for record in self._records.of(service.name)}
        found = self._processes(service)
        for unit in units:
            if unit not in found:
                raise UnreachableError(f"{unit} does not run", self._up(service))
        mains = [found[unit] for unit in units]
        return faults.of_processes(fault, units, mains, records[units[0]].signal)

    def inject(self, handle: Handle) -> float:
        """See the Protocol."""
        return faults.inject(handle)

    def undo(self, handle: Handle) -> float:
        """See the Protocol."""
        return faults.undo(handle)

    def gone(self, handle: Handle, within: float) -> None:
        """See the Protocol."""
        faults.await_gone(handle, within)

    def _up(self, service: Service) -> str:
        return f"`devstack-tui --stack {self._paths.name} up {service.name}`"

    def last_words(self, service: Service) -> str:
        """Which unit is gone, and the last line that it wrote."""
        for record in self._records.of(service.name):
            # A record is written just before its process is there.
            new = record.process is None and time.time() - record.started < SPAWN_S
            if not record.alive and not new:
                line = last_line(self._paths.logs / f"{record.unit}.log")
                said = f": {line}" if line else ""
                return f"{record.unit} has ended{said}"
        return ""

    def log_units(self, service: Service) -> Sequence[str]:
        """See the Protocol."""
        return [log.unit for log in self._log_files(service)]

    def logs(
        self, service: Service, lines: int, follow: threading.Event | None = None
    ) -> Iterator[LogLine]:
        """See the Protocol."""
        if follow is None:
            for log in self._log_files(service):
                yield from log_files.tail(log, lines)
            return
        with contextlib.closing(
            log_files.Follower(partial(self._log_files, service), lines)
        ) as follower:
            while not follow.is_set():
                yield from follower.look()
                follow.wait(log_files.POLL_S)

    def _log_files(self, service: Service) -> list[LogFile]:
        """One file a unit; those of units that ran once stay readable."""
        known = {record.unit for record in self._records.of(service.name)}
        prefix = service.secret
        for path in self._paths.logs.glob(f"{prefix}*.log"):
            if path.stem == prefix or path.stem.startswith(f"{prefix}-"):
                known.add(path.stem)
        return [LogFile(unit, self._paths.logs / f"{unit}.log") for unit in sorted(known)]

    def files(self, service: Service) -> RootedFiles:
        """See the Protocol."""
        return RootedFiles(self._paths.data / service.name, account_of(service).owner)

    def require_stopped(self) -> None:
        """See the Protocol."""
        if any(record.alive for record in self._records.all()):
            raise DevstackError("a server of this stack still runs", "`devstack-tui down` first")

    def wipe(self) -> None:
        """See the Protocol: the identity card goes last, so that a wipe that was cut short is
        still known as this stack's."""
        self.require_stopped()
        root = self._paths.root
        for folder in (self._paths.data, self._paths.run, self._paths.logs, self._paths.secrets):
            if folder.exists():
                shutil.rmtree(folder)
        for name in ("ca.crt", "history.db", parameter_store.FILE):
            (root / name).unlink(missing_ok=True)
        for path in (*root.glob("*.jsonl"), *root.glob("*.lock")):
            path.unlink()
        (root / "instance.json").unlink(missing_ok=True)

    def site(self, service: Service, run: Run) -> Site:
        """The service's place, with its secret and certificate fetched by its own AppRole."""
        data, owner = self._home(service)
        if IDENTITY not in service.requires:
            return self._site(service, run, Credentials())
        vault, ca = self.target(service_named(IDENTITY)), self.target(service).ca
        run.say(Phase.PREPARING, "logging in to Vault")
        found = approle_login.obtain(vault, service, approle_login.tls_files(data), ca, owner)
        return self._site(service, run, found)

    def _home(self, service: Service) -> tuple[Path, tuple[int, int] | None]:
        """The service's data directory, and who owns it if not we."""
        owner = account_of(service).owner
        return files.make_dir(self._paths.data / service.name, owner=owner), owner

    def _site(self, service: Service, run: Run, credentials: Credentials) -> Site:
        data, _ = self._home(service)
        return Site(
            stack=self._paths.name,
            instance=self._instance.id,
            service=service.name,
            settings=self._settings.of(service.name, self._instance.port_offset),
            data=data,
            account=account_of(service),
            credentials=credentials,
            tls=approle_login.tls_files(data),
            target=self.target(service),
            journal=self.journal,
            peers=self._peers(service),
            tuning=parameter_store.read(self._paths).values.get(service.name, {}),
            cancelled=run.cancelled,
            say=lambda text: run.say(Phase.STARTING, text),
            died=lambda: self.last_words(service),
            reload=self.reload,
            stop=lambda: self._end(service, run),
        )

    def _peers(self, service: Service) -> Mapping[str, Target]:
        import msgspec

        members = {*self._instance.selected, IDENTITY} - {service.name}
        return {
            peer.name: msgspec.structs.replace(self.target(peer), credentials=Credentials())
            for peer in services()
            if peer.name in members
        }

    def _spawn(
        self, site: Site, spec: ProcessSpec, order: int, made_for: tuple[str, ...]
    ) -> Record:
        await_alone(site, spec)
        log = self._paths.logs / f"{spec.unit}.log"
        if log.exists() and log.stat().st_size > LOG_ROTATE_BYTES:
            log.replace(log.with_suffix(".log.1"))
        record = self._records.intend(spec, site.service, order, made_for)
        return self._records.started(
            record,
            process.spawn(
                spec.argv,
                site.environment({process.UNIT_VARIABLE: spec.unit, **spec.env}),
                site.data,
                log,
                site.owner,
            ),
        )

    def reload(self, unit: str) -> None:
        """See the Protocol: by SIGHUP to its main process."""
        for record in self._records.all():
            if record.unit == unit and record.alive and record.process is not None:
                os.kill(record.process.pid, signal.SIGHUP)
                return
        raise UnreachableError(f"{unit} does not run")


def _settled(rolling: Rolling, site: Site) -> bool:
    """Whether the next node may end. Raises what is still missing."""
    if missing := rolling.settled(site.target):
        raise DevstackError(missing)
    return True
