"""What the checks of one audit share: clients of Vault, outcomes, and the stack's facts.

Every token and secret_id is the audit's own: it is noted before it is used, and revoked when
the audit ends. A killed audit leaves what ends by itself within `SECRET_ID_TTL_S` and `TOKEN_TTL`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from devstack_tui.contracts import registry
from devstack_tui.contracts.bindings import Bindings
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.processes import ProcessFacts
from devstack_tui.contracts.registry import IDENTITY
from devstack_tui.contracts.service_files import ServiceFiles, ServicePath
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.file_tree import Entry, Read, walk
from devstack_tui.core.paths import JOBS, state_home
from devstack_tui.core.redact import redact
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.identity import bootstrap
from devstack_tui.identity.vault_api import VaultApi, VaultError, login_as
from devstack_tui.stack.stack import Stack

TIMEOUT_S = 3.0
WAIT_S = 8.0
SECRET_ID_TTL_S = 900
_GONE = (400, 403, 404)
"""The statuses that Vault answers for a token or secret_id that has expired or was revoked."""


@dataclass(slots=True)
class _Outcome:
    """The outcome of the first call, for all that ask for the same: a value or an error."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    late: bool = False
    value: object = None
    error: Exception | None = None


@dataclass(slots=True)
class _Client:
    """One login, with what must be revoked of it."""

    role: str
    accessor: str = ""
    api: VaultApi | None = None
    revocable: bool = True


