"""The Protocol of an engine: how a stack's services are started, stopped, watched and read.

`embedded` runs server processes on this machine. An engine for containers, or for a stack that
somebody else runs, has the same methods; what it cannot do it refuses with a `DevstackError`.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from devstack_tui.contracts.unit_control import UnitControl

if TYPE_CHECKING:
    from devstack_tui.contracts.bindings import Bindings
    from devstack_tui.contracts.client import Client
    from devstack_tui.contracts.drill import NodeTraffic
    from devstack_tui.contracts.faults import Fault, Handle
    from devstack_tui.contracts.model import (
        Installation,
        LogLine,
        Requirement,
        Target,
        UnitUsage,
        Usage,
    )
    from devstack_tui.contracts.processes import Loosening, ProcessFacts
    from devstack_tui.contracts.service import Service
    from devstack_tui.contracts.service_files import ServiceFiles
    from devstack_tui.core.events import Phase
    from devstack_tui.core.machine import Machine
    from devstack_tui.core.programs import Hint


class Feature(enum.StrEnum):
    """What a stack may allow. The first four are the faults of the same names."""

    KILL = "kill"
    TERMINATE = "terminate"
    FREEZE = "freeze"
    PARTITION = "partition"
    CONFIGURE = "configure"
    """Its servers' configuration can be written."""
    FILES = "files"
    """Its servers' files can be read and written."""
    EXEC = "exec"
    """Programs can be run beside its servers."""
    DATA = "data"
    """Its data may be deleted."""


@dataclass(frozen=True)
class UnitEvent:
    """A unit started, ended, or was replaced: `start_id` as of `UnitUsage`, empty for ended."""

    unit: str
    start_id: str


@dataclass(frozen=True)
class Run:
    """One start or stop of one service: how it reports what it does, and how it is interrupted."""

    say: Callable[[Phase, str], None] = lambda phase, detail: None
    cancelled: threading.Event = field(default_factory=threading.Event)


class Readable(Protocol):
    """How a stack is looked at. Methods may be called in a thread for each service."""

    name: str

    def locate(self, service: Service) -> Installation:
        """The program, image or container. Raises `NotInstalledError` with the remedy."""

    def target(self, service: Service) -> Target:
        """How clients reach the service."""

    def units(self, service: Service) -> Sequence[UnitUsage]:
        """The units that should be there; empty for a service that was stopped on purpose."""

    def usage(self, service: Service) -> Mapping[str, Usage]:
        """What each unit that runs has used, by its name. Several services that are asked about
        within a moment cost one look."""

    def watch(self, ended: threading.Event) -> Iterator[UnitEvent]:
        """What happens to the stack's units from now until `ended` is set. A hint that may miss
        something short: whoever needs the state lists the units again."""

    def program(self, service: Service) -> str:
        """What the service's units that run were started from, as a text that is another one once
        that was replaced; empty where nothing runs, or it cannot be seen."""

    def exit_reason(self, service: Service) -> str:
        """Why a unit of the service is gone, from its log; empty when all run."""

    def files(self, service: Service) -> ServiceFiles:
        """The service's own files, whether it runs or not; asking makes nothing."""


