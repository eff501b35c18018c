"""The process behind `devstack_tui.core.fork_server`: it forks for each question.

It has one thread, so that a fork is whole. What is read of a stack is read in a fork: no answer
is older than its question.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import select
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence

GRACE_S = 1.0
"""Between the request to end a fork and its end."""
_CHUNK = 1 << 16
Words = Sequence[str]
Step = Callable[[], object]


class _Fork:
    """One question that is being answered: what its verb has written so far."""

    def __init__(self, number: int, pid: int, out: int, err: int) -> None:
        self.number = number
        self.pid = pid
        self.written = {out: bytearray(), err: bytearray()}
        self.open = {out, err}
        self.status: int | None = None
        self.kill_at: float | None = None

    def end(self, number: int = signal.SIGTERM) -> None:
        """Signal it, and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class ForkLoop:
    """`requests` and `replies` are descriptors; `run` gives the exit status of a verb."""

    def __init__(self, requests: int, replies: int, run: Callable[[Words], int]) -> None:
        self._requests = requests
        self._replies = replies
        self._run = run
        self._rest = b""
        self._forks: dict[int, _Fork] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe()
        for fd in (requests, self._wake, self._woken):
            os.set_blocking(fd, False)
        self._selector.register(requests, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def serve(self, early: Sequence[Step], late: Sequence[Step]) -> None:
        """Answer until the requests end. One step is made at a time, while there is nothing to
        answer: the `early` ones at once, the `late` ones after the first answer."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        left, later = list(early), list(late)
        while True:
            busy = self._forks or not left
            for key, _ in self._selector.select(self._patience() if busy else 0):
                fd = key.fd
                if fd == self._requests:
                    if not self._take():
                        self._end_all()
                        return
                    left, later = left + later, []
                elif fd == self._wake:
                    os.read(self._wake, _CHUNK)
                else:
                    self._collect(fd)
            self._reap()
            if left and not self._forks:
                with contextlib.suppress(Exception):  # the fork that needs it reports it
                    left.pop(0)()
                # What is there stays: forks shall share it, not copy it.
                gc.freeze()

    def _patience(self) -> float | None:
        due = [fork.kill_at for fork in self._forks.values() if fork.kill_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _take(self) -> bool:
        """Begin what is asked; False when nobody can ask any more."""
        try:
            piece = os.read(self._requests, _CHUNK)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "words" in message:
                self._begin(message["id"], message["words"])
            for fork in self._forks.values():
                if fork.number == message.get("cancel"):
                    fork.end()
                    fork.kill_at = time.monotonic() + GRACE_S
        return bool(piece)

    def _begin(self, number: int, words: Words) -> None:
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os._exit(self._answer(words, out_end, err_end))
        os.close(out_end)
        os.close(err_end)
        fork = _Fork(number, pid, out, err)
        for fd in fork.open:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, fork)
        self._forks[pid] = fork

    def _answer(self, words: Words, out: int, err: int) -> int:
        """The work of a fork. Nothing of the server's may be left in it."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            ours = {self._requests, self._replies, self._wake, self._woken, out, err}
            for fd in ours.union(*(fork.open for fork in self._forks.values())):
                os.close(fd)
            self._selector.close()
            # Python's own streams remember what these descriptors were before.
            sys.stdout, sys.stderr = (
                io.TextIOWrapper(io.BufferedWriter(io.FileIO(fd, "w")), "utf-8") for fd in (1, 2)
            )
            status = self._run(words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:  # nothing may return into the server's loop
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            return 70
        return status

    def _collect(self, fd: int) -> None:
        """What a fork has written; at its end, one descriptor less."""
        fork: _Fork = self._selector.get_key(fd).data
        try:
            piece = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        fork.written[fd] += piece
        if not piece:
            self._forget(fork, fd)

    def _forget(self, fork: _Fork, fd: int) -> None:
        self._selector.unregister(fd)
        fork.open.discard(fd)
        os.close(fd)

    def _reap(self) -> None:
        """Answer for every fork that has ended; kill those that should have."""
        for fork in list(self._forks.values()):
            pid, status = os.waitpid(fork.pid, os.WNOHANG)
            if pid:
                # What it had started may keep its output open: that is no part of the answer.
                for fd in list(fork.open):
                    self._drain(fork, fd)
                del self._forks[pid]
                self._reply(fork, os.waitstatus_to_exitcode(status))
            elif fork.kill_at is not None and time.monotonic() >= fork.kill_at:
                fork.end(signal.SIGKILL)
                fork.kill_at = None

    def _drain(self, fork: _Fork, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(fd, _CHUNK):
                fork.written[fd] += piece
        self._forget(fork, fd)

    def _reply(self, fork: _Fork, status: int) -> None:
        out, err = fork.written.values()
        data = b"%d %d %d %d\n" % (fork.number, status, len(out), len(err)) + out + err
        while data:
            data = data[os.write(self._replies, data) :]

    def _end_all(self) -> None:
        for fork in self._forks.values():
            fork.end()
        deadline = time.monotonic() + GRACE_S
        while self._forks and (left := deadline - time.monotonic()) > 0:
            for pid in [pid for pid in self._forks if os.waitpid(pid, os.WNOHANG)[0]]:
                del self._forks[pid]
            if self._forks and select.select([self._wake], [], [], left)[0]:
                os.read(self._wake, _CHUNK)
        for fork in self._forks.values():
            fork.end(signal.SIGKILL)
