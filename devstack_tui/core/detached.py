"""A program in a session of its own whose lines we read: it outlives whoever reads them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Sequence

from devstack_tui.core.children import ERRORS_KEPT, MAX_LINE, failure
from devstack_tui.core.errors import DevstackError

_POLL_S = 0.1


class Detached:
    """Started by making it. Errors: `DevstackError` when the program cannot be started."""

    def __init__(self, argv: Sequence[str], what: str) -> None:
        self._what = what
        # Files without a name, not pipes: what outlives us must not die of a broken pipe.
        self._out = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._err = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                start_new_session=True,
            )
        except OSError as error:
            self._close()
            raise DevstackError(f"{what} cannot be started: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """Its process id, and its session's."""
        return self._process.pid

    @property
    def exit_code(self) -> int:
        """Its exit status once it has ended; negative: the signal. 0 before."""
        return self._process.returncode or 0

    async def batches(self) -> AsyncGenerator[list[bytes], None]:
        """Its lines, as many at a time as have come, until it ends. Close the generator to leave
        it alone: it goes on."""
        rest, offset = b"", 0
        while True:
            # Asked before reading: what was written before the end is then read after it.
            ended = self._process.poll() is not None
            chunk = os.pread(self._out.fileno(), MAX_LINE, offset)
            if chunk:
                offset += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                if lines:
                    yield lines
            elif ended:
                break
            else:
                await asyncio.sleep(_POLL_S)
        if rest:
            yield [rest]

    def error(self) -> DevstackError:
        """What it said on stderr, once it has ended."""
        stderr = os.pread(self._err.fileno(), ERRORS_KEPT, 0)
        return failure(stderr, self.exit_code, self._what)

    def leave(self) -> None:
        """No more is read; a program that still runs lives on."""
        if self._process.returncode is None:
            # It is meant to live on: no warning about a child that was not waited for.
            self._process.returncode = 0
        self._close()

    def _close(self) -> None:
        self._out.close()
        self._err.close()
