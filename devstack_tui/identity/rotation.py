"""Replace the certificate of a running service: issue it, have the server load it, and verify that
every listener serves it.

Before anything is changed, the old files are saved beside the new ones and the journal records it.
While that copy exists the rotation is not finished: whatever fails, the copy is restored, by this
process or by the next verb that changes the stack.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import msgspec

from devstack_tui.contracts.acks import Indeterminate, NotWritten, Writer, checked
from devstack_tui.contracts.audit import Listener
from devstack_tui.contracts.engine import Engine, Run
from devstack_tui.contracts.registry import IDENTITY, service
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import CA, CERT, CHAIN, KEY, ServiceFiles
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.events import Rotated
from devstack_tui.core.journal import Intent, Journal, RefusedError
from devstack_tui.core.paths import StackPaths
from devstack_tui.identity import approle_login, certificates

ACTION = "certs"
BEFORE = "tls/before.json"
TAKEN_S = 10.0
"""How long a server may need until every listener serves the new certificate."""
WITNESS_S = 5.0
WRITES = 30
"""On the connection that is held open, before and after: enough to reach every node of a
cluster."""

Say = Callable[[str], None]


class PreviousCertificate(msgspec.Struct, frozen=True):
    """The files as they were, PEM."""

    cert: str
    key: str
    ca: str
    chain: str

    def __repr__(self) -> str:
        return "Saved(…)"


class NeedsRestart(DevstackError):
    """The server cannot take a certificate while it runs; nothing was changed."""


def rotate(
    engine: Engine, paths: StackPaths, rotated: Service, *, restart: bool, say: Say
) -> Rotated:
    """Give `rotated` a new leaf and key and have its server serve them. Blocks; the caller holds
    the stack's lock. `restart`: whether a server that cannot reload may be restarted.

    Raises `DevstackError`, `NeedsRestart` among them, after the old certificate was restored.
    """
    started = time.monotonic()
    files = engine.files(rotated)
    old = certificates.read_certificate(files)
    if old is None or None in map(files.stat, (KEY, CA, CHAIN)):
        raise UnreachableError(
            f"{rotated.title} has no certificate, or not its key",
            f"`devstack-tui restart {rotated.name}` gives it both",
        )
    journal = Journal(paths.journal)
    run = uuid.uuid4().hex[:12]
    # One that could not be undone yet left the files that are to be gone back to.
    left = [one for one in journal.pending() if one.kind == ACTION and one.subject == rotated.name]
    if not (left and files.stat(BEFORE)):
        _save(files)
    intent = journal.begin("certs.rotate", rotated.name, run=run)
    running = any(unit.running for unit in engine.units(rotated))
    try:
        with _witness(engine, rotated, run if running else "") as held:
            say("Vault issues a certificate")
            _issue(engine, rotated)
            how, listeners = "at its next start", tuple[str, ...]()
            if running:
                say("the server takes it")
                how, listeners = _load(engine, rotated, restart)
            connection = held(how == "reloaded")
    except BaseException:
        _restore_files(engine, rotated)
        journal.end(intent)
        raise
    files.remove(BEFORE)
    journal.end(intent)
    new = certificates.read_certificate(files)
    assert new is not None
    return Rotated(
        rotated.name,
        old.serial,
        new.serial,
        new.not_after,
        how,
        listeners,
        connection,
        time.monotonic() - started,
    )


def restore(engine: Engine, intent: Intent, say: Say, *, ending: bool = False) -> None:
    """Restore the certificate of a rotation that was killed halfway. The lock is held. With
    `ending` the server is about to be stopped: it need not serve it.

    Raises `DevstackError` when that does not succeed, or what the service's driver raises.
    """
    found = service(intent.subject)
    say(f"taking back an interrupted `certs rotate` of {found.name}")
    if engine.files(found).stat(BEFORE):
        _restore_files(engine, found, load=not ending)


def check(intent: Intent) -> None:
    """Raise whatever is wrong with an entry of ours in the journal."""
    found = service(intent.subject)
    if found.tls() is None:
        raise RefusedError(f"{found.title} has no TLS")
    checked(intent.undo["run"])


def _save(files: ServiceFiles) -> None:
    texts = (files.read(name).decode(errors="replace") for name in (CERT, KEY, CA, CHAIN))
    saved = PreviousCertificate(*texts)
    files.write(BEFORE, msgspec.json.encode(saved))


def _restore_files(engine: Engine, rotated: Service, *, load: bool = True) -> None:
    """Restore the old files and have the server serve them again, if it is to `load` them. Raises
    `DevstackError` when it does not; `RefusedError` when nothing can be restored."""
    files = engine.files(rotated)
    try:
        saved = codec.decode(files.read(BEFORE), PreviousCertificate)
    except ValueError:
        files.remove(BEFORE)
        why = f"what was saved of the certificate of {rotated.name} is damaged"
        raise RefusedError(f"{why}: its next start has another one issued if need be") from None
    for name, text in ((CA, saved.ca), (CHAIN, saved.chain), (KEY, saved.key), (CERT, saved.cert)):
        files.write(name, text)
    if load and any(unit.running for unit in engine.units(rotated)):
        # A server that needed a restart for the new certificate needs one for the old one too.
        _load(engine, rotated, restart=True)
    files.remove(BEFORE)


def _issue(engine: Engine, rotated: Service) -> None:
    vault = engine.target(service(IDENTITY))
    try:
        approle_login.obtain(vault, rotated, engine.files(rotated), renew=True)
    except UnreachableError as error:
        # A Vault whose own certificate has expired issues no other; its start replaces it.
        raise UnreachableError(
            f"no certificate was issued: {error.message}",
            f"`devstack-tui restart {IDENTITY}`" if vault.ca.exists() else error.remedy,
        ) from None


def _load(engine: Engine, rotated: Service, restart: bool) -> tuple[str, tuple[str, ...]]:
    """Have the running server serve the certificate in its files, and verify that it does."""
    part = rotated.tls()
    assert part is not None
    target = engine.target(rotated)
    files = engine.files(rotated)
    wanted = certificates.read_certificate(files)
    assert wanted is not None
    listeners = certificates.encrypted(rotated, target)

    how = "reloaded"
    if not part.reload(target, files, engine) and not _serves(listeners, wanted.serial):
        if not restart:
            raise NeedsRestart(
                f"{rotated.title} cannot take a certificate while it runs",
                f"`{certificates.remedy(rotated.name)} --yes` restarts it",
            )
        engine.cycle(rotated, Run(), lambda unit: None)
        how = "restarted"
    return how, certificates.await_served(listeners, wanted.serial, TAKEN_S)


@contextlib.contextmanager
def taken(engine: Engine, started: Service, running: bool) -> Iterator[None]:
    """Have a service that was `running`, and is given another certificate within, serve it. Raises
    `DevstackError` when it does not."""
    files = engine.files(started)
    before = files.read(CERT) if running and files.stat(CERT) else b""
    yield
    if before and files.read(CERT) != before and started.tls() is not None:
        _load(engine, started, restart=True)


def _serves(listeners: Sequence[Listener], serial: str) -> bool:
    """Whether the certificate is served everywhere already."""
    try:
        certificates.await_served(listeners, serial, 0)
    except DevstackError:
        return False
    return True


@contextlib.contextmanager
def _witness(engine: Engine, rotated: Service, run: str) -> Iterator[Callable[[bool], str]]:
    """Hold a client's connection open on which writes were acknowledged. The function that is
    yielded writes again on it, if it is `expected` to survive, and returns the outcome in words;
    it raises `DevstackError` when the connection was lost."""
    acks = rotated.acks()
    if acks is None or not run:
        yield lambda expected: ""
        return
    target = engine.target(rotated)
    writer: Writer | None = None
    reason = ""
    try:
        try:
            acks.prepare(target, run)
            writer = acks.writer(target, run, WITNESS_S)
            for number in range(WRITES):
                writer.write(number)
        except Exception as error:  # a driver's own class: the service itself may be unhealthy
            reason = f"none could be held open: {type(error).__name__}"
            if isinstance(error, DevstackError):
                reason = f"none could be held open: {error.message}"

        def write_again(expected: bool) -> str:
            if reason or writer is None or not expected:
                return reason
            try:
                for number in range(WRITES, 2 * WRITES):
                    writer.write(number)
            except (NotWritten, Indeterminate) as error:
                raise DevstackError(
                    f"the connection that was open before does not work any more: {error.message}"
                ) from None
            return "still works"

        yield write_again
    finally:
        if writer is not None:
            writer.close()
        with contextlib.suppress(Exception):
            acks.cleanup(target, run)
