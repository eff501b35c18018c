"""What servers were recorded to answer, and what each check must say to it (test_check_limits)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from devstack_tui.contracts.bindings import Bindings, Bound
from devstack_tui.contracts.processes import ProcessFacts
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.core.file_tree import Entry
from devstack_tui.identity.bootstrap import dns_names
from devstack_tui.security.files.scan import Part
from devstack_tui.services.mongodb.audit.facts import Facts as MongodbFacts
from devstack_tui.services.postgres.audit.facts import Account, Rule
from devstack_tui.services.postgres.audit.facts import Facts as PostgresFacts
from devstack_tui.services.vault.audit import roles, server
from devstack_tui.services.vault.audit.kit import Answer

PASS, FAIL, WARN = Status.PASS, Status.FAIL, Status.WARN


# -- what is recorded ------------------------------------------------------------------------


def session(
    role: str, *, lease: int = 3600, renewed: int = 14400, period: int = 0
) -> dict[str, Any]:
    """What one login by an AppRole showed."""
    policies = ["default", f"{role}-policy"]
    auth = {
        "token_type": "service",
        "token_policies": policies,
        "policies": policies,
        "lease_duration": lease,
        "renewable": True,
    }
    token = {"policies": policies, "identity_policies": [], "period": period}
    denied = Answer(403, {}, "permission denied")
    found = roles.Session(auth, token, Answer(200, {}), renewed, denied, denied)
    return {f"vault.session.{role}": found}


def role(name: str, **settings: object) -> dict[str, Any]:
    """How an AppRole is set."""
    usual: dict[str, object] = {
        "bind_secret_id": True,
        "secret_id_ttl": 2592000,
        "secret_id_num_uses": 0,
        "secret_id_bound_cidrs": ["127.0.0.1/32"],
        "token_period": 0,
        "token_max_ttl": 14400,
    }
    return {f"vault.setting.{name}": usual | settings}


def logged_in(**more: object) -> dict[str, Any]:
    """A login of postgres, of which its token is otherwise than usual."""
    kept: Any = session("postgres")["vault.session.postgres"]
    auth = {k: v for k, v in more.items() if k in kept.auth}
    token = {k: v for k, v in more.items() if k not in kept.auth or k == "policies"}
    changed = dataclasses.replace(kept, auth=kept.auth | auth, token=kept.token | token)
    return {"vault.session.postgres": changed}


def issuing(**settings: object) -> dict[str, Any]:
    usual: dict[str, object] = {
        "allowed_domains": [],
        "max_ttl": 31622400,
        "key_type": "ec",
        "key_bits": 256,
        "server_flag": True,
        "code_signing_flag": False,
        "email_protection_flag": False,
        "ext_key_usage": [],
    }
    return {"vault.issuing.mysql": usual | settings}


def token(**more: object) -> dict[str, Any]:
    usual: dict[str, object] = {
        "accessor": "a",
        "path": "auth/approle/login",
        "policies": ["default", "redis-policy"],
        "ttl": 60,
        "creation_ttl": 3600,
        "period": 0,
        "bound_cidrs": ["127.0.0.1/32"],
    }
    return {"vault.tokens": [usual | more]}


def secret_id(seconds: int, **more: object) -> dict[str, Any]:
    one = {"secret_id_ttl": seconds, "cidr_list": [], "token_bound_cidrs": [], **more}
    return {"vault.secret_ids.mysql": {"accessor": one}}


def mounts(**pki: object) -> dict[str, Any]:
    found = {"type": "pki", "config": {"default_lease_ttl": 0, "max_lease_ttl": ROOT_S, **pki}}
    return {"vault.sys/mounts": {"pki/": found}}


ROOT_S = 87600 * 3600


def engines(*names: str, version: str = "2") -> dict[str, Any]:
    kinds = {"secret/": "kv"}
    found = {
        name: {"type": kinds.get(name, "other"), "options": {"version": version}} for name in names
    }
    return {"vault.sys/mounts": found}


def methods(*names: str) -> dict[str, Any]:
    return {"vault.sys/auth": {name: {"type": name.rstrip("/")} for name in names}}


def loggers(level: str) -> dict[str, Any]:
    return {"vault.get sys/loggers": Answer(200, {"data": {"core": level}})}


def copies(*addresses: str) -> dict[str, Any]:
    servers = [{"node_id": "n", "address": address} for address in addresses]
    document = {"data": {"config": {"servers": servers}}}
    return {"vault.get sys/storage/raft/configuration": Answer(200, document)}


def postgres(**more: Any) -> dict[str, Any]:
    empty = PostgresFacts((), (), (), (), {}, (), (), (), (), ("postgres",))
    return {"postgres.accounts": dataclasses.replace(empty, **more)}


def rule(address: str, netmask: str, method: str = "scram-sha-256") -> dict[str, Any]:
    one = Rule(1, "hostssl", ("devstack",), ("devstack",), address, netmask, method, "")
    return postgres(rules=(one,))


def roles_of(
    name: str, *, verifier: str = "SCRAM-SHA-256$4096", attributes: tuple[str, ...] = ()
) -> dict[str, Any]:
    return postgres(accounts=(Account(name, True, verifier, frozenset(attributes)),))


def tree(mode: int, kind: str = "file", *, uid: int = 5, names: int = 1) -> dict[str, Any]:
    entry = Entry("data/redis/some", kind, mode, uid, names, 10)
    return {"files.tree": {"redis": Part(5, [entry])}}


def process(**more: object) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "unit": "redis-1",
        "program": "redis-server",
        "arguments": (),
        "environment": {},
        "account": "devstack-redis",
        "uid": 5,
        "uids": frozenset({5}),
        "gids": frozenset({5}),
        "groups": frozenset(),
        "rights": 0,
        "core_bytes": 0,
        "privileges": False,
        "umask": 0o077,
    }
    return {"files.processes": {"redis": [ProcessFacts(**usual | more)]}}


def sockets(*found: Bound, foreign: Mapping[int, str] = {}) -> dict[str, Any]:
    seen = Bindings("127.0.0.1", {"main": 6379}, found, foreign)
    return {"bindings": {"redis": seen}, "bindings again": {"redis": seen}}


def at(host: str, port: int = 6379, kind: str = "tcp", **more: Any) -> Bound:
    return Bound("redis-1", kind, host, port, **more)


LISTENS = at("127.0.0.1")
OWN_NAMES = list(dns_names(service("mysql")))

# Each check with what was recorded, and what that must be called.
Row = tuple[str, Mapping[str, object], Status]
ROWS: tuple[Row, ...] = (
    # lifetimes of tokens: 3600 s, 14400 s at most
    ("approle.role.mysql.token_ttl", session("mysql", lease=3599), FAIL),
    ("approle.role.mysql.token_ttl", session("mysql", lease=3600), PASS),
    ("approle.role.mysql.token_ttl", session("mysql", lease=3601), FAIL),
    ("approle.20", session("postgres") | role("postgres", token_max_ttl=14399), FAIL),
    ("approle.20", session("postgres") | role("postgres", token_max_ttl=14400), PASS),
    ("approle.20", session("postgres") | role("postgres", token_max_ttl=14401), FAIL),
    ("approle.20", session("postgres", lease=3601) | role("postgres"), FAIL),
    ("approle.role.mysql.token_max_ttl", role("mysql", token_max_ttl=14399), FAIL),
    ("approle.role.mysql.token_max_ttl", role("mysql", token_max_ttl=14400), PASS),
    ("approle.role.mysql.token_max_ttl", role("mysql", token_max_ttl=14401), FAIL),
    ("approle.role.mysql.token_period", role("mysql", token_period=0), PASS),
    ("approle.role.mysql.token_period", role("mysql", token_period=1), FAIL),
    ("approle.role.mysql.renewal_cap", session("mysql", renewed=14399), PASS),
    ("approle.role.mysql.renewal_cap", session("mysql", renewed=14400), PASS),
    ("approle.role.mysql.renewal_cap", session("mysql", renewed=14401), FAIL),
    ("approle.role.mysql.renewal_cap", session("mysql", period=1), FAIL),
    ("approle.token.lasting", token(ttl=14400, creation_ttl=14400), PASS),
    ("approle.token.lasting", token(ttl=14401), FAIL),
    ("approle.token.lasting", token(creation_ttl=14401), FAIL),
    ("vault.token.period", token(period=0), PASS),
    ("vault.token.period", token(period=1), FAIL),
    # of secret_ids: 30 days, with a second for the way, and no number of uses
    ("approle.role.mysql.secret_id_ttl", role("mysql", secret_id_ttl=2591999), FAIL),
    ("approle.role.mysql.secret_id_ttl", role("mysql", secret_id_ttl=2592000), PASS),
    ("approle.role.mysql.secret_id_ttl", role("mysql", secret_id_ttl=2592001), FAIL),
    ("approle.role.mysql.secret_id_ttl", role("mysql", secret_id_ttl=0), FAIL),
    ("approle.role.mysql.secret_id_num_uses", role("mysql", secret_id_num_uses=0), PASS),
    ("approle.role.mysql.secret_id_num_uses", role("mysql", secret_id_num_uses=1), FAIL),
    ("vault.secret_id.mysql.life", secret_id(2592001), PASS),
    ("vault.secret_id.mysql.life", secret_id(2592002), FAIL),
    ("vault.secret_id.mysql.life", secret_id(0), FAIL),
    # of certificates that Vault signs: more than nothing, 366 days at most, EC P-256 alone
    ("approle.issuer.mysql.max_ttl", issuing(max_ttl=0), FAIL),
    ("approle.issuer.mysql.max_ttl", issuing(max_ttl=1), PASS),
    ("approle.issuer.mysql.max_ttl", issuing(max_ttl=31622400), PASS),
    ("approle.issuer.mysql.max_ttl", issuing(max_ttl=31622401), FAIL),
    ("approle.issuer.mysql.key", issuing(key_bits=224), FAIL),
    ("approle.issuer.mysql.key", issuing(key_bits=256), PASS),
    ("approle.issuer.mysql.key", issuing(key_bits=384), FAIL),
    ("approle.issuer.mysql.key", issuing(key_type="rsa"), FAIL),
    ("approle.issuer.mysql.usage", issuing(), PASS),
    ("approle.issuer.mysql.usage", issuing(ext_key_usage=["CodeSigning"]), FAIL),
    ("approle.issuer.mysql.usage", issuing(server_flag=False), FAIL),
    # of leases: exactly as declared
    ("vault.mount.pki.leases", mounts(max_lease_ttl=ROOT_S - 1), FAIL),
    ("vault.mount.pki.leases", mounts(), PASS),
    ("vault.mount.pki.leases", mounts(max_lease_ttl=ROOT_S + 1), FAIL),
    ("vault.mount.pki.leases", mounts(default_lease_ttl=1), FAIL),
    ("vault.mount.pki.headers", mounts(), PASS),
    ("vault.mount.pki.headers", mounts(passthrough_request_headers=["X"]), FAIL),
    ("vault.mount.pki.non_hmac", mounts(audit_non_hmac_request_keys=["password"]), FAIL),
    ("vault.mount.pki.non_hmac", mounts(audit_non_hmac_request_keys=[]), PASS),
    # addresses: loopback, and no wider
    ("vault.token.cidrs", token(bound_cidrs=["127.0.0.1/32"]), PASS),
    ("vault.token.cidrs", token(bound_cidrs=["127.0.0.0/31"]), FAIL),
    ("vault.token.cidrs", token(bound_cidrs=["127.0.0.2/32"]), FAIL),
    ("vault.token.cidrs", token(bound_cidrs=[]), FAIL),
    ("vault.secret_id.mysql.cidrs", secret_id(60, cidr_list=["127.0.0.1/32"]), PASS),
    ("vault.secret_id.mysql.cidrs", secret_id(60, cidr_list=["127.0.0.0/31"]), FAIL),
    ("vault.secret_id.mysql.cidrs", secret_id(60, token_bound_cidrs=["127.0.0.2/32"]), FAIL),
    ("approle.role.mysql.secret_id_cidrs", session("mysql") | role("mysql"), PASS),
    (
        "approle.role.mysql.secret_id_cidrs",
        session("mysql") | role("mysql", secret_id_bound_cidrs=["127.0.0.0/31"]),
        FAIL,
    ),
    (
        "approle.role.mysql.secret_id_cidrs",
        session("mysql") | role("mysql", secret_id_bound_cidrs=[]),
        FAIL,
    ),
    ("auth.postgres.rules", rule("127.0.0.0", "255.0.0.0"), PASS),
    ("auth.postgres.rules", rule("127.0.0.0", "254.0.0.0"), FAIL),
    ("auth.postgres.rules", rule("126.255.255.255", "255.255.255.255"), FAIL),
    ("auth.postgres.rules", rule("127.255.255.255", "255.255.255.255"), PASS),
    ("auth.postgres.rules", rule("128.0.0.0", "255.255.255.255"), FAIL),
    ("auth.postgres.rules", rule("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), PASS),
    ("auth.postgres.rules", rule("::2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), FAIL),
    ("auth.postgres.rules", rule("127.0.0.1", "255.255.255.255", "md5"), FAIL),
    ("network.redis.loopback", sockets(LISTENS), PASS),
    ("network.redis.loopback", sockets(LISTENS, at("126.255.255.255")), FAIL),
    ("network.redis.loopback", sockets(LISTENS, at("127.255.255.255")), PASS),
    ("network.redis.loopback", sockets(LISTENS, at("128.0.0.0")), FAIL),
    ("network.redis.loopback", sockets(LISTENS, at("::1")), PASS),
    ("network.redis.loopback", sockets(LISTENS, at("::2")), FAIL),
    ("network.redis.loopback", sockets(LISTENS, at("0.0.0.0")), FAIL),
    ("network.redis.listeners", sockets(at("127.0.0.1", 6378), LISTENS), FAIL),
    ("network.redis.listeners", sockets(LISTENS), PASS),
    ("network.redis.listeners", sockets(LISTENS, at("127.0.0.1", 6380)), FAIL),
    ("network.redis.listeners", sockets(LISTENS, at("127.0.0.2")), FAIL),
    ("network.redis.outgoing", sockets(LISTENS), PASS),
    ("network.redis.outgoing", sockets(LISTENS, at("10.0.0.1", 1, remote="192.0.2.1:1")), FAIL),
    ("network.redis.unix", sockets(at("/run/s", 0, "unix")), PASS),
    ("network.redis.unix", sockets(at("/run/s", 0, "unix", exposed=True)), FAIL),
    # sets: exactly the declared ones, none less, none more
    ("approle.server.methods", methods("approle/"), FAIL),
    ("approle.server.methods", methods("approle/", "token/"), PASS),
    ("approle.server.methods", methods("approle/", "token/", "userpass/"), FAIL),
    ("approle.02", methods("approle/", "token/"), PASS),
    ("approle.02", methods("token/"), FAIL),
    ("approle.server.mounts", engines(*sorted(server.MOUNTS)[:-1]), FAIL),
    ("approle.server.mounts", engines(*server.MOUNTS), PASS),
    ("approle.server.mounts", engines(*server.MOUNTS, "more/"), FAIL),
    ("approle.server.kv_version", engines("secret/", version="1"), FAIL),
    ("approle.server.kv_version", engines("secret/", version="2"), PASS),
    ("approle.server.kv_version", engines("secret/", version="3"), FAIL),
    ("approle.07", logged_in(token_policies=["default"]), FAIL),
    ("approle.07", logged_in(), PASS),
    ("approle.07", logged_in(token_policies=["default", "postgres-policy", "x"]), FAIL),
    ("approle.19", logged_in(policies=["default"]), FAIL),
    ("approle.19", logged_in(), PASS),
    ("approle.19", logged_in(identity_policies=["x"]), FAIL),
    ("approle.token.powers", token(policies=["default"]), FAIL),
    ("approle.token.powers", token(), PASS),
    ("approle.token.powers", token(policies=["default", "redis-policy", "mysql-policy"]), FAIL),
    ("approle.token.origin", token(), PASS),
    ("approle.token.origin", token(path="auth/token/create"), FAIL),
    ("approle.token.root", token(), PASS),
    ("approle.token.root", token(policies=["root"]), FAIL),
    ("vault.raft", copies(), FAIL),
    ("vault.raft", copies("127.0.0.1:18201"), PASS),
    ("vault.raft", copies("127.0.0.1:18201", "127.0.0.1:18203"), FAIL),
    ("vault.raft", copies("127.0.0.1:18202"), FAIL),
    ("auth.postgres.databases", postgres(databases=("postgres",)), PASS),
    ("auth.postgres.databases", postgres(databases=("postgres", "more")), WARN),
    ("approle.issuer.mysql.domains", issuing(allowed_domains=OWN_NAMES), PASS),
    ("approle.issuer.mysql.domains", issuing(allowed_domains=OWN_NAMES[1:]), FAIL),
    ("approle.issuer.mysql.domains", issuing(allowed_domains=[*OWN_NAMES, "more"]), FAIL),
    ("approle.role.mysql.bind_secret_id", role("mysql"), PASS),
    ("approle.role.mysql.bind_secret_id", role("mysql", bind_secret_id=False), FAIL),
    ("vault.mount.pki.listing", mounts(listing_visibility="hidden"), PASS),
    ("vault.mount.pki.listing", mounts(listing_visibility="unauth"), FAIL),
    ("vault.mount.pki.mounted", mounts(), PASS),
    ("vault.mount.pki.mounted", mounts(more=1), FAIL),
    ("auth.mongodb.roles", {"mongodb.accounts": MongodbFacts({}, (), {}, {}, ())}, PASS),
    ("auth.mongodb.roles", {"mongodb.accounts": MongodbFacts({}, ("x",), {}, {}, ())}, FAIL),
    ("auth.postgres.ident", postgres(), PASS),
    ("auth.postgres.ident", postgres(maps=("x",)), FAIL),
    ("auth.postgres.grants", postgres(), PASS),
    ("auth.postgres.grants", postgres(grants=("x",)), FAIL),
    ("auth.postgres.public", postgres(), PASS),
    ("auth.postgres.public", postgres(public=("x",)), FAIL),
    ("auth.postgres.code", postgres(), PASS),
    ("auth.postgres.code", postgres(code=("x",)), FAIL),
    ("auth.postgres.parameters", postgres(), PASS),
    ("auth.postgres.parameters", postgres(parameters=("x",)), FAIL),
    ("auth.postgres.hashes", roles_of("a"), PASS),
    ("auth.postgres.hashes", roles_of("a", verifier="md5"), FAIL),
    ("auth.postgres.privileged", roles_of("a"), PASS),
    ("auth.postgres.privileged", roles_of("a", attributes=("superuser",)), FAIL),
    # levels, in their order: trace, debug, info
    ("vault.loggers", loggers("trace"), FAIL),
    ("vault.loggers", loggers("debug"), FAIL),
    ("vault.loggers", loggers("info"), PASS),
    # modes: nothing for others
    ("files.redis.modes", tree(0o700), PASS),
    ("files.redis.modes", tree(0o701), FAIL),
    ("files.redis.modes", tree(0o710), FAIL),
    ("files.redis.modes", tree(0o600), PASS),
    ("files.redis.modes", tree(0o604), FAIL),
    ("files.redis.links", tree(0o777), PASS),
    ("files.redis.links", tree(0o1777), FAIL),
    ("files.redis.links", tree(0o600, names=1), PASS),
    ("files.redis.links", tree(0o600, names=2), FAIL),
    ("files.redis.links", tree(0o600, "pipe"), FAIL),
    ("files.redis.owners", tree(0o600, uid=4), FAIL),
    ("files.redis.owners", tree(0o600, uid=5), PASS),
    ("files.redis.owners", tree(0o600, uid=6), FAIL),
    ("files.redis.confined", process(core_bytes=0), PASS),
    ("files.redis.confined", process(core_bytes=1), FAIL),
    ("files.redis.confined", process(core_bytes=None), FAIL),
    ("files.redis.confined", process(umask=0o066), PASS),
    ("files.redis.confined", process(umask=0o067), PASS),
    ("files.redis.confined", process(umask=0o065), FAIL),
    ("files.redis.confined", process(umask=0o056), FAIL),
    ("files.redis.account", process(rights=0), PASS),
    ("files.redis.account", process(rights=1), FAIL),
    ("files.redis.account", process(uids=frozenset({5, 6})), FAIL),
)
