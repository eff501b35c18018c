"""No service can pose as another: its certificate is real, and our clients want another's name."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.tls import client_context
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.loadgen.http_client import HttpClient
from devstack_tui.services.mongodb.client import connect as mongodb
from devstack_tui.services.mysql.client import connect as mysql
from devstack_tui.services.postgres.client import connect as postgres
from devstack_tui.services.rabbitmq.client import connect as rabbitmq
from devstack_tui.services.rabbitmq.workloads import _open as plain_rabbitmq
from devstack_tui.services.redis.client import connect as redis
from devstack_tui.services.reference_api.backends import mongodb as api_mongodb
from devstack_tui.services.reference_api.backends import mysql as api_mysql
from devstack_tui.services.reference_api.backends import postgres as api_postgres
from devstack_tui.services.reference_api.backends import rabbitmq as api_rabbitmq
from devstack_tui.services.reference_api.backends import redis as api_redis
from devstack_tui.services.reference_api.backends.base import Backend
from devstack_tui.services.reference_api.backends.vault import Vault
from devstack_tui.services.reference_api.config import ApiConfig, Peer
from devstack_tui.services.vault.client import connect as hvac
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli

SERVICES = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq", "reference_api")
GREETING = b"\x0a10.11\0" + bytes(13) + b"\x00\x8a\x2d\x02\x00\x08\x00" + bytes(11) + bytes(13)
"""Of a MariaDB that offers TLS."""


@dataclass
class Impostor:
    """A server with another service's certificate, and what clients said to it once TLS stood."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """A connection came as far as TLS, and has ended."""


