"""What was measured on one stack: every run, in a SQLite file that survives a crash.

The rollback journal with full synchronisation (SQLite's default) makes every addition whole or
absent after a `kill -9` or a power cut, and needs no other file beside the database. Reading never
changes the file. One that is corrupt nevertheless is reported in `notes` by who reads it, and set
aside by who adds to it: history is no reason to fail.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import StackPaths

FILE = "history.db"
BUSY_S = 5.0
_Result = TypeVar("_Result")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY NOT NULL,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            size TEXT NOT NULL,
            started REAL NOT NULL,
            fingerprint TEXT NOT NULL,
            document TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX runs_by_name ON runs (kind, name, started)",
    ),
)
"""Number n brings a file of schema n to schema n + 1. Only ever add to this."""
SCHEMA = len(MIGRATIONS)
RENAMED = {"check": (b'"seed":', b'"core":')}
"""Keys of earlier releases in the documents of a kind, which are read by their present names.
A quotation mark inside a JSON text is escaped, so that only keys can match."""
_COLUMNS = "id, kind, name, size, started, fingerprint, document"
_DROP_OLDER = """
DELETE FROM runs WHERE rowid IN (
    SELECT rowid FROM runs WHERE kind = ? AND name = ?
    ORDER BY started DESC, rowid DESC LIMIT -1 OFFSET ?
)
"""


class Row(msgspec.Struct, frozen=True):
    """One run. `kind` is the capability (`bench`, `drill` …), `name` what ran, `started` Unix time
    in seconds, `fingerprint` a digest, `document` its JSON."""

    id: str
    kind: str
    name: str
    size: str
    started: float
    fingerprint: str
    document: bytes


Rows: TypeAlias = list[Row]  # for a class that has a method called `list`
Subjects: TypeAlias = list[tuple[str, str]]


class History:
    """The history at `path`. Threads and processes may share it: each call is a transaction.

    Every method raises `DevstackError` when the file cannot be read or written, and when a newer
    release has changed it. `notes` are sentences for the user, about what was set aside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []

    @classmethod
    def of(cls, paths: StackPaths) -> History:
        """The history of one stack."""
        return cls(paths.root / FILE)

    def add(  # noqa: PLR0917 - the columns, in their order
        self,
        kind: str,
        id: str,
        name: str,
        size: str,
        started: float,
        fingerprint: str,
        document: bytes,
        *,
        newest: int | None = None,
    ) -> None:
        """Keep a run; on the disk when this returns. Of its kind and name only the `newest` stay,
        if that is given. Raises `DevstackError` for an id that is there already, and `ValueError`
        for a document that is no JSON."""
        try:
            codec.decode(document, object)
        except msgspec.DecodeError as error:
            raise ValueError(f"the document is no JSON: {error}") from None
        row = (id, kind, name, size, started, fingerprint, document.decode())

        def insert(database: sqlite3.Connection) -> None:
            database.execute(f"INSERT INTO runs ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)", row)  # noqa: S608
            if newest is not None:
                database.execute(_DROP_OLDER, (kind, name, newest))

        try:
            # One that is there keeps its mode: servers of other accounts may have to walk through.
            if not self.path.parent.exists():
                files.make_dir(self.path.parent)
        except OSError as error:
            raise files.explain(error, "opening the history") from None
        self._use(insert, "writing the history")

    def list(self, kind: str, name: str | None = None, limit: int = 100) -> Rows:
        """The last `limit` runs of a kind, newest first; of one name if it is given."""
        query = f"SELECT {_COLUMNS} FROM runs WHERE kind = ?"  # noqa: S608
        values: tuple[str | int, ...] = (kind,)
        if name is not None:
            query += " AND name = ?"
            values = (kind, name)
        return self._select(
            query + " ORDER BY started DESC, rowid DESC LIMIT ?", (*values, max(0, limit))
        )

    def get(self, id: str, kind: str | None = None) -> Row:
        """The run with this id, or the only one whose id begins so.

        Raises `UsageError` when there is none, or more than one.
        """
        which, values = ("AND kind = ?", (kind,)) if kind else ("", ())
        start = f"SELECT {_COLUMNS} FROM runs WHERE"  # noqa: S608
        found = self._select(f"{start} id = ? {which}", (id, *values))
        if not found and id:
            found = self._select(
                f"{start} substr(id, 1, ?) = ? {which} ORDER BY started DESC LIMIT 5",
                (len(id), id, *values),
            )
        if not found:
            raise UsageError(f"there is no run {id!r} in the history", "the list shows their ids")
        if len(found) > 1:
            raise UsageError(
                f"more than one run begins with {id!r}",
                "give more of its id: " + ", ".join(row.id for row in found),
            )
        return found[0]

    def subjects(self) -> Subjects:
        """What was run: every pair of kind and name, sorted."""

        def read(database: sqlite3.Connection) -> Subjects:
            query = "SELECT DISTINCT kind, name FROM runs ORDER BY kind, name"
            return database.execute(query).fetchall()

        return self._read(read, [])

    def _select(self, query: str, values: tuple[str | int | None, ...]) -> Rows:
        def read(database: sqlite3.Connection) -> Rows:
            rows = database.execute(query, values).fetchall()
            return [_row(row) for row in rows]

        return self._read(read, [])

    # -- the file ----------------------------------------------------------------------------

    def _read(self, work: Callable[[sqlite3.Connection], _Result], empty: _Result) -> _Result:
        """`work` on the file as it is; `empty` where there is none yet, or a corrupt one."""
        doing = "reading the history"
        try:
            return self._as_it_is(work) if self._exists() else empty
        except sqlite3.Error as error:
            if not _corrupt(error):
                raise _explain(error, self.path, doing) from None
            note = f"{self.path} is corrupt: the next run that is kept sets it aside"
            if note not in self.notes:
                self.notes.append(note)
            return empty
        except OSError as error:
            raise files.explain(error, doing) from None

    def _exists(self) -> bool:
        """Raises `OSError` for what is no regular file: SQLite would wait for a pipe."""
        if self.path.exists() and not self.path.is_file():
            raise OSError(errno.EINVAL, "no regular file", str(self.path))
        return self.path.exists()

    def _as_it_is(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """A file of an older schema, and one whose last addition was killed, is read from a copy
        that is brought up to date."""
        try:
            address = f"{self.path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(
                sqlite3.connect(address, timeout=BUSY_S, isolation_level=None, uri=True)
            ) as database:
                if _version(database) >= SCHEMA:
                    self._migrate(database)  # refuses a newer one
                    _ours(database)
                    with _transaction(database, "BEGIN"):
                        return work(database)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        with tempfile.TemporaryDirectory(prefix="devstack-tui-") as folder:
            for found in self.path.parent.glob(f"{self.path.name}*"):
                if found.name in (self.path.name, f"{self.path.name}-journal"):
                    shutil.copy(found, folder)
            return History(Path(folder) / self.path.name)._once(work)

    def _use(self, work: Callable[[sqlite3.Connection], _Result], doing: str) -> _Result:
        """`work` in a transaction, once more on a new file if the old one turns out corrupt."""
        try:
            try:
                return self._once(work)
            except sqlite3.DatabaseError as error:
                if not _corrupt(error):
                    raise
                self._set_aside()
                return self._once(work)
        except sqlite3.IntegrityError:
            raise DevstackError("this run is in the history already") from None
        except sqlite3.Error as error:
            raise _explain(error, self.path, doing) from None
        except OSError as error:
            raise files.explain(error, doing) from None

    def _once(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        # Made by us, because SQLite would make it readable to all; its journal gets the same mode.
        # Never opened when it is there: closing it again would drop the locks that SQLite holds on
        # it for the other threads of this process.
        if not self._exists():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, files.PRIVATE_FILE))
        with contextlib.closing(
            sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        ) as database:
            database.execute("PRAGMA synchronous = FULL")
            self._migrate(database)
            _ours(database)
            with _transaction(database, "BEGIN"):
                return work(database)

    def _migrate(self, database: sqlite3.Connection) -> None:
        if _version(database) == SCHEMA:
            return
        with _transaction(database, "BEGIN IMMEDIATE"):
            # Asked again: another process may have done it while we waited.
            version = _version(database)
            if version > SCHEMA:
                raise DevstackError(
                    f"{self.path} was written by a newer release (schema {version}, this one "
                    f"knows {SCHEMA})",
                    "use the newer release, or move the file away",
                )
            for step in MIGRATIONS[version:]:
                for statement in step:
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA}")

    def check(self) -> None:
        """Read the whole file once; what is corrupt is set aside now instead of at its first use.

        Raises `DevstackError` as the others do.
        """
        if self.path.exists():
            self._use(_examine, "checking the history")

    def _set_aside(self) -> None:
        """Rename the corrupt file, unless another process already did."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            try:
                self._once(_examine)
            except sqlite3.DatabaseError as error:
                if not _corrupt(error):
                    raise
            else:
                return
            aside = _free(self.path, time.strftime("%Y%m%dT%H%M%S"))
            # A journal that stays behind would be rolled back into the new file.
            for ending in ("-journal", "-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    source = self.path.with_name(self.path.name + ending)
                    source.rename(aside.with_name(aside.name + ending))
            os.fsync(folder)
            self.notes.append(
                f"the history was corrupt: it is kept as {aside}, and a new one was begun"
            )
        finally:
            os.close(folder)


def _row(columns: tuple[Any, ...]) -> Row:
    found = Row(*(*columns[:-1], str(columns[-1]).encode()))
    if found.kind in RENAMED:
        return replace(found, document=found.document.replace(*RENAMED[found.kind]))
    return found


class _CorruptError(sqlite3.DatabaseError):
    """What a check found, or a file of SQLite that is not ours."""


def _examine(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _CorruptError(found)


def _ours(database: sqlite3.Connection) -> None:
    try:
        database.execute(f"SELECT {_COLUMNS} FROM runs LIMIT 0")  # noqa: S608
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise _CorruptError(str(error)) from None
        raise


def _corrupt(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return isinstance(error, _CorruptError) or code in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def _free(path: Path, stamp: str) -> Path:
    """A name for the corrupt file that no earlier one has."""
    made = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while made.exists():
        number += 1
        made = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    return made


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection, begin: str) -> Iterator[None]:
    database.execute(begin)
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _explain(error: sqlite3.Error, path: Path, doing: str) -> DevstackError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DevstackError(f"the disk is full while {doing}", "free some space, then try again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DevstackError(f"another process keeps {path} locked", "wait for it to end")
    return DevstackError(f"{path} cannot be used while {doing}: {error}")
