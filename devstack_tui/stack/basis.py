"""What a result rests on: which stack, and of each service its units' starts, the parameters that
are stored for it, its certificate and its program. A result whose basis is not that of now is
stale. Looking changes nothing, starts no program and asks no server.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from devstack_tui.contracts.engine import Readable
from devstack_tui.contracts.registry import service as known
from devstack_tui.contracts.service_files import CERT
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.history import History
from devstack_tui.core.units import moment
from devstack_tui.stack.view import StackView
from devstack_tui.state import parameter_store

KEY = "basis"
"""Of a run's document in the history."""
RESTORED = "restored"
"""The kind in the history of what a run that restored everything turned a basis into."""
KEPT = 200
OLDER = "recorded by an older release, which does not say what it ran on"
NOTHING_RUNS = "nothing of the stack runs now"


class ServiceBasis(msgspec.Struct, frozen=True):
    """`units`: of each one that runs, an id that is another after every start, and when that was
    (Unix time); digests of the stored parameters, of the certificate and of the program."""

    units: dict[str, tuple[str, float]] = {}
    parameters: str = ""
    certificate: str = ""
    program: str = ""

    @property
    def starts(self) -> dict[str, str]:
        """The ids of the starts alone."""
        return {name: start for name, (start, _) in self.units.items()}


class Basis(msgspec.Struct, frozen=True):
    """`instance` is another one for a stack that was wiped and made anew."""

    instance: str
    services: dict[str, ServiceBasis] = {}


class Restored(msgspec.Struct, frozen=True):
    """What a run turned the basis of `service` into, which restored all that it had changed."""

    service: str
    before: ServiceBasis
    after: ServiceBasis


class _Document(msgspec.Struct, frozen=True):
    basis: Basis | None = None


# -- looking ----------------------------------------------------------------------------------


def look(stack: StackView) -> Basis | None:
    """The basis of now; None for a stack that was never started, or that cannot be looked at."""
    try:
        instance = stack.instance()
        if instance is None:
            return None
        stored = parameter_store.read(stack.paths).values
        engine = stack.engine()
        return Basis(
            instance.id,
            {name: _service(engine, name, stored.get(name, {})) for name in stack.selected()},
        )
    except (DevstackError, OSError):
        return None


def _service(engine: Readable, name: str, stored: Mapping[str, str]) -> ServiceBasis:
    found = known(name)
    units = {
        unit.unit: (unit.start_id, round(unit.started_at or 0.0, 3))
        for unit in engine.units(found)
        if unit.running
    }
    certificate = b""
    with contextlib.suppress(OSError):
        certificate = engine.files(found).read(CERT)
    values = msgspec.json.encode(sorted(stored.items()))
    program = engine.program(found)
    return ServiceBasis(units, _digest(values), _digest(certificate), _digest(program.encode()))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12] if raw else ""


# -- keeping ----------------------------------------------------------------------------------


def stamped(document: bytes, basis: Basis | None) -> bytes:
    """The JSON `document` of a run, an object, with what it rests on."""
    if basis is None:
        return document
    start = document.rstrip().removesuffix(b"}")
    comma = b"" if start.strip() == b"{" else b","
    return start + comma + b'"%s":' % KEY.encode() + msgspec.json.encode(basis) + b"}"


def of(document: bytes) -> Basis | None:
    """What `stamped` put in; None where an earlier release wrote it. Raises `ValueError`."""
    return codec.decode(document, _Document).basis


def restored(stack: StackView, service: str, what: str, before: Basis | None) -> None:
    """Keep that `what` has restored all that it had changed of `service` since `before`: results of
    then are results of now. Keeps nothing where something else changed, or a unit does not run.

    Raises `DevstackError` when the history cannot be written.
    """
    after = look(stack)
    if before is None or after is None or service not in before.services:
        return
    old, new = before.services[service], after.services.get(service, ServiceBasis())
    if before.instance != after.instance or not only_started_again(old, new):
        return
    document = msgspec.json.encode(Restored(service, old, new))
    History.of(stack.paths).add(
        RESTORED, uuid.uuid4().hex[:12], what, "", time.time(), "", document, newest=KEPT
    )


def only_started_again(old: ServiceBasis, new: ServiceBasis) -> bool:
    """Whether units of the service were started again, and nothing else of it changed."""
    same = msgspec.structs.replace(new, units=old.units) == old
    return same and old.units.keys() == new.units.keys() and old.starts != new.starts