@contextlib.contextmanager
def impostor(cert: Path, key: Path, protocol: str) -> Iterator[Impostor]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Impostor(server.getsockname()[1])

        def talk(connection: socket.socket) -> None:
            connection.settimeout(60)
            try:
                with connection:
                    begin(connection, protocol)
                    with context.wrap_socket(connection, server_side=True) as secure:
                        # libpq verifies the name after the handshake.
                        if said := secure.recv(4096):
                            found.heard.append(said)
                        found.over.set()
            except ssl.SSLError:
                found.over.set()
            except OSError:
                pass  # a look at the port, without TLS

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=[server.accept()[0]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield found


def begin(connection: socket.socket, protocol: str) -> None:
    """What comes before TLS."""
    if protocol == "postgres":
        connection.recv(8)
        connection.sendall(b"S")
    elif protocol == "mysql":
        connection.sendall(len(GREETING).to_bytes(3, "little") + b"\0" + GREETING)
        connection.recv(36)


def probed(name: str) -> Callable[[Target], object]:
    return lambda target: service(name).probe()(target, 5.0)


def queried(name: str) -> Callable[[Target], object]:
    def work(target: Target) -> object:
        part = service(name).tls()
        assert part is not None
        return part.query(target, part.listeners(target)[0], True, 5.0)

    return work


def acknowledged(name: str) -> Callable[[Target], object]:
    def work(target: Target) -> object:
        acks = service(name).acks()
        assert acks is not None
        return acks.writer(target, "impostor", 5.0)

    return work


class Canary:
    """In place of Vault, which gives the API its passwords."""

    async def credentials_of(self, _name: str) -> Credentials:
        return Credentials("devstack", "canary", "devstack")

    def forget_secret(self, name: str) -> None:
        pass


def api(make: Callable[..., Backend], ask: str = "check") -> Callable[[Target], object]:
    def work(target: Target) -> object:
        peer = Peer(
            target.endpoint.host,
            target.endpoint.port,
            target.endpoint.tls_port,
            target.ports,
            {"masters": 1, "replicas": 0},
        )

        async def run() -> object:
            backend = make(peer, str(target.ca), Canary())
            asked: Awaitable[Any] = getattr(backend, ask)()
            try:
                return await asyncio.wait_for(asked, 20)
            finally:
                await backend.close()

        # PyMongo leaves a socket to the collector when a client is closed while it connects.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                return asyncio.run(run())
            except Exception as error:
                refused = str(error)  # without its frames, which hold that socket
            gc.collect()
            raise OSError(refused)

    return work


def vault_of_the_api(peer: Peer, ca: str, _source: Canary) -> Backend:
    files = str(Path(__file__))
    peers = {"vault": peer}
    return Vault(ApiConfig("s", "127.0.0.1", 1, 2, "", "", ca, files, files, peers))


def load(target: Target) -> object:
    context = client_context(target.ca, target.name)
    return HttpClient(target.endpoint.host, target.endpoint.port, "/", {"X": "canary"}, context)


def by_hvac(target: Target) -> object:
    with hvac(target, 5.0) as client:
        return client.sys.read_health_status()


def by_pymongo(target: Target) -> object:
    with mongodb(target, 1.0) as client:
        return client.admin.command("ping")


CLIENTS: dict[str, tuple[str, Callable[[Target], object]]] = {
    **{f"{name} probe": (name, probed(name)) for name in SERVICES},
    **{f"{name} audit": (name, queried(name)) for name in SERVICES},
    **{f"{name} acks": (name, acknowledged(name)) for name in SERVICES if name != "vault"},
    "vault api": ("vault", lambda target: VaultApi(target, "canary", 5.0).health()),
    "vault hvac": ("vault", by_hvac),
    "vault bench": ("vault", load),
    "postgres driver": ("postgres", lambda target: postgres(target, 5.0)),
    "mysql driver": ("mysql", lambda target: mysql(target, 5.0)),
    "mongodb driver": ("mongodb", by_pymongo),
    "redis driver": ("redis", lambda target: redis(target, 0, 5.0)),
    "rabbitmq driver": ("rabbitmq", lambda target: rabbitmq(target, 5.0).__enter__()),
    "api to vault": ("vault", api(vault_of_the_api)),
    "api to postgres": ("postgres", api(api_postgres.Postgres)),
    "api to mysql": ("mysql", api(api_mysql.MySql)),
    "api to mongodb": ("mongodb", api(api_mongodb.MongoDb)),
    "api to redis": ("redis", api(api_redis.RedisCache)),
    "api to a redis node": ("redis", api(api_redis.RedisCache, "info")),
    "api to rabbitmq": ("rabbitmq", api(api_rabbitmq.RabbitMq)),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_says_nothing_to_a_service_that_poses_as_another(
    live: Cli, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    live.enter(monkeypatch)
    name, use = CLIENTS[client]
    posing = "mysql" if name == "postgres" else "postgres"
    own = live.root / "data" / posing / "tls"
    known = Stack(live.stack).engine().target(service(name))
    with impostor(own / "server.crt", own / "server.key", name) as found:
        endpoint = msgspec.structs.replace(
            known.endpoint, port=found.port, tls_port=known.endpoint.tls_port and found.port
        )
        target = msgspec.structs.replace(
            known, endpoint=endpoint, ports=dict.fromkeys(known.ports, found.port)
        )
        with pytest.raises(Exception):  # noqa: B017 - each driver has its own
            use(target)
        assert found.over.wait(60)
        assert found.heard == []


START = b"\0\x0a\0\x0a\0\x09" + bytes(4) + b"\0\0\0\x05PLAIN\0\0\0\x05en_US"
"""RabbitMQ's first frame: it asks for a login."""


def plain_mongodb(target: Target) -> object:
    client = mongodb(target, 1.0, tls=False)
    with contextlib.ExitStack() as undo:
        undo.callback(client.close)
        client.admin.command("ping")
        undo.pop_all()
    return client


PLAIN: dict[str, tuple[str, Callable[[Target], object]]] = {
    "mysql driver": ("mysql", lambda target: mysql(target, 5.0, tls=False)),
    "mongodb driver": ("mongodb", plain_mongodb),
    "rabbitmq bench": ("rabbitmq", plain_rabbitmq),
}


@contextlib.contextmanager
def thief(protocol: str) -> Iterator[Impostor]:
    """A process that has bound a server's port, and greets as that would."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Impostor(server.getsockname()[1])

        def talk(connection: socket.socket) -> None:
            connection.settimeout(60)
            with connection, contextlib.suppress(OSError):
                if protocol == "mysql":
                    connection.sendall(len(GREETING).to_bytes(3, "little") + b"\0" + GREETING)
                elif protocol == "rabbitmq":
                    assert connection.recv(8) == b"AMQP\0\0\x09\x01"
                    connection.sendall(b"\1\0\0" + len(START).to_bytes(4, "big") + START + b"\xce")
                while said := connection.recv(4096):
                    found.heard.append(said)
            found.over.set()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=[server.accept()[0]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield found


@pytest.mark.parametrize("client", PLAIN)
def test_a_client_without_tls_says_nothing_to_whoever_has_taken_the_port(
    live: Cli, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    live.enter(monkeypatch)
    name, use = PLAIN[client]
    known = Stack(live.stack).engine().target(service(name))
    with thief(name) as found:
        endpoint = msgspec.structs.replace(known.endpoint, port=found.port)
        ports = {**known.ports, "main": found.port}
        with pytest.raises(Exception):  # noqa: B017 - each driver has its own
            use(msgspec.structs.replace(known, endpoint=endpoint, ports=ports))
        assert found.over.wait(60)
        assert found.heard == []
        # The same words, said by the stack's own server, are answered.
        with contextlib.closing(use(known)):  # type: ignore[type-var]
            pass
