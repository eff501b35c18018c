"""The seed's 77 checks by our ids: what coverage is counted against."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class SeedCheck(msgspec.Struct, frozen=True):
    """One check of the seed: its name there (`TLS 4`), our id for it, what we assert."""

    seed: str
    id: str
    title: str
    suite: str


class SeedSuite(msgspec.Struct, frozen=True):
    """One suite of the seed: `prefix` begins our ids, `run` are the words that run it.

    `missing` says why none of its checks can run yet; empty when they can.
    """

    title: str
    prefix: str
    run: tuple[str, ...]
    titles: tuple[str, ...]
    missing: str = ""

    @property
    def checks(self) -> Iterator[SeedCheck]:
        """In the seed's order."""
        for number, title in enumerate(self.titles, 1):
            yield SeedCheck(
                f"{self.title} {number}", f"{self.prefix}.{number:02}", title, self.title
            )


SUITES: tuple[SeedSuite, ...] = (
    SeedSuite(
        "Failover",
        "redis.failover",
        ("drill", "run", "redis.failover"),
        (
            "every node reports the cluster whole",
            "the expected masters and replicas",
            "all nodes agree on all slots",
            "acknowledged writes on every shard",
            "each value read back from its owner",
            "a replica takes over in time",
            "the other shards never pause",
            "every error during the fault has its class",
            "the node rejoins as a replica",
            "every node healthy again",
            "the expected masters and replicas again",
            "no acknowledged write is lost",
            "a replica takes over from the second node in time",
            "the second node rejoins as a replica",
            "the cluster is whole, also by its own tool",
            "no key of the run is left",
        ),
    ),
    SeedSuite(
        "AppRole",
        "approle",
        ("check", "run", "approle"),
        (
            "Vault is unsealed and initialized",
            "an AppRole mount",
            "a wrong role_id is refused",
            "a wrong secret_id is refused",
            "a missing role_id is refused",
            "a missing secret_id is refused",
            "login as postgres, with its exact policies",
            "login as mysql, with its exact policies",
            "login as redis, with its exact policies",
            "login as mongodb, with its exact policies",
            "login as rabbitmq, with its exact policies",
            "login as forgejo, with its exact policies",
            "login as reference-api, with its exact policies",
            "postgres reads its own secret",
            "mysql reads its own secret",
            "redis reads its own secret",
            "postgres cannot read mysql's secret",
            "mysql cannot read postgres' secret",
            "a token has the declared policies",
            "a token's TTL and maximum TTL",
            "a token can be renewed",
        ),
    ),
    SeedSuite(
        "TLS",
        "tls",
        ("check", "run", "tls"),
        (
            "the CA file is a CA",
            "the CA is inside its validity",
            "PostgreSQL without TLS as declared",
            "PostgreSQL's handshake, chain and SAN",
            "PostgreSQL serves its file, with its key",
            "MySQL without TLS as declared",
            "MySQL's handshake, chain and SAN",
            "MySQL serves its file, with its key",
            "redis-1's plain port as declared",
            "redis-2's plain port as declared",
            "redis-3's plain port as declared",
            "every Redis node's handshake, chain and SAN",
            "MongoDB without TLS as declared",
            "MongoDB's handshake, chain and SAN",
            "AMQP without TLS as declared",
            "AMQPS: handshake, chain and SAN",
            "the API over HTTP",
            "the API over HTTPS, verified",
            "Forgejo over HTTP",
            "Vault's listener, verified",
            "every service's certificate is inside its validity",
            "PostgreSQL's leaf: key, signature, SAN, lifetime",
            "MySQL's leaf: key, signature, SAN, lifetime",
            "both ways into every dual-mode service",
        ),
    ),
    SeedSuite(
        "Regression",
        "perf",
        ("regress",),
        (
            "PostgreSQL TPS",
            "MySQL rows/s",
            "MongoDB docs/s",
            "Redis cluster ops/s",
            "API health p95",
            "single-row query p95",
            "Redis operation p95",
            "Vault secret read p95",
            "all of them together",
        ),
    ),
    SeedSuite(
        "Load",
        "load",
        ("load", "run"),
        (
            "100 users for 60 s",
            "500 users for 10 s",
            "10 to 200 users over 120 s",
            "1,000 queries in flight through a pool",
            "10,000 cache operations in flight",
            "CPU and memory of every service at the peak",
            "all of them together",
        ),
        missing="load tests are not built yet",
    ),
)

CHECKS: tuple[SeedCheck, ...] = tuple(check for suite in SUITES for check in suite.checks)