def restorations(history: History) -> tuple[tuple[float, Restored], ...]:
    """All that are kept, with the time when each was over; the oldest first. Raises as the history
    does; what cannot be read restores nothing."""
    found = []
    for row in history.list(RESTORED, limit=KEPT):
        with contextlib.suppress(ValueError):
            found.append((row.started, codec.decode(row.document, Restored)))
    return tuple(reversed(found))


# -- comparing --------------------------------------------------------------------------------


def carried(then: Basis, found: Iterable[tuple[float, Restored]], since: float) -> Basis:
    """`then`, the basis of a result of the time `since`, after the runs that restored it."""
    services = dict(then.services)
    for at, one in found:
        held = services.get(one.service)
        if at >= since and held is not None and held.starts == one.before.starts:
            services[one.service] = msgspec.structs.replace(held, units=one.after.units)
    return msgspec.structs.replace(then, services=services)


def rewound(
    now: Basis, then: Basis, found: Iterable[tuple[float, Restored]], since: float
) -> Basis:
    """`now` without the starts since `since` that a run restored: what is left that `then` has not
    is what made its result stale."""
    services = dict(now.services)
    for at, one in reversed(tuple(found)):
        held, old = services.get(one.service), then.services.get(one.service, ServiceBasis())
        if held is None or at < since or held.starts == old.starts:
            continue
        if held.starts == one.after.starts:
            services[one.service] = msgspec.structs.replace(held, units=one.before.units)
    return msgspec.structs.replace(now, services=services)


def changed(then: Basis | None, now: Basis | None, services: Collection[str]) -> tuple[str, ...]:
    """Why a result about `services` (none: about all of then) is stale, a sentence for each reason;
    empty while it is current. `then` is what it rests on, `now` what there is."""
    if then is None:
        return (OLDER,)
    if now is None or not any(one.units for one in now.services.values()):
        return (NOTHING_RUNS,)
    if then.instance != now.instance:
        return ("the stack was wiped since, and is another one",)
    about = services or then.services
    return tuple(
        reason
        for name in now.services.keys() | then.services.keys()
        if name in about
        for reason in _reasons(
            name, then.services.get(name, ServiceBasis()), now.services.get(name, ServiceBasis())
        )
    )


def _reasons(name: str, then: ServiceBasis, now: ServiceBasis) -> Iterator[str]:
    if then.units and not now.units:
        yield f"{name} does not run now"
        return
    if reason := _starts(name, then, now):
        yield reason
    for what, old, new in (
        (f"the parameters of {name} were changed", then.parameters, now.parameters),
        (f"{name} has another certificate", then.certificate, now.certificate),
        (f"the program of {name} was replaced", then.program, now.program),
    ):
        if old and new and old != new:
            yield what


def _starts(name: str, then: ServiceBasis, now: ServiceBasis) -> str:
    """Which units were started since, and when the last of them was."""
    other = [unit for unit, start in now.starts.items() if then.starts.get(unit) != start]
    gone: Sequence[str] = sorted(then.units.keys() - now.units.keys())
    if other:
        last = moment(max(now.units[unit][1] for unit in other))
        who = name if len(other) == len(now.units) else ", ".join(sorted(other))
        return f"{who} {'was' if ',' not in who else 'were'} restarted {last}"
    return f"{', '.join(gone)} {'does' if len(gone) == 1 else 'do'} not run now" if gone else ""


class Currency:
    """Says of each result why it is stale. `now` is what there is, `restored` the runs that changed
    servers and restored everything."""

    def __init__(self, now: Basis | None, restored: Iterable[tuple[float, Restored]] = ()) -> None:
        self.now = now
        self._restored = tuple(restored)
        self._carried: dict[str, Basis | None] = {}
        self._found: dict[tuple[str, Collection[str]], str] = {}

    @classmethod
    def of(cls, stack: StackView) -> Currency:
        """As the stack is now. Raises as its history does."""
        return cls(look(stack), restorations(History.of(stack.paths)))

    def stale(self, run: str, then: Basis | None, at: float, services: frozenset[str]) -> str:
        """Why what the run of the id `run` found of `services` (none: of all) at the time `at`,
        resting on `then`, is not of now; empty while it is."""
        if run not in self._carried:
            self._carried[run] = then and carried(then, self._restored, at)
        key = (run, services)
        if key not in self._found:
            last, now = self._carried[run], self.now
            if last is not None and now is not None:
                now = rewound(now, last, self._restored, at)
            self._found[key] = "; ".join(changed(last, now, services))
        return self._found[key]
