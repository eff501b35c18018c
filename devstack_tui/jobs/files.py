"""Job files: one file for each job, which begins with what the job is and goes on with its events.

They lie beside the stacks, in `.jobs/STACK/ID.jsonl`: a wipe of the stack leaves them,
and no stack can have that name. What the job writes on stderr is in `ID.stderr`. A job holds a
lock on its file for as long as it runs. The kernel drops the lock with the job's process, so
nobody has to trust a pid to learn whether a job runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator

import msgspec

from devstack_tui.core import codec, files, lock
from devstack_tui.core.errors import DevstackError, UsageError, unknown_name
from devstack_tui.core.paths import JOBS, StackPaths, state_home

SCHEMA = 1
KEPT = 20
"""How many ended jobs of a stack are kept."""
_ID = re.compile(r"(\d{8}-\d{6}-[0-9a-f]{4})\.jsonl")
_HEADER = 64 * 1024
_NO_PID = b'"pid":         0'
"""As wide as the largest pid, which is written over it once the process runs."""


class JobStarted(msgspec.Struct, frozen=True, tag_field="event", tag="job"):
    """The first line of a job file. `words` follow `verb` on the command line; `started_at` is
    Unix time in seconds; `pid` is 0 while the process is being started."""

    id: str
    stack: str
    verb: str
    words: tuple[str, ...]
    title: str
    started_at: float
    pid: int = 0
    schema: int = SCHEMA


class JobFiles:
    """The job files of one stack. Errors: `DevstackError`, with what to do about it."""

    def __init__(self, stack: str) -> None:
        self._stack = StackPaths.of(stack).name
        self._path = state_home() / JOBS / self._stack

    def create(self, verb: str, words: tuple[str, ...], title: str) -> tuple[JobStarted, int, int]:
        """A new job: its first line, the descriptor for its events, which holds the lock, and that
        for its stderr. Both are appended to, whoever has them."""
        now = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
        id = f"{stamp}-{secrets.token_hex(2)}"
        started = JobStarted(id, self._stack, verb, words, title, now)
        opened: list[int] = []
        try:
            self._make_directories()
            with self._directory() as folder:
                for suffix in ("jsonl", "stderr"):
                    name, flags = f"{id}.{suffix}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
                    opened.append(os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=folder))
                lock.take(opened[0])
                line = msgspec.json.encode(started).replace(b'"pid":0', _NO_PID, 1) + b"\n"
                os.write(opened[0], line)
        except BaseException as error:
            for fd in opened:
                os.close(fd)
            self.remove(id)
            if isinstance(error, OSError):
                raise files.explain(error, f"starting {verb}") from None
            raise
        self._prune()
        return started, opened[0], opened[1]

    def name_process(self, started: JobStarted, pid: int) -> JobStarted:
        """Put the pid into the first line, in place. A disk that refuses is no reason to stop."""
        with contextlib.suppress(OSError, ValueError), self._directory() as folder:
            fd = os.open(f"{started.id}.jsonl", os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
            try:
                at = os.pread(fd, _HEADER, 0).index(_NO_PID)
                os.pwrite(fd, b'"pid":%10d' % pid, at)
            finally:
                os.close(fd)
        return msgspec.structs.replace(started, pid=pid)

    def open(self, id: str, suffix: str = "jsonl") -> int:
        """A descriptor to read a job's file."""
        # Without waiting: a pipe in place of the file would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with self._directory() as folder:
                fd = os.open(f"{id}.{suffix}", flags, dir_fd=folder)
        except OSError as error:
            raise files.explain(error, f"reading the job {id}") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise DevstackError(f"the job {id}: {id}.{suffix} is no regular file", "remove it")
        return fd

    def ids(self) -> list[str]:
        """Every job that has a file, the newest first."""
        with contextlib.suppress(OSError):
            found = [_ID.fullmatch(path.name) for path in self._path.iterdir()]
            return sorted((match[1] for match in found if match), reverse=True)
        return []

    def find(self, id: str) -> str:
        """The job that is meant: without `id` the newest that runs."""
        known = self.ids()
        if not id:
            if running := self.running():
                return running[0].id
            last = f"`devstack-tui --stack {self._stack} job follow {known[0]}`" if known else ""
            remedy = f"{last} shows the last one" if last else ""
            raise UsageError(f"no job of the stack {self._stack!r} runs", remedy)
        if id not in known:
            raise unknown_name("job", id, known)
        return id

    def running(self) -> list[JobStarted]:
        """The jobs that run now, the newest first. What cannot be read is left out."""
        found = []
        for id in self.ids():
            with contextlib.suppress(DevstackError, OSError, ValueError):
                fd = self.open(id)
                try:
                    if lock.is_locked(fd):
                        found.append(header(fd, id))
                finally:
                    os.close(fd)
        return found

    @contextlib.contextmanager
    def _directory(self) -> Iterator[int]:
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield fd
        finally:
            os.close(fd)

    def _make_directories(self) -> None:
        home = state_home()
        if not home.exists():
            files.make_dir(home, 0o711 if os.geteuid() == 0 else files.PRIVATE_DIR)
        files.make_dir(files.make_dir(self._path.parent) / self._stack)

    def _prune(self) -> None:
        running = {job.id for job in self.running()}
        for id in [id for id in self.ids() if id not in running][KEPT:]:
            self.remove(id)

    def remove(self, id: str) -> None:
        """Forget a job."""
        for suffix in ("jsonl", "stderr"):
            with contextlib.suppress(OSError), self._directory() as folder:
                os.unlink(f"{id}.{suffix}", dir_fd=folder)


def header(fd: int, id: str) -> JobStarted:
    """What the job in the file `id` is. Raises `ValueError` when its first line is damaged."""
    found = codec.decode(os.pread(fd, _HEADER, 0).partition(b"\n")[0], JobStarted)
    return msgspec.structs.replace(found, id=id)  # never a path that the file itself gives
