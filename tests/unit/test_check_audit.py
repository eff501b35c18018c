"""What the checks of one audit share. Vault is a fake here; the real one is in tests/sabotage."""

# ruff: noqa: ARG002 - the fake has the arguments of what it stands for

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.identity import vault_api
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.security import audit as audits
from devstack_tui.security.audit import StackAudit
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import made_stack


class FakeVault:
    """Knows which tokens live and which secret_ids exist."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.secret_ids: set[str] = set()
        self.made = 0
        self.closed = 0
        self.down = False
        self.lock = threading.Lock()
        self.minted: list[dict[str, Any]] = []

    def number(self) -> int:
        with self.lock:
            self.made += 1
            return self.made

    def answer(self, api: VaultApi, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise UnreachableError("Vault cannot be reached: it does not answer")
        match path.rsplit("/", 1)[-1]:
            case "login":
                return self.login(api, body["role_id"])
            case "role-id":
                return {"data": {"role_id": path.split("/")[-2]}}
            case "secret-id":
                return self.mint(body)
            case "destroy":
                assert api.token in self.tokens
                self.secret_ids.remove(body["secret_id_accessor"])
            case "revoke-self":
                self.revoke(api.token)
        return {}

    def login(self, api: VaultApi, role_id: str) -> dict[str, Any]:
        if role_id == "batch-role":
            api.token = "batch"
            return {"auth": {"client_token": "batch", "token_type": "batch"}}
        token = f"token-{self.number()}"
        self.tokens.add(token)
        return {"auth": {"client_token": token, "token_type": "service"}}

    def mint(self, body: dict[str, Any]) -> dict[str, Any]:
        self.minted.append(body)
        id = f"secret-{self.number()}"
        self.secret_ids.add(id)
        return {"data": {"secret_id": id, "secret_id_accessor": id}}

    def revoke(self, token: str) -> None:
        if token not in self.tokens:
            raise VaultError("permission denied", 403)
        self.tokens.remove(token)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> FakeVault:
    """Stands for every `VaultApi`."""
    state = FakeVault()

    class Api(VaultApi):
        def __init__(self, target: Target, token: str = "", timeout: float = 0) -> None:
            self.target, self._token = target, token

        def __exit__(self, *_: object) -> None:
            state.closed += 1

        @property
        def token(self) -> str:
            return self._token

        @token.setter
        def token(self, value: str) -> None:
            self._token = value

        def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
            return state.answer(self, path, body)

    monkeypatch.setattr(audits, "VaultApi", Api)
    monkeypatch.setattr(vault_api, "VaultApi", Api)
    return state


@pytest.fixture
def stack() -> Stack:
    made = made_stack()
    for name in ("role-id", "secret-id"):
        path = made.paths.secrets / "approles" / "admin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("admin-role")
    return made


def test_a_login_that_is_refused_leaves_no_connection_open(vault: FakeVault, stack: Stack) -> None:
    vault.down = True
    with pytest.raises(UnreachableError):
        vault_api.login_as(stack.engine().target(service("vault")), "admin")
    assert vault.closed == 1


@pytest.fixture
def audit(stack: Stack, vault: FakeVault) -> Iterator[StackAudit]:
    with StackAudit(stack) as made:
        yield made
    assert (vault.tokens, vault.secret_ids) == (set(), set())


def test_a_login_is_made_once_and_a_fresh_one_each_time(
    audit: StackAudit, vault: FakeVault
) -> None:
    assert audit.login("postgres") is audit.login("postgres")
    fresh = audit.fresh_login("postgres")
    assert fresh.token != audit.login("postgres").token
    assert len(vault.tokens) == 3
    assert len(vault.secret_ids) == 2


def test_every_token_and_secret_id_is_taken_back(audit: StackAudit, vault: FakeVault) -> None:
    for name in ("postgres", "mysql", "admin", "batch"):
        audit.login(name)
    assert audit.close() == []
    assert (vault.tokens, vault.secret_ids) == (set(), set())
    assert audit.close() == []


def test_a_secret_id_that_a_killed_audit_leaves_ends_by_itself(
    audit: StackAudit, vault: FakeVault
) -> None:
    audit.fresh_login("postgres")
    assert vault.minted == [{"ttl": audits.SECRET_ID_TTL_S}]


def test_a_token_that_a_check_has_revoked_is_no_fault(audit: StackAudit) -> None:
    audit.fresh_login("postgres").call("post", "auth/token/revoke-self")
    assert audit.close() == []


def test_a_login_that_fails_half_way_leaves_no_secret_id(
    audit: StackAudit, vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> dict[str, Any]:
        raise VaultError("Vault refused auth/approle/login: no", 400)

    admin = audit.login("admin")
    monkeypatch.setattr(type(admin), "login", refuse)
    with pytest.raises(VaultError):
        audit.fresh_login("postgres")
    assert len(vault.secret_ids) == 1


def test_what_cannot_be_taken_back_is_told(audit: StackAudit, vault: FakeVault) -> None:
    audit.login("postgres")
    vault.down = True
    notes = audit.close()
    vault.tokens.clear()
    vault.secret_ids.clear()
    assert [note.split(" could")[0] for note in notes] == [
        "a login of postgres-role",
        "a login of admin-role",
    ]
    assert "it ends by itself" in notes[0]


@pytest.mark.usefixtures("vault")
def test_nobody_logs_in_after_the_end(stack: Stack) -> None:
    audit = StackAudit(stack)
    audit.close()
    with pytest.raises(DevstackError, match="the audit has ended"):
        audit.login("admin")


def test_the_secrets_of_an_audit_are_known_for_redaction(audit: StackAudit) -> None:
    api = audit.login("postgres")
    made = audit.issued_secrets()
    assert api.token in made
    assert {secret.partition("-")[0] for secret in made} == {"token", "secret"}
    assert "admin-role" in audit.known_secrets()


# -- once --------------------------------------------------------------------------------------


def together(count: int, work: Callable[[], object]) -> list[object]:
    """`work` in so many threads at the same time; an error is its outcome."""
    barrier, found = threading.Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_what_several_ask_for_at_once_is_made_once(audit: StackAudit) -> None:
    made: list[int] = []

    def make() -> object:
        made.append(1)
        return object()

    assert len(set(map(id, together(16, lambda: audit.once("key", make))))) == 1
    assert len(made) == 1


def test_an_error_is_everybodys(audit: StackAudit) -> None:
    made: list[int] = []

    def fail() -> object:
        made.append(1)
        raise DevstackError("refused")

    assert [str(e) for e in together(8, lambda: audit.once("key", fail))] == ["refused"] * 8
    assert len(made) == 1
    assert audit.once("other", lambda: 7) == 7


def test_whoever_waits_in_vain_is_told_and_the_next_at_once(
    audit: StackAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "WAIT_S", 0.1)
    begun, release = threading.Event(), threading.Event()

    def hang() -> object:
        begun.set()
        release.wait(60)
        return 1

    first = threading.Thread(target=lambda: audit.once("key", hang))
    first.start()
    begun.wait()
    with pytest.raises(DevstackError, match=r"what several checks need \(key\)"):
        audit.once("key", hang)
    monkeypatch.setattr(audits, "WAIT_S", 60)
    with pytest.raises(DevstackError, match="several checks"):
        audit.once("key", hang)
    release.set()
    first.join()
    assert audit.once("key", hang) == 1
