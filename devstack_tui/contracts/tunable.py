"""The part of a service that can be tuned: its parameters, how each is read, set and judged.

A value passes between the layers as text in one canonical form (`core.units`): `512MB`, `5min`,
`on`, `0.9`. A technology turns it into its server's own spelling. `DEFAULT` stands for "as the
server comes". Importing a service's part must load no driver: the console validates with it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service_files import ServiceFiles

if TYPE_CHECKING:
    from devstack_tui.core.machine import Machine

DEFAULT = "default"


class Kind(enum.StrEnum):
    """What a value is. BYTES parse to bytes, DURATION to milliseconds."""

    BYTES = "bytes"
    DURATION = "duration"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TEXT = "text"


class Apply(enum.StrEnum):
    """How a new value takes effect."""

    LIVE = "live"
    RELOAD = "reload"
    RESTART = "restart"


class ServerSyntax(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the server itself writes a parameter: its `unit` in bytes or milliseconds (`1s`; empty:
    bytes or milliseconds), what a number without a unit counts if that is another one (`bare`), the
    `name` and the `command` that change it while it runs, and the `key` of its configuration, each
    where it is not what one expects."""

    unit: str = ""
    bare: str = ""
    key: str = ""
    name: str = ""
    command: str = ""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of one service, for the version that is installed.

    `minimum` and `maximum` are in bytes, milliseconds or plain numbers; `limits_from` says who
    sets them. `special` maps texts outside of the range to what they mean (`0`: never),
    `spellings` further texts that the server takes to what we write for them, `default` included.
    `kilo` is what a K behind a number stands for, where that is not 1024 or not of sizes only.
    The default follows from the value of the parameter `follows`, if that is one.
    A value may be relaxed in durability if it is among `relaxed`, or beyond `relaxed_above` or
    `relaxed_below`; `durability` then says what a crash can lose. It is so only while other
    parameters have the values of `relaxed_with`. `candidates` are worth a try by
    the search: never of what limits the service's use (how many sessions, what is evicted, when a
    node is given up).
    """

    service: str
    name: str
    kind: Kind
    help: str
    apply: Apply
    default: str
    minimum: float | None = None
    maximum: float | None = None
    limits_from: str = ""
    choices: tuple[str, ...] = ()
    special: dict[str, str] = {}
    spellings: dict[str, str] = {}
    kilo: int = 0
    follows: str = ""
    durability: str = ""
    relaxed: tuple[str, ...] = ()
    relaxed_with: dict[str, str] = {}
    relaxed_above: float | None = None
    relaxed_below: float | None = None
    reader: str = ""
    candidates: tuple[str, ...] = ()
    open_files: int | None = None
    """A server that may open fewer files than it needs lowers this: to their number less this one,
    or, where it says itself that it has, to what it sees fit (0)."""
    step: float | None = None
    """The server rounds to multiples of this; None: it takes every value."""
    server: ServerSyntax = ServerSyntax()

    @property
    def key(self) -> str:
        """`postgres.shared_buffers`."""
        return f"{self.service}.{self.name}"


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter's value as a fresh session sees it.

    `source` is who won: `default`, `configuration file`, `command line`, `ALTER SYSTEM`,
    `set at run time` …; `where` the file and line if the server reports them. `nodes` holds the
    value of each node where they differ.
    """

    name: str
    value: str
    source: str
    where: str = ""
    pending_restart: bool = False
    nodes: dict[str, str] = {}


class Reading(msgspec.Struct, frozen=True):
    """One look at a running service: its parameters with the limits, contexts and defaults that
    the server itself reports, their effective values, and its counters by name."""

    parameters: tuple[Parameter, ...]
    effective: dict[str, Effective]
    counters: dict[str, float] = {}


class Problem(msgspec.Struct, frozen=True):
    """Why values cannot be applied (`fatal`), or what is to be feared of them."""

    service: str
    parameter: str
    message: str
    fatal: bool = True


class Share(msgspec.Struct, frozen=True):
    """Memory that a service takes with some values: surely, or only at its worst."""

    service: str
    label: str
    bytes: int
    worst_only: bool = False


class Advice(msgspec.Struct, frozen=True):
    """One suggestion and its reason, with the figures that it comes from."""

    service: str
    parameter: str
    value: str
    reason: str


class Setting(msgspec.Struct, frozen=True):
    """One setting of a server's configuration file: its name there, what is written, and the line.
    `reason` is why it is none of this server's, or cannot be read."""

    name: str
    value: str
    line: int
    reason: str = ""


class ConfigReader(Protocol):
    """`services/<name>/config_reader.py` holds `READER`: reads the server's own configuration
    file, as somebody else has written it. Nothing is opened, nothing raised."""

    def __call__(self, text: str) -> Sequence[Setting]:
        """Every setting of `text`; none where it is no such file."""


Values = Mapping[str, str]
"""Canonical texts by parameter name; never `DEFAULT`."""


class Tunables(Protocol):
    """`services/<name>/tunables.py` holds `TUNABLES`. Methods that take a target may block, and
    raise `DevstackError` when the server cannot be asked."""

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """The catalogue for this version, from knowledge alone, in the order of the editor."""

    def read(self, target: Target, installation: Installation, files: ServiceFiles) -> Reading:
        """Ask the server, in a session opened for it alone (every node of a cluster). `files` are
        its own: one of them may show what the next start brings."""

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """Make LIVE and RELOAD parameters take effect now; the configuration is written already.

        None: back to the server's default. Returns what the server warned of. Raises
        `DevstackError` naming the parameter that it refused; the caller undoes all.
        """

    def problems(
        self, values: Values, machine: Machine, counters: Mapping[str, float]
    ) -> tuple[Problem, ...]:
        """Combinations that cannot start or cannot work. `values` are all parameters' values as
        they would be, the defaults of untouched ones included."""

    def memory(self, values: Values, options: Mapping[str, int | str | bool]) -> tuple[Share, ...]:
        """What the service would take with these values; `options` are the target's."""

    def advise(
        self, values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
    ) -> tuple[Advice, ...]:
        """What the machine and the counters call for; nothing relaxed when `durable`."""


class Rolling(Protocol):
    """`services/<name>/rolling.py` holds `ROLLING`: how a service of several nodes is restarted
    one node at a time."""

    def order(self, target: Target) -> tuple[str, ...]:
        """The units in the order of their restart, replicas before masters, from what they are
        now."""

    def hand_over(self, target: Target, unit: str) -> None:
        """What must happen before `unit` ends: its work passes to another node. Idempotent."""

    def settled(self, target: Target) -> str:
        """Empty when the next node may end; else what is still missing."""