class Engine(Readable, UnitControl, Protocol):
    """Methods that take a service block until it is done; they may run in a thread for each."""

    @property
    def features(self) -> frozenset[Feature]:
        """What this stack allows now."""

    def require(self, feature: Feature) -> None:
        """Raise `UsageError` with the reason where this stack does not allow it now."""

    def examine(self, service: Service | None = None) -> Iterator[Requirement]:
        """What the engine needs of the machine, as found: in general, or for the start of one
        service that is stopped. Changes nothing."""

    def hints(self) -> Sequence[Hint]:
        """How to get what is not here and would allow this stack more features."""

    def furnish(self, service: Service) -> str:
        """Make what the machine lacks for the service, beside programs: an account for its server,
        say. Returns what was made, in words; empty for nothing. Raises `DevstackError`."""

    def free_offset(self, base: Iterable[int], reserved: Iterable[int]) -> int:
        """The smallest multiple of 100 above 0 that moves every port of `base` to a free one that
        is not among `reserved`. Raises `DevstackError` when there is none."""

    def prepare(self, service: Service, run: Run) -> None:
        """What can be done before its turn to start comes: the program or image is found or
        fetched, and what would keep the service from starting (data of another version, a port
        that is taken) is reported. Nothing is done for one that runs.

        Raises `NotInstalledError` with the remedy, and `DevstackError`."""

    def recover(self) -> Sequence[str]:
        """Repair what an interrupted verb left: returns a sentence for each repair."""

    def start(self, service: Service, run: Run) -> None:
        """Bring the service up, whatever state it is in; done when it accepts work."""

    def configure(self, service: Service, run: Run) -> None:
        """Write the service's configuration again; its units are left alone."""

    def cycle(self, service: Service, run: Run, before: Callable[[str], None]) -> None:
        """One restart. A service of several nodes goes one by one in the order of its `Rolling`
        part: each hands its work over, is restarted, and is waited for until it is in again.

        `before` is called with each unit before it is ended. Whether the service is healthy
        afterwards is for the caller to ask."""

    def respawn(self, service: Service, run: Run, loosely: Loosening | None = None) -> None:
        """End the service's units and start them with the files that lie there now: nothing
        is prepared, renewed or completed. For a stack that is broken on purpose; whether they
        answer is for the caller to ask."""

    def stop(self, service: Service, run: Run) -> bool:
        """End every unit of the service, data kept. False when one had to be killed."""

    def limits(self, service: Service | None = None) -> Machine:
        """What one service may use of memory, processors and open files; without one, all of them
        together."""

    def claims(self, service: Service) -> Mapping[str, int]:
        """Every TCP port that the service is declared to listen at, by name."""

    def bindings(self) -> Mapping[str, Bindings]:
        """What the processes of every service can be reached by now: all their processes, children
        and helpers among them. Raises `DevstackError` where they cannot be seen."""

    def environment(self, unit: str) -> Mapping[str, str]:
        """What the unit's main process was started with. Raises `UnreachableError` for one that
        does not run."""

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        """Every process of the stack that runs, by its service. What ends meanwhile is left out."""

    def commands(self) -> Sequence[tuple[str, str]]:
        """Every process that runs where the servers do, whosever it is, by its name: how it was
        started, in one line, as every user there may see it."""

    def interact(self, unit: str, argv: Sequence[str]) -> int:
        """Run a program beside a server at our terminal; returns its exit status. Raises
        `UnreachableError` for a unit that does not run, and OSError."""

    def client(self, service: Service, *names: str) -> Client:
        """The first of these client programs of a service that is found. Raises
        `NotInstalledError` with the remedy."""

    def prove_owned(self, service: Service) -> None:
        """Prove that every unit of the service runs and is the stack's own, before one is hurt.

        Raises `UnreachableError` for one that does not run, `UsageError` without the right to hurt
        it, and `DevstackError` for one that is not ours."""

    def aim(
        self, service: Service, units: Sequence[str], fault: Fault, cut: NodeTraffic | None = None
    ) -> Handle:
        """What a fault of these units would touch, each proven to be ours; nothing is touched yet.
        The caller writes the handle to the journal. A partition needs its `cut`. Raises
        `UnreachableError` for a unit that does not run and for no unit at all, and as
        `require`."""

    def inject(self, handle: Handle) -> float:
        """Do what was aimed at; a unit that was started again since is left alone. Returns when
        (monotonic seconds)."""

    def undo(self, handle: Handle) -> float:
        """Undo a fault that left its units alive; harmless if there is nothing to undo.
        Returns when (monotonic seconds)."""

    def gone(self, handle: Handle, within: float) -> None:
        """Wait until what was asked to end is gone; after `within` seconds it is killed."""

    def log_units(self, service: Service) -> Sequence[str]:
        """The units of the service that have written a log, those that ran once among them."""

    def logs(
        self,
        service: Service,
        lines: int,
        follow: threading.Event | None = None,
        *,
        wanted: Callable[[str], object] | None = None,
    ) -> Iterator[LogLine]:
        """The last `lines` lines of each unit, without secrets; with `follow` also every later one,
        across rotation and restart, until that is set. Where lines are `wanted`, the last ones are
        of those, from the whole log. Close it to close the logs early."""

    def require_stopped(self) -> None:
        """Raise `DevstackError` when a unit still runs."""

    def wipe(self) -> None:
        """Delete the stack's data. Only when every unit is stopped."""