class StackAudit:
    """See `devstack_tui.contracts.audit.Audit`. Use as a context manager, or call `close`.

    `before` is an earlier audit of the same stack: what was found installed is not asked again.
    """

    def __init__(
        self, stack: Stack, timeout: float = TIMEOUT_S, before: StackAudit | None = None
    ) -> None:
        self._before = before
        self._stack = stack
        self._engine = stack.engine()
        self._timeout = timeout
        self._lock = threading.Condition()
        self._outcomes: dict[str, _Outcome] = {}
        self._clients: list[_Client] = []
        self._secrets: set[str] = set()
        self._logging_in = 0
        self._closed = False

    def __enter__(self) -> StackAudit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- facts -----------------------------------------------------------------------------

    @property
    def timeout(self) -> float:
        """See the Protocol."""
        return self._timeout

    @property
    def ca(self) -> Path:
        """See the Protocol."""
        return self.target(IDENTITY).ca

    @property
    def secrets(self) -> Path:
        """See the Protocol."""
        return self._stack.paths.secrets

    def services(self) -> tuple[str, ...]:
        """See the Protocol."""
        selected = self._stack.selected()
        # Each program is run for its version, which takes some of them half a second.
        with ThreadPoolExecutor(len(selected) or 1) as pool:
            missing = list(pool.map(self.missing, selected))
        return tuple(name for name, why in zip(selected, missing, strict=True) if not why)

    def missing(self, name: str) -> str:
        """Why the service's program is not on this machine; empty when it is."""
        if self._before is not None:
            return self._before.missing(name)

        def look() -> str:
            try:
                self._engine.locate(registry.service(name))
            except NotInstalledError as error:
                return error.message
            return ""

        return str(self.once(f"installed:{name}", look))

    def running(self, service: str) -> bool:
        """See the Protocol."""
        return any(unit.running for unit in self._engine.units(registry.service(service)))

    def target(self, service: str) -> Target:
        """See the Protocol."""
        return self._engine.target(registry.service(service))

    def claims(self, service: str) -> Mapping[str, int]:
        """See the Protocol."""
        return self._engine.claims(registry.service(service))

    def bindings(self) -> Mapping[str, Bindings]:
        """See the Protocol."""
        return self._engine.bindings()

    def files(self, service: str) -> ServiceFiles:
        """See the Protocol."""
        return self._engine.files(registry.service(service))

    @property
    def units(self) -> UnitControl:
        """See the Protocol."""
        return self._engine

    def own_file(self, path: Path) -> ServicePath:
        """See the Protocol."""
        root = self._stack.paths.root
        return ServicePath(RootedFiles(root), str(path.relative_to(root)))

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        """See the Protocol."""
        return self._engine.processes()

    def commands(self) -> Sequence[tuple[str, str]]:
        """See the Protocol."""
        return self._engine.commands()

    def tree(self) -> Iterator[tuple[Entry, Read]]:
        """See the Protocol."""
        yield from walk(self._stack.paths.root)
        jobs = state_home() / JOBS / self._stack.name
        if jobs.is_dir():
            for entry, read in walk(jobs):
                yield replace(entry, name=f"{JOBS}/{entry.name}".rstrip("/")), read

    # -- what is shared --------------------------------------------------------------------

    def once(self, key: str, make: Callable[[], object]) -> object:
        """See the Protocol. Whoever waits for another's outcome in vain gets a `DevstackError`;
        the next ones get it at once."""
        with self._lock:
            outcome = self._outcomes.setdefault(key, _Outcome())
        if not outcome.lock.acquire(timeout=0.001 if outcome.late else WAIT_S):
            outcome.late = True
            raise DevstackError(f"what several checks need ({key}) did not come in {WAIT_S:.0f} s")
        with contextlib.ExitStack() as held:
            held.callback(outcome.lock.release)
            if not outcome.done:
                try:
                    outcome.value = make()
                except Exception as error:
                    outcome.error = error
                outcome.done = True
            if outcome.error is not None:
                raise outcome.error.with_traceback(None)
            return outcome.value

    def login(self, name: str) -> VaultApi:
        """See the Protocol. The admin's secret_id is the only one of the stack that is used."""
        make = self._admin if name == bootstrap.ADMIN else lambda: self.fresh_login(name)
        found = self.once(f"login:{name}", make)
        assert isinstance(found, VaultApi)
        return found

    def fresh_login(self, name: str) -> VaultApi:
        """See the Protocol. Raises `VaultError`, and `UnreachableError` as `VaultApi` does."""
        admin = self.login(bootstrap.ADMIN)
        role = f"{name.replace('_', '-')}-role"
        client = _Client(role)
        with self._busy():
            role_id = admin.call("get", f"auth/approle/role/{role}/role-id")["data"]["role_id"]
            minted = admin.call("post", f"auth/approle/role/{role}/secret-id", ttl=SECRET_ID_TTL_S)[
                "data"
            ]
            client.accessor = minted["secret_id_accessor"]
            self._note(client, minted["secret_id"])
            api = VaultApi(self.target(IDENTITY), timeout=self._timeout)
            client.api = api
            auth = api.login(role_id, minted["secret_id"])
            client.revocable = auth.get("token_type") != "batch"
            self._note(None, api.token)
        return api

    def _admin(self) -> VaultApi:
        with self._busy():
            api = login_as(self.target(IDENTITY), bootstrap.ADMIN, self._timeout)
            # Noted first, so revoked last: the others are revoked by it.
            self._note(_Client(f"{bootstrap.ADMIN}-role", api=api), api.token)
        return api

    def _note(self, client: _Client | None, secret: str) -> None:
        with self._lock:
            self._secrets.add(secret)
            if client is not None:
                self._clients.append(client)

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        """Have the end of the audit wait for a login that is in progress."""
        with self._lock:
            if self._closed:
                raise DevstackError("the audit has ended")
            self._logging_in += 1
        try:
            yield
        finally:
            with self._lock:
                self._logging_in -= 1
                self._lock.notify_all()

    # -- the end ---------------------------------------------------------------------------

    def issued_secrets(self) -> frozenset[str]:
        """The tokens and secret_ids of this audit so far."""
        with self._lock:
            return frozenset(self._secrets)

    def known_secrets(self) -> frozenset[str]:
        """Every secret in the stack's files that evidence could contain."""
        found: set[str] = set()
        for name in self._stack.selected():
            found |= self.target(name).passwords
        for path in (self.secrets / "approles").glob("*/secret-id"):
            with contextlib.suppress(OSError):
                found.add(path.read_text(errors="replace"))
        with contextlib.suppress(DevstackError, OSError):
            if keys := bootstrap.read_keys(self.secrets):
                found |= {keys.unseal_key, keys.root_token}
        return frozenset(found - {""})

    def close(self) -> list[str]:
        """Revoke every token, destroy every secret_id, close every connection. Blocks.

        Returns a sentence for each that could not be undone. Harmless a second time.
        """
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._logging_in, WAIT_S)
            clients, self._clients = self._clients, []
        admin = clients[0].api if clients else None
        notes = []
        for client in reversed(clients):
            try:
                if client.accessor and admin is not None:
                    _destroy(admin, client)
                if client.api is not None and client.revocable:
                    _ended(client.api.revoke)
            except DevstackError as error:
                notes.append(
                    f"a login of {client.role} could not be revoked, it ends by itself: "
                    f"{redact(error.message)}"
                )
            finally:
                if client.api is not None:
                    client.api.__exit__()
        return notes


def _destroy(admin: VaultApi, client: _Client) -> None:
    _ended(
        lambda: admin.call(
            "post",
            f"auth/approle/role/{client.role}/secret-id-accessor/destroy",
            secret_id_accessor=client.accessor,
        )
    )


def _ended(take_back: Callable[[], object]) -> None:
    """Revoke something that a check may have revoked already."""
    try:
        take_back()
    except VaultError as error:
        if error.status not in _GONE:
            raise
