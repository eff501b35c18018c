"""MongoDB, by PyMongo's asynchronous client, which has a pool of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from devstack_tui.contracts.model import own_name
from devstack_tui.services.mongodb.client import verify_name
from devstack_tui.services.reference_api.backends.base import CONNECT_S, Backend

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

    Client = AsyncMongoClient[dict[str, Any]]

R = TypeVar("R")
SIZE = 16
AUTHENTICATION_FAILED = 18
COLLECTION = "reference_api"
DOCUMENT = {"_id": "greeting", "text": "hello from MongoDB"}
QUERY = f'{COLLECTION}.find_one({{"_id": "greeting"}})'


class MongoDb(Backend):
    """One client over verified TLS, made again when it cannot log in."""

    name = "mongodb"
    _client: Client | None = None
    _database = ""

    async def query(self) -> dict[str, Any]:
        """One document by its id; it is written the first time."""

        async def work(client: Client) -> dict[str, Any]:
            collection = client[self._database][COLLECTION]
            found = await collection.find_one({"_id": DOCUMENT["_id"]})
            if found is None:
                await collection.replace_one({"_id": DOCUMENT["_id"]}, DOCUMENT, upsert=True)
            return found or dict(DOCUMENT)

        return await self._run(work)

    async def check(self) -> dict[str, str]:
        """A command that needs the login."""

        async def work(client: Client) -> str:
            await client[self._database].command("dbStats")
            info = await client[self._database].command("buildInfo")
            return str(info["version"])

        return {"version": await self._run(work)}

    async def close(self) -> None:
        """See `Backend`."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _run(self, work: Callable[[Client], Awaitable[R]]) -> R:
        from pymongo.errors import OperationFailure

        try:
            return await work(await self._connected())
        except OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                self.forget()
                await self.close()
            raise

    async def _connected(self) -> Client:
        if self._client is not None:
            return self._client
        from pymongo import AsyncMongoClient

        who = await self.credentials()
        limit = int(CONNECT_S * 1000)
        self._database = who.database
        self._client = AsyncMongoClient(
            self.peer.host,
            self.peer.port,
            username=who.user,
            password=who.password,
            authSource="admin",
            tls=True,
            tlsCAFile=self.ca,
            # The stack's certificates name no OCSP responder.
            tlsDisableOCSPEndpointCheck=True,
            directConnection=True,
            maxPoolSize=SIZE,
            serverSelectionTimeoutMS=limit,
            connectTimeoutMS=limit,
            socketTimeoutMS=limit * 2,
            appname="reference-api",
            connect=False,
        )
        verify_name(self._client, self.ca, own_name(self.name))
        return self._client
