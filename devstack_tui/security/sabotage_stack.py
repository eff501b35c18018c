"""What a sabotage may do to a throwaway stack."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial

from devstack_tui.contracts import registry
from devstack_tui.contracts.audit import Audit, Listener
from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.processes import Loosening
from devstack_tui.contracts.registry import IDENTITY
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import ServicePath
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.owner_socket import RootKey
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.stack.probing import probe_once
from devstack_tui.stack.stack import Stack

ACCEPTS_WITHIN_S = 20.0
WHOLE_WITHIN_S = 10.0
REFUSED_S = 0.5
"""A probe that TLS or one of two ports refuses for so many seconds is refused because of the
sabotage."""
PROBE_S = 2.0
_TLS = re.compile(r"certificate|\btls|\bssl|handshake|refused", re.IGNORECASE)


class SabotagedStack:
    """See `devstack_tui.contracts.audit.SabotageStack`. The stack is up, and a throwaway."""

    def __init__(self, stack: Stack, audit: Audit) -> None:
        self._stack = stack
        self._engine = stack.engine()
        self._audit = audit
        self._root = RootKey(audit.files(IDENTITY), stack.paths.secrets)

    def prepare(self) -> None:
        """Make root tokens possible; restarts the service that issues identities."""
        self._root.listen()
        self.restart(IDENTITY)

    @property
    def audit(self) -> Audit:
        """See the Protocol."""
        return self._audit

    @contextlib.contextmanager
    def root(self) -> Iterator[VaultApi]:
        """See the Protocol."""
        with VaultApi(self._audit.target(IDENTITY), self._root.token()) as api:
            try:
                yield api
            finally:
                try:
                    api.revoke()
                except VaultError as error:
                    if error.status != 403:  # it was revoked already
                        raise

    def restart(self, service: str) -> None:
        """See the Protocol. Raises `DevstackError` when it does not answer in time."""
        found = registry.service(service)
        self._engine.respawn(found, Run())
        if service == IDENTITY:
            self._root.open()
        self._await_ports(found)
        self._await_work(found)

    @contextlib.contextmanager
    def loosened(self, service: str, how: Loosening) -> Iterator[None]:
        """See the Protocol."""
        found = registry.service(service)
        try:
            self._engine.respawn(found, Run(), how)
            self._await_ports(found)
            yield
        finally:
            self.restart(service)

    @property
    def units(self) -> UnitControl:
        """See the Protocol."""
        return self._engine

    @contextlib.contextmanager
    def edited(
        self, path: ServicePath, change: Callable[[str], str], *, keep_mtime: bool = False
    ) -> Iterator[None]:
        """See the Protocol. Raises `DevstackError` for a change that changes nothing."""
        found = path.stat()
        before = path.files.edit(path.name, change, keep_mtime=keep_mtime)
        if found is None or path.read() == before.encode():
            raise DevstackError(f"{path} is not as the sabotage expects: nothing was changed")
        try:
            yield
        finally:
            path.files.write(path.name, before, mode=found.mode)

    @contextlib.contextmanager
    def reconfigured(
        self,
        service: str,
        name: str,
        change: Callable[[str], str],
        take: Callable[[], object] | None = None,
    ) -> Iterator[None]:
        """See the Protocol."""
        take = take or partial(self.restart, service)
        try:
            with self.edited(ServicePath(self._audit.files(service), name), change):
                take()
                yield
        finally:
            take()

    # -- waiting ---------------------------------------------------------------------------

    def _await_ports(self, service: Service) -> None:
        """Wait until each listener accepts connections, by TLS or plain: either may be broken."""
        part = service.tls()
        listeners = part.listeners(self._audit.target(service.name)) if part else ()
        deadline = time.monotonic() + ACCEPTS_WITHIN_S
        while waiting := [listener.name for listener in listeners if not _accepts(listener)]:
            if gone := self._engine.exit_reason(service):
                raise DevstackError(gone)
            if time.monotonic() > deadline:
                raise DevstackError(f"{', '.join(waiting)} accepts no connection")
            time.sleep(0.05)

    def _await_work(self, service: Service) -> None:
        """Wait until its probe passes or TLS refuses it, at most `WHOLE_WITHIN_S` seconds: it may
        be broken on purpose."""
        deadline = time.monotonic() + WHOLE_WITHIN_S
        refused: float | None = None
        while time.monotonic() < deadline:
            try:
                if not probe_once(service, self._audit.target(service.name), PROBE_S).problems:
                    return
                refused = None
            except DevstackError as error:
                now = time.monotonic()
                refused = (refused or now) if _TLS.search(error.message) else None
                if refused is not None and now - refused > REFUSED_S:
                    return
            time.sleep(0.05)


def _accepts(listener: Listener) -> bool:
    for port in (listener.port, listener.plain_port):
        if port is not None:
            with contextlib.suppress(OSError):
                socket.create_connection((listener.host, port), timeout=1.0).close()
                return True
    return False
