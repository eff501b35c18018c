"""MongoDB's workloads, by its driver over plain TCP, in a collection of their own
in the database of the applications' account."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen.closed_loop import run_for_seconds, run_in_windows
from devstack_tui.loadgen.driver_errors import WrongAnswer, driver_errors
from devstack_tui.services.mongodb.client import connect

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient
    from pymongo.collection import Collection

    Client = MongoClient[dict[str, Any]]
    Documents = Sequence[RawBSONDocument]

COLLECTION = "devstack_tui_bench"
_LIMIT_S = 8.0  # for one answer, below the loop's own
_PREPARE_LIMIT_S = 60.0
_FIND_S = 1.0  # the driver would look for a server that is gone as long as for an answer
_CHUNK = 10_000


class _Mongodb:
    """What both workloads share."""

    drivers: tuple[str, ...] = ("pymongo",)

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """The driver and its version."""
        return "pymongo", version("pymongo")

    def settings(self, bench: Bench) -> dict[str, str]:
        """What the storage engine works with, in bytes and milliseconds."""
        database = bench.target.credentials.database
        with _client(bench.target.as_admin(), "MongoDB's settings") as client:
            status = client.admin.command("serverStatus")
            options = client.admin.command("getCmdLineOpts").get("parsed", {})
            interval = client.admin.command({"getParameter": 1, "journalCommitInterval": 1})
            stats = client[database].command("collStats", COLLECTION)
            concern = client.write_concern.document
        return {
            **effective(status, options, interval, stats),
            "write_concern": ", ".join(f"{k}: {v}" for k, v in concern.items()) or "the server's",
            "connection": "TCP, no TLS",
        }

    def cleanup(self, target: Target) -> None:
        """Drop the collection."""
        with _client(target, "MongoDB's benchmark data") as client:
            _documents(client, target).drop()


class BulkInsert(_Mongodb):
    """Unordered inserts of many documents each, by one client.

    The same batch again and again into a collection that is emptied between windows: long enough
    for journal syncs, and at full size a checkpoint, to be in it. The server gives each document
    its `_id`, as it does for every document that comes without one.
    """

    name = "mongodb.bulk_insert"
    unit = "docs/s"

    def prepare(self, bench: Bench) -> None:
        """An empty collection."""
        _recreate(bench.target)

    def run(self, bench: Bench) -> Measurement:
        """The documents are encoded before the time begins."""
        batch = documents(int(bench.params["documents"]))
        return run_in_windows(
            bench, lambda _: _Inserter(bench.target, batch), lambda: _recreate(bench.target)
        )


class FindById(_Mongodb):
    """One document by its `_id`."""

    name = "mongodb.find_by_id"
    unit = "ops/s"

    def prepare(self, bench: Bench) -> None:
        """`documents` documents."""
        _recreate(bench.target)
        left = int(bench.params["documents"])
        with _client(bench.target, "MongoDB's benchmark data") as client:
            collection = _documents(client, bench.target)
            first = 0
            while left > 0 and not bench.stop.is_set():
                size = min(left, _CHUNK)
                collection.insert_many(documents(size, first), ordered=False)
                left, first = left - size, first + size

    def run(self, bench: Bench) -> Measurement:
        """Random ids, evenly over all documents."""
        documents = int(bench.params["documents"])
        return run_for_seconds(
            bench,
            lambda number: _Finder(bench.target, documents, _chance(number)),
        )


class _Inserter:
    """One connection that inserts a ready-made batch."""

    def __init__(self, target: Target, batch: Documents) -> None:
        self._client = _connect(target, _LIMIT_S)
        self._collection = _documents(self._client, target)
        self._batch = batch

    def request(self) -> int:
        """One batch. The driver raises unless all of it is acknowledged."""
        self._collection.insert_many(self._batch, ordered=False)
        return len(self._batch)

    def close(self) -> None:
        self._client.close()


class _Finder:
    """One connection that asks for random documents."""

    def __init__(self, target: Target, documents: int, chance: random.Random) -> None:
        self._client = _connect(target, _LIMIT_S)
        self._collection = _documents(self._client, target)
        self._documents = documents
        self._chance = chance

    def request(self) -> int:
        """One find, whose document must come."""
        wanted = int(self._chance.random() * self._documents)
        if self._collection.find_one({"_id": wanted}) is None:
            raise WrongAnswer(f"no document {wanted}")
        return 1

    def close(self) -> None:
        self._client.close()


def documents(count: int, first: int | None = None) -> Documents:
    """`count` encoded documents of about 150 bytes, the same every time; with `_id`s from `first`
    on, or without any."""
    import bson
    from bson.raw_bson import RawBSONDocument

    chance = _chance(0)
    return [
        RawBSONDocument(
            bson.encode(
                {
                    **({} if first is None else {"_id": bson.Int64(first + number)}),
                    "name": f"user {chance.getrandbits(64):016x}",
                    "email": f"{chance.getrandbits(64):016x}@example.org",
                    "amount": chance.random() * 1000,
                    "active": True,
                    "tags": ["alpha", "beta"],
                }
            )
        )
        for number in range(count)
    ]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - nothing secret is made of it


def effective(
    status: dict[str, Any], options: dict[str, Any], interval: dict[str, Any], stats: dict[str, Any]
) -> dict[str, str]:
    """The settings, out of the answers to serverStatus, getCmdLineOpts, getParameter, collStats.

    The journal's compressor can be read from the start options only; without one it is snappy.
    """
    cache = status.get("wiredTiger", {}).get("cache", {})
    engine = options.get("storage", {}).get("wiredTiger", {}).get("engineConfig", {})
    created = str(stats.get("wiredTiger", {}).get("creationString", ""))
    block = re.search(r"block_compressor=(\w*)", created)
    return {
        "storage_engine": str(status.get("storageEngine", {}).get("name", "")),
        "wiredtiger_cache_bytes": str(cache.get("maximum bytes configured", "")),
        "journal_commit_interval_ms": str(interval.get("journalCommitInterval", "")),
        "journal_compressor": str(engine.get("journalCompressor", "snappy (default)")),
        "block_compressor": (block[1] or "none") if block else "",
    }


@contextlib.contextmanager
def _client(target: Target, what: str) -> Iterator[Client]:
    with driver_errors(what), _connect(target, _PREPARE_LIMIT_S) as client:
        yield client


def _connect(target: Target, limit: float) -> Client:
    return connect(target, limit, tls=False, find_within=_FIND_S)


def _recreate(target: Target) -> None:
    with _client(target, "MongoDB's benchmark data") as client:
        _documents(client, target).drop()
        client[target.credentials.database].create_collection(COLLECTION)


def _documents(client: Client, target: Target) -> Collection[dict[str, Any]]:
    return client[target.credentials.database][COLLECTION]


WORKLOADS: tuple[Workload, ...] = (BulkInsert(), FindById())
