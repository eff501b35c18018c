"""`job follow`: the events of a job, started from any terminal or console."""

from __future__ import annotations

import argparse
import contextlib

import msgspec

from devstack_tui.cli.running import run_to_end
from devstack_tui.core import codec
from devstack_tui.core.paths import DEFAULT_STACK
from devstack_tui.jobs.runner import Job


class _DoneEvent(msgspec.Struct, frozen=True):
    """The end of every verb's events."""

    exit_code: int


def run(options: argparse.Namespace) -> int:
    """Run `job follow`; a job is still there when its stack is wiped."""
    job = Job.find(getattr(options, "stack", DEFAULT_STACK), options.id)
    return run_to_end(_follow(job), only_output=True)


async def _follow(job: Job) -> int:
    last = b""
    async with contextlib.aclosing(job.batches()) as batches:
        async for batch in batches:
            lines = b"\n".join(filter(None, batch))
            if lines:
                print(lines.decode(errors="replace"), flush=True)
            last = next(filter(None, reversed(batch)), last)
    with contextlib.suppress(ValueError):
        return codec.decode(last, _DoneEvent).exit_code
    raise job.error()
