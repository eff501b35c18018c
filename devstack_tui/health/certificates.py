"""Every certificate of a stack: its contents, how long it is valid, and who serves it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from devstack_tui.contracts.audit import Listener
from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Certificate
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import CERT, CHAIN, ServicePath
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.certificates import Age, age, days_left, described, encrypted, served
from devstack_tui.stack.stack import Stack

TIMEOUT_S = 3.0
ROOT = "root"
INTERMEDIATE = "intermediate"
LEAF = "leaf"


class ServedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate that one listener served just now. `current`: it is the one in the file."""

    listener: str
    serial: str = ""
    current: bool = False
    problem: str = ""


class CertificateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `certs list`: `kind` is `leaf`, `intermediate` or `root`; of the latter two
    `name` is the same. `days_left` and `state` are None where there is nothing to read."""

    name: str
    kind: str
    path: str
    certificate: Certificate | None = None
    days_left: int | None = None
    state: Age | None = None
    served: tuple[ServedCertificate, ...] = ()
    problem: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done about it."""
        good = self.state in (Age.OK, Age.SOON) and not self.problem
        return good and all(one.current for one in self.served)


def look(stack: Stack) -> tuple[CertificateRow, ...]:
    """The root, the intermediate, and the leaf of every service that ever had one, with a
    handshake at each listener of those that run. Blocks."""
    now = time.time()
    engine = stack.engine()
    vault = service_named(IDENTITY)
    root, chain = engine.target(vault).ca, ServicePath(engine.files(vault), CHAIN)
    rows = [_row(ROOT, ROOT, str(root), root.read_bytes, now)]
    rows.append(_row(INTERMEDIATE, INTERMEDIATE, str(chain), chain.read, now))
    with ThreadPoolExecutor(16) as pool:
        leaves = pool.map(
            lambda found: _leaf(engine, found, now),
            (found for found in services() if engine.files(found).stat(CERT)),
        )
        rows += leaves
        looked = {
            row.name: list(pool.map(_handshake, _listeners(engine, row), itertools.repeat(row)))
            for row in rows
            if row.kind == LEAF
        }
    return tuple(
        msgspec.structs.replace(row, served=tuple(looked.get(row.name, ()))) for row in rows
    )


def _leaf(engine: Engine, service: Service, now: float) -> CertificateRow:
    leaf = ServicePath(engine.files(service), CERT)
    return _row(service.name, LEAF, str(leaf), leaf.read, now)


def _row(name: str, kind: str, path: str, read: Callable[[], bytes], now: float) -> CertificateRow:
    """The first certificate of a PEM file."""
    from cryptography import x509

    row = CertificateRow(name=name, kind=kind, path=path)
    try:
        found = described(x509.load_pem_x509_certificates(read())[0])
    except OSError as error:
        return msgspec.structs.replace(row, problem=f"it cannot be read: {error.strerror}")
    except (ValueError, IndexError) as error:
        return msgspec.structs.replace(row, problem=f"it is no certificate: {error}")
    return msgspec.structs.replace(
        row, certificate=found, days_left=days_left(found, now), state=age(found, now)
    )


def _listeners(engine: Engine, row: CertificateRow) -> tuple[Listener, ...]:
    service = service_named(row.name)
    running = any(unit.running for unit in engine.units(service))
    return encrypted(service, engine.target(service)) if running else ()


def _handshake(listener: Listener, row: CertificateRow) -> ServedCertificate:
    try:
        found = served(listener, TIMEOUT_S)
    except (OSError, ValueError, DevstackError) as error:
        return ServedCertificate(listener=listener.name, problem=str(error))
    current = row.certificate is not None and found.serial == row.certificate.serial
    return ServedCertificate(listener=listener.name, serial=found.serial, current=current)
