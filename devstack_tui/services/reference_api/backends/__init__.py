"""The services behind the API: connected to when they are first needed, never at the start."""

from __future__ import annotations

import asyncio
from typing import TypeVar, cast

from devstack_tui.services.reference_api.backends.base import AbsentError, Backend, UnavailableError
from devstack_tui.services.reference_api.backends.mongodb import MongoDb
from devstack_tui.services.reference_api.backends.mysql import MySql
from devstack_tui.services.reference_api.backends.postgres import Postgres
from devstack_tui.services.reference_api.backends.rabbitmq import RabbitMq
from devstack_tui.services.reference_api.backends.redis import RedisCache
from devstack_tui.services.reference_api.backends.vault import Vault
from devstack_tui.services.reference_api.config import ApiConfig

__all__ = ["NAMES", "AbsentError", "Backends", "UnavailableError"]

B = TypeVar("B", bound=Backend)
NAMES = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq")


class Backends:
    """One of each service that is part of the stack. The others raise `AbsentError`."""

    def __init__(self, config: ApiConfig) -> None:
        self.config = config
        self.vault = Vault(config)
        self._all: dict[str, Backend] = {"vault": self.vault}
        for kind in (Postgres, MySql, MongoDb, RedisCache, RabbitMq):
            if (peer := config.peers.get(kind.name)) is not None:
                self._all[kind.name] = kind(peer, config.ca, self.vault)

    def get(self, name: str) -> Backend:
        """The backend called `name`. Raises `AbsentError` if the stack has none."""
        try:
            return self._all[name]
        except KeyError:
            raise AbsentError(name) from None

    def of(self, kind: type[B]) -> B:
        """The backend of that class. Raises `AbsentError` if the stack has none."""
        return cast(B, self.get(kind.name))

    async def close(self) -> None:
        """Close every connection; Vault's token is revoked last."""
        others = [one.close() for one in self._all.values() if one is not self.vault]
        await asyncio.gather(*others, return_exceptions=True)
        await self.vault.close()
