"""The recorded stack: how `recorded.jsonl` was written, and how the tests read it.

`python -m tests.console.states` writes the file anew. Its lines are snapshots as `status --watch`
prints them: everything healthy, a Redis master lost, the replica promoted but not all nodes back,
PostgreSQL stopped, and the whole stack stopped.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from devstack_tui.contracts.model import (
    Certificate,
    Latency,
    NodeObservation,
    ServiceStatus,
    StackStatus,
    State,
    UnitUsage,
)

RECORDED = Path(__file__).with_name("recorded.jsonl")
AT = 1793620800.0
"""2 November 2026, 12:00:00 UTC."""
DAY = 86400.0
MIB = 1024 * 1024
HOME = "/var/lib/devstack-tui/default"
REDIS_PORTS = tuple(range(16379, 16385))


def read() -> dict[str, StackStatus]:
    """The recorded snapshots by name."""
    names = ("healthy", "master_lost", "promoted", "postgres_down", "stopped")
    lines = RECORDED.read_bytes().splitlines()
    return {
        name: msgspec.json.decode(line, type=StackStatus)
        for name, line in zip(names, lines, strict=True)
    }


def write() -> None:
    """Write `recorded.jsonl`."""
    healthy = StackStatus("default", "embedded", AT, _services(), instance="5f0c2a9e")
    redis = healthy.get("redis")
    assert redis is not None
    lost = _redis(
        redis,
        State.DEGRADED,
        "cluster_state is fail: 5461 of 16384 slots are not served; redis-1 does not answer",
        "wait for the promotion of its replica, or start redis-1 again",
        {"redis-1": (State.DOWN, "master", "connection refused")},
    )
    promoted = _redis(
        redis,
        State.DEGRADED,
        "redis-1 does not answer",
        "start it again: devstack-tui up redis",
        {
            "redis-1": (State.DOWN, "", "connection refused"),
            "redis-4": (State.HEALTHY, "master", "slots 0-5460"),
        },
    )
    postgres = healthy.get("postgres")
    assert postgres is not None
    postgres_down = msgspec.structs.replace(
        postgres,
        state=State.DOWN,
        reason="connection to 127.0.0.1:15432 refused; the process ended with signal 9",
        remedy="start it again: devstack-tui up postgres",
        latency_ms=Latency(),
        uptime_s=None,
        cpu_percent=None,
        memory_bytes=None,
        units=(UnitUsage("postgres", None, False),),
        role="",
        tls="",
        facts={},
    )
    stopped = tuple(
        msgspec.structs.replace(
            s,
            state=State.ABSENT if s.state is State.ABSENT else State.STOPPED,
            reason=s.reason,
            latency_ms=Latency(),
            uptime_s=None,
            cpu_percent=None,
            memory_bytes=None,
            units=(),
            nodes=(),
            version="",
            role="",
            tls="",
            facts={},
        )
        for s in healthy.services
    )
    snapshots = (
        healthy,
        _with(healthy, 2, lost),
        _with(healthy, 4, promoted),
        _with(healthy, 6, postgres_down),
        msgspec.structs.replace(healthy, at=AT + 60, services=stopped),
    )
    RECORDED.write_bytes(b"".join(msgspec.json.encode(s) + b"\n" for s in snapshots))


def _with(status: StackStatus, later: float, service: ServiceStatus) -> StackStatus:
    services = tuple(service if s.name == service.name else s for s in status.services)
    return msgspec.structs.replace(status, at=status.at + later, services=services)


def _redis(
    redis: ServiceStatus,
    state: State,
    reason: str,
    remedy: str,
    nodes: dict[str, tuple[State, str, str]],
) -> ServiceStatus:
    changed = []
    for node in redis.nodes:
        if node.name in nodes:
            now, role, detail = nodes[node.name]
            latency = node.latency_ms if now is State.HEALTHY else None
            changed.append(NodeObservation(node.name, now, role, node.endpoint, detail, latency))
        else:
            changed.append(node)
    return msgspec.structs.replace(
        redis, state=state, reason=reason, remedy=remedy, nodes=tuple(changed)
    )


def _certificate(service: str, days: float) -> Certificate:
    return Certificate(
        subject=f"CN={service}.dev-services.local",
        issuer="CN=devstack intermediate CA",
        not_before=AT - 10 * DAY,
        not_after=AT + days * DAY,
        sans=(service, f"{service}.dev-services.local", "localhost", "127.0.0.1"),
        serial="4c:1d:0a:77:e2",
    )


def _service(  # noqa: PLR0917
    name: str,
    title: str,
    version: str,
    role: str,
    port: int,
    tls_port: int | None,
    recent: tuple[float, ...],
    memory: float,
    cpu: float,
    connect: str,
    config: str,
    pid: int,
    days: float = 355,
    tls: str = "TLSv1.3",
    flavour: str = "",
    **more: object,
) -> ServiceStatus:
    ordered = sorted(recent)
    status = ServiceStatus(
        name=name,
        title=title,
        state=State.HEALTHY,
        required=True,
        version=version,
        flavour=flavour,
        role=role,
        endpoint=f"127.0.0.1:{port}",
        tls_endpoint=f"127.0.0.1:{tls_port}" if tls_port else "",
        tls=tls,
        certificate=_certificate(name, days),
        approle=f"{name.replace('_', '-')}-role",
        config_source=f"{HOME}/{config}",
        connect=connect,
        latency_ms=Latency(ordered[len(ordered) // 2], ordered[-1], 30, recent),
        uptime_s=11_110.0,
        cpu_percent=cpu,
        memory_bytes=int(memory * MIB),
        units=(UnitUsage(name, pid, True, AT - 11_110, cpu, int(memory * MIB)),),
    )
    return msgspec.structs.replace(status, **more)


def _services() -> tuple[ServiceStatus, ...]:
    ca = f"{HOME}/secrets/ca.crt"
    return (
        _service(
            "vault", "Vault", "2.7.0", "active", 18200, None,
            (3.9, 4.2, 4.0, 3.8, 4.4, 4.1, 3.9, 4.0), 151, 0.6,
            f"BAO_ADDR=https://127.0.0.1:18200 BAO_CACERT={ca} bao status", "config/vault.hcl",
            41201, flavour="OpenBao", tls="TLS only",
            facts={"seal": "unsealed", "cluster": "devstack"},
        ),
        _service(
            "postgres", "PostgreSQL", "15.14", "primary", 15432, None,
            (2.4, 2.2, 2.9, 2.3, 6.1, 2.4, 2.2, 2.5), 92, 1.1,
            f"psql 'host=127.0.0.1 port=15432 user=app dbname=app sslmode=verify-full "
            f"sslrootcert={ca}'",
            "config/postgresql.conf", 41233, facts={"connections": "2 of 100"},
        ),
        _service(
            "mysql", "MySQL", "10.11.14", "primary", 13306, None,
            (5.2, 5.0, 5.5, 5.1, 5.0, 5.3, 5.2, 5.1), 118, 0.9,
            f"mariadb --host=127.0.0.1 --port=13306 --user=app --password --ssl-ca={ca} app",
            "config/my.cnf", 41240, flavour="MariaDB", days=52,
            facts={"connections": "1 of 151"},
        ),
        _service(
            "mongodb", "MongoDB", "6.0.5", "standalone", 17017, None,
            (7.9, 8.4, 8.1, 12.6, 8.0, 7.8, 8.2, 8.0), 164, 1.4,
            f"mongosh 'mongodb://app@127.0.0.1:17017/app?tls=true&tlsCAFile={ca}'",
            "config/mongod.conf", 41251, facts={"connections": "5 of 51200"},
        ),
        _service(
            "redis", "Redis Cluster", "7.0.15", "cluster 3+3", 16379, 16390,
            (9.1, 9.6, 9.2, 9.0, 10.4, 9.3, 9.1, 9.2), 61.4, 3.8,
            f"redis-cli -c -h 127.0.0.1 -p 16390 --tls --cacert {ca} --askpass",
            "config/redis-1.conf (and 5 more)", 41260,
            units=tuple(
                UnitUsage(f"redis-{n}", 41259 + n, True, AT - 11_110, 0.6, int(10.2 * MIB))
                for n in range(1, 7)
            ),
            nodes=tuple(
                NodeObservation(
                    f"redis-{n}", State.HEALTHY, "master" if n <= 3 else "replica",
                    f"127.0.0.1:{port}",
                    (
                        "slots 0-5460", "slots 5461-10922", "slots 10923-16383",
                        "of redis-1, lag 0 B", "of redis-2, lag 0 B", "of redis-3, lag 0 B",
                    )[n - 1],
                    1.1 + n / 10,
                )
                for n, port in enumerate(REDIS_PORTS, 1)
            ),
            facts={"slots": "16384 of 16384 served", "nodes": "6 of 6 answer", "epoch": "6"},
        ),
        _service(
            "rabbitmq", "RabbitMQ", "3.10.8", "disc", 14672, 14671,
            (15.2, 14.8, 16.1, 15.0, 31.5, 15.3, 15.1, 14.9), 128, 2.2,
            f"pika amqps://app@127.0.0.1:14671/app (CA {ca})", "config/rabbitmq.conf", 41290,
            days=355, facts={"queues": "0"},
        ),
        _service(
            "reference_api", "Reference API", "0.1.0", "app", 18000, 18443,
            (21.0, 22.4, 20.8, 21.7, 21.1, 24.9, 21.3, 21.0), 87, 1.9,
            f"curl --cacert {ca} https://127.0.0.1:18443/health/all", "config/api.json", 41333,
            days=21,
        ),
        ServiceStatus(
            name="forgejo", title="Forgejo", state=State.ABSENT, required=False,
            reason="neither forgejo nor gitea is in PATH",
            remedy="put the forgejo binary into PATH, or use the compose engine",
            endpoint="127.0.0.1:13000", approle="forgejo-role",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    write()
