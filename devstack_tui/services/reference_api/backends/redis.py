"""Redis: the cluster as a cache, and what its nodes say about themselves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from devstack_tui.contracts.model import own_name
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.client import node_name, trust
from devstack_tui.services.reference_api.backends.base import CONNECT_S, Backend, RefusedError
from devstack_tui.services.reference_api.config import Peer

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster, SSLConnection

    from devstack_tui.services.reference_api.backends.vault import Vault

SIZE = 16
R = TypeVar("R")
PROBE_KEY = "reference-api:health"


class RedisCache(Backend):
    """A pool of cluster clients, and a client for each node that is asked by name; over verified
    TLS.

    A cluster client serves one request at a time: when a connection fails, the driver closes all
    that it believes idle, one that another request has just taken among them.
    """

    name = "redis"

    def __init__(self, peer: Peer, ca: str, vault: Vault) -> None:
        super().__init__(peer, ca, vault)
        self._slots = asyncio.Semaphore(SIZE)
        self._idle: list[RedisCluster] = []
        self._clients: dict[int, Redis] = {}
        self._answered = 0

    async def value(self, key: str) -> tuple[str | None, int]:
        """The value of `key`, None if there is none, and its time to live in s (-1: for ever)."""
        async with self._cluster() as cluster:
            value = await self._string(cluster, key)
            return value, int(await cluster.ttl(key)) if value is not None else -2

    async def put(self, key: str, value: str, ttl: int | None) -> None:
        """Set `key`; `ttl` in seconds, None for ever."""
        async with self._cluster() as cluster:
            await cluster.set(key, value, ex=ttl)

    async def delete(self, key: str) -> bool:
        """Remove `key`; whether it was there."""
        async with self._cluster() as cluster:
            return bool(await cluster.delete(key))

    async def check(self) -> dict[str, str]:
        """A write and a read, and whether every slot is served."""
        async with self._cluster() as cluster:
            await cluster.set(PROBE_KEY, "1", ex=30)
            await cluster.get(PROBE_KEY)
        info = await self.info()
        slots = int(info["cluster_slots_ok"])
        if slots != topology.SLOTS:
            raise RuntimeError(f"{topology.SLOTS - slots} slots are not served")
        about = await self._any(lambda node: node.info("server"))
        return {"version": str(about["redis_version"]), "slots": str(slots)}

    async def nodes(self) -> tuple[topology.ClusterNode, ...]:
        """The cluster as the first node that answers sees it."""
        return topology.parse_nodes(await self._any(lambda node: _raw(node, "CLUSTER NODES")))

    async def info(self) -> dict[str, str]:
        """CLUSTER INFO of the first node that answers."""
        return topology.parse_info(await self._any(lambda node: _raw(node, "CLUSTER INFO")))

    async def node_info(self, name: str) -> dict[str, Any]:
        """INFO of the node called `name`. Raises `RefusedError` (404) for an unknown one."""
        names = [node_name(index) for index in range(self._count)]
        if name not in names:
            raise RefusedError(404, f"unknown node: this cluster has {', '.join(names)}")
        async with self._turn():
            client = await self._node(names.index(name))
            info: dict[str, Any] = await client.info("all")
            return info

    def name_of(self, port: int) -> str:
        """The name of the node with this TLS port."""
        return node_name(port - self.peer.ports["tls"])

    async def close(self) -> None:
        """See `Backend`."""
        closing: list[Redis | RedisCluster] = [*self._clients.values(), *self._idle]
        self._clients, self._idle = {}, []
        for client in closing:
            await client.aclose()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        from redis.exceptions import AuthenticationError, NoPermissionError

        async with self._slots:
            try:
                yield
            except (AuthenticationError, NoPermissionError):  # or the account is another by now
                self.forget()
                await self.close()
                raise

    @property
    def _count(self) -> int:
        options = self.peer.options
        return int(options["masters"]) * (1 + int(options["replicas"]))

    async def _options(self) -> dict[str, Any]:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        who = await self.credentials()
        return {
            "username": who.user or None,
            "password": who.password,
            "ssl": True,
            "socket_timeout": CONNECT_S,
            "socket_connect_timeout": CONNECT_S,
            "decode_responses": True,
            # The cache may hold anything: what is no text is shown as well as it can be.
            "encoding_errors": "replace",
            "protocol": 2,
            "client_name": "reference-api",
            # One more try, which asks the cluster anew who owns the slot; never with a pause.
            "retry": Retry(NoBackoff(), 1),
        }

    @contextlib.asynccontextmanager
    async def _cluster(self) -> AsyncIterator[RedisCluster]:
        """A cluster client for one request alone."""
        from redis.exceptions import AuthenticationError, NoPermissionError

        async with self._turn():
            cluster = self._idle.pop() if self._idle else await self._opened()
            try:
                yield cluster
            except (AuthenticationError, NoPermissionError):  # it would stay so for ever
                await cluster.aclose()
                raise
            except BaseException:
                self._idle.append(cluster)
                raise
            self._idle.append(cluster)

    async def _opened(self) -> RedisCluster:
        from redis.asyncio.cluster import ClusterNode, RedisCluster

        first = self.peer.ports["tls"]
        nodes = [ClusterNode(self.peer.host, first + index) for index in range(self._count)]
        # A key of a living shard is served, whatever the others do.
        cluster = RedisCluster(
            startup_nodes=nodes, require_full_coverage=False, **await self._options()
        )
        # Those that it finds are made from what it was made with itself.
        cluster.connection_kwargs["connection_class"] = _pinned(self.ca)
        for node in cluster.startup_nodes:
            node.connection_class = _pinned(self.ca)
        return cluster

    async def _node(self, index: int) -> Redis:
        if index not in self._clients:
            from redis.asyncio import Redis

            port = self.peer.ports["tls"] + index
            options = await self._options()
            client = Redis(host=self.peer.host, port=port, **options)
            client.connection_pool.connection_class = _pinned(self.ca)
            self._clients.setdefault(index, client)
        return self._clients[index]

    async def _any(self, ask: Callable[[Redis], Awaitable[R]]) -> R:
        """The answer of the first node that gives one; who answered last is asked first."""
        errors: list[Exception] = []
        async with self._turn():
            for step in range(self._count):
                index = (self._answered + step) % self._count
                try:
                    result = await ask(await self._node(index))
                except Exception as error:  # the next may live
                    errors.append(error)
                else:
                    self._answered = index
                    return result
            raise errors[0]

    async def _string(self, cluster: RedisCluster, key: str) -> str | None:
        from redis.exceptions import ResponseError

        try:
            value = await cluster.get(key)
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                raise RefusedError(409, "the key holds something else than a string") from None
            raise
        return None if value is None else str(value)


@functools.cache
def _pinned(ca: str) -> type[SSLConnection]:
    """The driver's connection with our context in place of the one that it makes."""
    from redis.asyncio import SSLConnection

    class PinnedConnection(SSLConnection):
        def _connection_arguments(self) -> dict[str, Any]:
            # Past SSLConnection's own, which reads every authority of the system.
            plain = super(SSLConnection, self)._connection_arguments()
            return {**plain, "ssl": trust(Path(ca), own_name("redis"))}

    return PinnedConnection


async def _raw(node: Any, command: str) -> str:
    """The reply as Redis writes it: the driver's parsed forms differ by its version."""
    node.set_response_callback(command, str)
    return str(await node.execute_command(command))
