"""Every kind of check whose decision has a limit, a set or an order, with recorded inputs: at the
limit and one step on either side. The kinds that have none are listed with the reason.

What a server answers is handed in where the check keeps it for the whole audit (`Audit.once`), so
that each decision is the catalogue's own.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from devstack_tui.contracts.audit import Check
from devstack_tui.contracts.bindings import Bindings, Bound
from devstack_tui.contracts.registry import BUILT_IN, service
from devstack_tui.core.check import Status
from devstack_tui.identity import account_checks
from devstack_tui.identity.bootstrap import dns_names, usages_of
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.network import catalogue as network
from devstack_tui.security.tls import certificate, properties, strength
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.tls.session import Seen
from devstack_tui.security.trust import rules as trust
from devstack_tui.security.trust.certificates import Leaf
from devstack_tui.services.mongodb import accounts as mongodb_accounts
from devstack_tui.services.mongodb import checks as mongodb
from devstack_tui.services.mongodb.audit.facts import Facts as MongodbFacts
from devstack_tui.services.mongodb.wire import salted
from devstack_tui.services.rabbitmq import checks as rabbitmq
from devstack_tui.services.rabbitmq.audit.facts import Facts as RabbitmqFacts
from devstack_tui.services.vault.audit import configuration, files, roles, server
from devstack_tui.services.vault.audit.kit import Answer
from tests.unit.audit_kit import FakeAudit, made_stack
from tests.unit.limit_rows import FAIL, PASS, ROWS, WARN, at

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


class RecordedAudit(FakeAudit):
    """Every service runs; what would be asked of it is `recorded`, by the key of `once`."""

    recorded: Mapping[str, object] = {}

    def once(self, key: str, make: object) -> object:
        del make
        return self.recorded[key]


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedAudit]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield RecordedAudit(made_stack(*BUILT_IN))


@pytest.fixture(scope="module")
def checks(audit: RecordedAudit) -> Mapping[str, Check]:
    return Catalogue.of(audit).checks


@pytest.mark.parametrize(("id", "recorded", "status"), ROWS)
def test_a_check_decides_at_its_limit_and_one_step_beside_it(  # noqa: PLR0917
    audit: RecordedAudit,
    checks: Mapping[str, Check],
    monkeypatch: pytest.MonkeyPatch,
    id: str,
    recorded: Mapping[str, object],
    status: Status,
) -> None:
    monkeypatch.setattr(network, "AGAIN_S", 0.0, raising=False)
    monkeypatch.setattr(audit, "recorded", recorded)
    found = checks[id].run(audit)
    assert found.status is status, found.evidence


def test_a_port_is_held_at_its_own_number_and_address() -> None:
    def lost(*found: Bound, foreign: Mapping[int, str] = {}) -> list[str]:
        return list(network._lost("main", Bindings("127.0.0.1", {"main": 6379}, found, foreign)))

    assert lost(at("127.0.0.1")) == []
    assert lost(at("0.0.0.0")) == []
    for beside in (at("127.0.0.1", 6378), at("127.0.0.1", 6380), at("127.0.0.2")):
        assert lost(beside) == ["nothing listens at 127.0.0.1:6379"]
    assert lost(at("127.0.0.1"), foreign={6379: "nc"}) == ["port 6379 is held by nc"]


@pytest.mark.parametrize(
    ("less", "more", "wrong"),
    [
        ((), (), []),
        (("localhost",), (), ["not for localhost"]),
        ((), ("another",), ["also for another"]),
    ],
)
def test_a_certificate_is_for_the_declared_names_none_less_and_none_more(
    less: tuple[str, ...], more: tuple[str, ...], wrong: list[str]
) -> None:
    held = frozenset({*dns_names(service("mysql")), "127.0.0.1", *more} - {*less})
    leaf = Leaf("here", b"", "mysql", held, (), (), False, b"", "", 0.0)
    assert trust._unlike(leaf, "mysql") == wrong


@pytest.mark.parametrize(
    ("usages", "signs", "wrong"),
    [
        ((), False, 1),
        (usages_of(service("mysql")), False, 0),
        ((*usages_of(service("mysql")), "codeSigning"), False, 1),
        (usages_of(service("mysql")), True, 1),
    ],
)
def test_a_certificate_is_for_the_declared_use_alone(
    usages: tuple[str, ...], signs: bool, wrong: int
) -> None:
    leaf = Leaf("here", b"", "mysql", frozenset(), (), tuple(usages), signs, b"", "", 0.0)
    assert len(trust._misused(leaf, "mysql")) == wrong


# -- what a check asks anew --------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "status"), [(0, PASS), (1, FAIL), (2, PASS), (3, PASS)])
def test_the_history_of_the_kv_engine_has_two_versions_or_its_default_of_ten(
    audit: RecordedAudit, monkeypatch: pytest.MonkeyPatch, kept: int, status: Status
) -> None:
    monkeypatch.setattr(server, "ask_as_admin", lambda *_: {"max_versions": kept})
    assert server._kv_history(audit).status is status


@pytest.mark.parametrize(("answered", "status"), [(399, FAIL), (400, PASS), (403, PASS)])
def test_a_door_is_closed_by_a_refusal(
    audit: RecordedAudit, monkeypatch: pytest.MonkeyPatch, answered: int, status: Status
) -> None:
    answers = {"/ui/": Answer(answered, {}), "/v1/sys/health": Answer(200, {})}
    monkeypatch.setattr(server, "raw", lambda _audit, _method, path: (answers[path], {}))
    assert server._closed("/ui/", audit).status is status


@pytest.mark.parametrize(("shares", "status"), [(1, WARN), (2, FAIL)])
def test_the_seal_has_one_share_as_declared(
    audit: RecordedAudit, monkeypatch: pytest.MonkeyPatch, shares: int, status: Status
) -> None:
    document = {"t": shares, "n": shares, "type": "shamir"}
    monkeypatch.setattr(configuration, "raw", lambda *_: (Answer(200, document), {}))
    assert configuration._seal(audit).status is status


@pytest.mark.parametrize(("ttl", "status"), [(0, FAIL), (1, PASS)])
def test_a_secret_id_expires_at_all(
    audit: RecordedAudit, monkeypatch: pytest.MonkeyPatch, ttl: int, status: Status
) -> None:
    answers = {
        "list": Answer(200, {"data": {"keys": ["a"]}}),
        "post": Answer(200, {"data": {"secret_id_ttl": ttl}}),
    }
    monkeypatch.setattr(audit, "login", lambda _: None)
    monkeypatch.setattr(roles, "ask", lambda _client, method, *_, **__: answers[method])
    assert roles._living("mysql", audit).status is status


@pytest.mark.parametrize(
    ("mode", "folder", "own", "status"),
    [
        (0o600, False, True, PASS),
        (0o400, False, True, PASS),
        (0o601, False, True, FAIL),
        (0o640, False, True, FAIL),
        (0o700, False, True, FAIL),
        (0o600, False, False, FAIL),
        (0o700, True, True, PASS),
        (0o701, True, True, FAIL),
    ],
)
def test_a_file_that_opens_vault_is_for_its_owner_alone(
    audit: RecordedAudit, mode: int, folder: bool, own: bool, status: Status
) -> None:
    about = SimpleNamespace(mode=mode, is_directory=folder, own=own, uid=5)
    path: Any = SimpleNamespace(stat=lambda: about, name="keys")
    assert files._private("keys", lambda _: path, audit).status is status


# -- accounts and settings ---------------------------------------------------------------------

SERVERS = ("redis", "mongodb", "mysql", "postgres", "rabbitmq")


@pytest.mark.parametrize("name_of_service", SERVERS)
def test_a_setting_is_as_declared_to_the_letter(name_of_service: str) -> None:
    for name, row in account_checks.declared(name_of_service)["settings"].items():
        if "value" not in row:
            continue  # decided by a path of the stack's own: tests/sabotage
        value = row["value"]
        assert account_checks.setting(name, row, value).status is PASS
        beside = str(int(value) + 1) if value.isdecimal() else f"{value}x"
        assert account_checks.setting(name, row, beside).status is FAIL
        absent = account_checks.setting(name, row, None).status
        assert absent is (PASS if row.get("since") else FAIL)


@pytest.mark.parametrize(
    ("found", "status"),
    [(("a",), FAIL), (("a", "b"), PASS), (("a", "b", "c"), FAIL), (("a", "c"), FAIL)],
)
def test_accounts_are_the_declared_ones_none_less_and_none_more(
    found: tuple[str, ...], status: Status
) -> None:
    assert account_checks.compared("accounts", found, ("a", "b")).status is status


@pytest.mark.parametrize(("length", "weak"), [(15, True), (16, False), (17, False)])
def test_a_password_has_sixteen_characters(length: int, weak: bool) -> None:
    assert bool(account_checks.weak("devstack", "x7" * 8 + "y" if length == 17 else "x7y9" * 4
                                    if length == 16 else "x7y9" * 3 + "abc")) is weak  # fmt: skip


@pytest.mark.parametrize(
    ("length", "different", "status"),
    [
        (rabbitmq.COOKIE_LENGTH - 1, rabbitmq.COOKIE_ALPHABET, FAIL),
        (rabbitmq.COOKIE_LENGTH, rabbitmq.COOKIE_ALPHABET, PASS),
        (rabbitmq.COOKIE_LENGTH + 1, rabbitmq.COOKIE_ALPHABET + 1, PASS),
        (rabbitmq.COOKIE_LENGTH, rabbitmq.COOKIE_ALPHABET - 1, FAIL),
    ],
)
def test_a_cookie_is_long_and_of_many_characters(
    audit: RecordedAudit, length: int, different: int, status: Status
) -> None:
    found = RabbitmqFacts([], [], [], (length, different), {})
    assert rabbitmq.cookie(found, audit.target("rabbitmq")).status is status


def scram(password: str, rounds: int) -> dict[str, Any]:
    """A credential as mongod keeps it."""
    salt = b"of sixteen bytes"
    client = hmac.digest(salted(password, salt, rounds), b"Client Key", "sha256")
    stored = base64.b64encode(hashlib.sha256(client).digest()).decode()
    return {
        "iterationCount": rounds,
        "salt": base64.b64encode(salt).decode(),
        "storedKey": stored,
    }


@pytest.mark.parametrize(("rounds", "status"), [(14999, FAIL), (15000, PASS), (15001, PASS)])
def test_a_hash_of_mongodb_takes_fifteen_thousand_rounds(
    audit: RecordedAudit, rounds: int, status: Status
) -> None:
    import msgspec

    from devstack_tui.contracts.model import Credentials

    account = Credentials("devstack", "x7y9" * 8, "devstack")
    target = msgspec.structs.replace(audit.target("mongodb"), credentials=account)
    credentials = {mongodb_accounts.MECHANISM: scram(account.password, rounds)}
    kept = {"admin.devstack": {"credentials": credentials}}
    found = mongodb.password("application", MongodbFacts(kept, (), {}, {}, ()), target)
    assert found.status is status, found.evidence


# -- TLS -----------------------------------------------------------------------------------------

LEAF = Facts(
    der=b"leaf",
    subject="CN=redis",
    issuer="CN=intermediate",
    not_before=NOW,
    not_after=NOW + 366 * DAY,
    dns=("redis",),
    addresses=("127.0.0.1",),
    key="EC secp256r1",
    bits=256,
    digest="sha256",
    purposes=("serverAuth",),
    ca=False,
)


def view(leaf: Facts = LEAF, *, mutual: bool = False, **more: object) -> Any:
    """What a listener shows."""
    return SimpleNamespace(
        leaf=lambda: leaf,
        certificates=lambda: (leaf,),
        listener=SimpleNamespace(mutual=mutual, host="127.0.0.1"),
        **more,
    )


def leaf(**more: Any) -> Any:
    return view(dataclasses.replace(LEAF, **more))


def second(ticket_s: int | None) -> Any:
    """A listener that speaks TLS 1.2, and gives a session ticket."""
    hello = SimpleNamespace(hello=object())
    seen = Seen(False, "refused", ticket_s)
    return view(control=lambda: None, answer=lambda _: hello, second=lambda: seen)


def answers(*, accepted: bool) -> Any:
    answer = SimpleNamespace(accepted=accepted, version_accepted=accepted, hello=None)
    return view(control=lambda: answer, answer=lambda _: answer)


def compressing(method: int) -> Any:
    hello = SimpleNamespace(version=0x0303, compression=method)
    return view(control=lambda: SimpleNamespace(hello=hello))


TLS_ROWS: tuple[tuple[str, Any, Status], ...] = (
    ("key_size", leaf(bits=255), FAIL),
    ("key_size", leaf(bits=256), PASS),
    ("key_size", leaf(bits=257), PASS),
    ("key_size", leaf(key="RSA", bits=2047), FAIL),
    ("key_size", leaf(key="RSA", bits=2048), PASS),
    ("key_size", leaf(key="RSA", bits=2049), PASS),
    ("lifetime", leaf(not_after=NOW + 366 * DAY - SECOND), PASS),
    ("lifetime", leaf(not_after=NOW + 366 * DAY), PASS),
    ("lifetime", leaf(not_after=NOW + 366 * DAY + SECOND), FAIL),
    ("signature", leaf(digest="sha1"), FAIL),
    ("signature", leaf(digest="sha224"), FAIL),
    ("signature", leaf(digest="sha256"), PASS),
    ("signature", leaf(digest="sha384"), PASS),
    ("usage", leaf(purposes=()), FAIL),
    ("usage", leaf(purposes=("serverAuth",)), PASS),
    ("usage", leaf(ca=True), FAIL),
    ("usage", view(LEAF, mutual=True), FAIL),
    ("san_ip", leaf(addresses=()), FAIL),
    ("san_ip", leaf(), PASS),
    ("san_ip", leaf(addresses=("127.0.0.2",)), FAIL),
    ("tickets", second(None), PASS),
    ("tickets", second(0), FAIL),
    ("tickets", second(1), PASS),
    ("tickets", second(86400), PASS),
    ("tickets", second(86401), FAIL),
    ("compression", compressing(0), PASS),
    ("compression", compressing(1), FAIL),
    ("tls1_1", answers(accepted=True), FAIL),
    ("tls1_1", answers(accepted=False), PASS),
    ("tls1_2", answers(accepted=True), PASS),
    ("tls1_2", answers(accepted=False), FAIL),
    ("cipher.null", answers(accepted=True), FAIL),
    ("cipher.null", answers(accepted=False), PASS),
    ("revocation", leaf(), WARN),
    ("revocation", leaf(revocation=("http://crl",)), FAIL),
    ("weak_groups", answers(accepted=True), FAIL),
    ("weak_groups", answers(accepted=False), PASS),
    ("sha1_signature", answers(accepted=True), FAIL),
    ("sha1_signature", answers(accepted=False), PASS),
)


@pytest.mark.parametrize(("name", "seen", "status"), TLS_ROWS)
def test_a_listener_is_judged_at_the_limit_and_one_step_beside_it(
    name: str, seen: Any, status: Status
) -> None:
    found = properties._BODIES[name](seen)
    assert found.status is status, found.evidence


def test_the_curves_that_are_weak_end_before_those_that_are_not() -> None:
    # 21 is secp224r1, 23 secp256r1; 22 (secp256k1) has 128 bits.
    assert tuple(range(1, 22)) == strength._WEAK_GROUPS


@pytest.mark.parametrize(
    ("now", "status", "said"),
    [
        (NOW - SECOND, FAIL, "not valid yet"),
        (NOW, PASS, "366 days are left"),
        (NOW + 306 * DAY, PASS, "60 days are left"),
        (NOW + 306 * DAY + SECOND, WARN, "ends in 59 days, fewer than 60"),
        (NOW + 336 * DAY, WARN, "ends in 30 days, fewer than 60"),
        (NOW + 336 * DAY + SECOND, WARN, "ends in 29 days, fewer than 30"),
        (NOW + 366 * DAY - SECOND, WARN, "ends in 0 days, fewer than 30"),
        (NOW + 366 * DAY, FAIL, "it has expired"),
    ],
)
def test_a_certificate_is_judged_by_its_dates(
    now: datetime.datetime, status: Status, said: str
) -> None:
    found = certificate.dates(LEAF, now)
    assert found.status is status
    assert said in found.evidence


@pytest.mark.parametrize(
    ("mode", "status"), [(0o600, PASS), (0o700, PASS), (0o601, FAIL), (0o610, FAIL), (0o400, PASS)]
)
def test_a_key_is_read_by_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, mode: int, status: Status
) -> None:
    about = SimpleNamespace(mode=mode, uid=5)
    path = SimpleNamespace(stat=lambda: about, __str__=lambda _: "key")
    monkeypatch.setattr(certificate, "_file", lambda *_: path)
    assert certificate.key_mode(view()).status is status


# -- every kind is here ------------------------------------------------------------------------

BY_FUNCTION = {
    "a function that all of them share is tested above": (
        *(f"auth.{name}.setting" for name in SERVERS),
        *(f"auth.{name}.accounts" for name in SERVERS if name != "postgres"),
        *("auth.postgres.accounts", "auth.rabbitmq.vhosts"),
        *("auth.redis.passwords", "auth.rabbitmq.passwords", "auth.mysql.passwords"),
        "auth.postgres.passwords",
    ),
    "its own function is tested above": (
        *("auth.mongodb.passwords", "auth.rabbitmq.cookie", "approle.file", "vault.seal"),
        *("network.port", "trust.names", "trust.usage"),
        *("approle.server.kv_history", "approle.server.closed", "approle.role.secret_ids_expire"),
        *("tls.validity", "tls.authority_dates", "trust.dates", "tls.key_mode"),
    ),
}
WITHOUT = {
    "a request is refused or answered, beside a control that succeeds": (
        *("approle.issuer.any_name", "approle.issuer.other_name", "approle.issuer.subdomain"),
        *("approle.issuer.wildcard", "approle.login.refused", "approle.matrix.allowed"),
        *("approle.matrix.delete", "approle.matrix.list", "approle.matrix.read"),
        *("approle.matrix.write", "approle.pki", "approle.pki.allowed", "approle.privilege"),
        *("approle.privilege.allowed", "approle.role.renewal", "approle.role.token_cidrs"),
        *("approle.secret_id.destroyed", "approle.secret_id.expired", "approle.secret_id.used_up"),
        *("approle.token.none", "approle.token.revoked", "approle.token.wrapping"),
        *("auth.door.masked", "auth.door.no_token", "auth.mysql.attempts", "auth.mysql.no_login"),
        *("auth.mongodb.no_login", "auth.postgres.attempts", "auth.postgres.no_login"),
        *("auth.rabbitmq.no_login", "auth.redis.no_login", "auth.vault.no_token"),
        *("network.door.cross_site", "network.door.form", "network.door.host"),
        *("network.door.methods", "network.door.traversal", "vault.secret_id.works"),
    ),
    "a handshake is made, refused or answered in one way of two": (
        *("tls.cipher_order", "tls.client_renegotiation", "tls.cluster_mutual", "tls.mutual"),
        *("tls.cluster_plain", "tls.distribution", "tls.fallback", "tls.plain.answered"),
        *("tls.plain.refused", "tls.query", "tls.renegotiation", "tls.replication"),
        *("tls.verified", "tls.wrong_ca", "tls.wrong_host"),
    ),
    "two things are the same, or are not": (
        *("tls.file", "tls.key", "trust.default", "trust.key", "trust.known", "tls.intermediate"),
        *("approle.policy.text", "approle.server.seal", "approle.server.off"),
    ),
    "it is there, or it is not": (
        *("approle.file.root_token", "approle.issuer.foreign", "approle.issuer.root"),
        *("approle.policy.foreign", "approle.policy.sudo", "approle.role.foreign"),
        *("approle.server.audit_device", "approle.server.audit_secret"),
        *("approle.server.audit_token", "approle.server.cors", "approle.server.listing"),
        *("files.arguments", "files.commands", "files.environment", "tls.authority"),
        *("auth.mysql.code", "vault.entity.foreign", "vault.listed", "vault.plugins"),
    ),
    "each field, or name, is a declared one; tests/sabotage adds and takes away": (
        *("approle.policy.default.reach", "approle.policy.patterns", "auth.mongodb.rights"),
        *("auth.mysql.methods", "auth.mysql.privileged", "auth.mysql.rights", "tls.epmd"),
        *("auth.rabbitmq.rights", "auth.rabbitmq.tags", "auth.redis.rights", "files.keys"),
        *("files.secrets", "trust.beyond", "trust.ca", "trust.issuers", "trust.path"),
        *("vault.approle", "vault.audit_device", "vault.entity"),
        *("vault.issuer.settings", "vault.keys", "vault.listeners", "vault.secret"),
        *("vault.secret.fields", "vault.secret_id.ours", "vault.setting"),
    ),
    "it waits for a server's file, a second long: too late is not there": (
        "approle.server.audit_writes",
    ),
    "it sums up others": ("tls.files", "tls.leaf"),
}


def test_every_kind_has_its_limits_here_or_the_reason_why_it_has_none(
    checks: Mapping[str, Check],
) -> None:
    by_row = {checks[id].kind for id, _, _ in ROWS}
    own = {one.name: f"tls.{one.kind or one.name}" for one in properties.PROPERTIES}
    by_row |= {own[name] for name, _, _ in TLS_ROWS}
    lists = [*BY_FUNCTION.values(), *WITHOUT.values()]
    named = [kind for kinds in lists for kind in kinds]
    assert len(named) == len(set(named))
    assert not by_row & set(named)
    kinds = {check.kind for check in checks.values() if not check.sums or check.kind}
    assert by_row | set(named) == kinds - {""}
