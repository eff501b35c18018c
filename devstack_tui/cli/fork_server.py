"""Answers the console's questions, each by a fork in which the ordinary `main` runs.

`python -m devstack_tui.cli.fork_server`, started by `devstack_tui.core.fork_server`, which
describes what goes over standard input and output. It ends when its standard input does, and
every fork with it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
from functools import partial

from devstack_tui.cli.main import VERBS, main
from devstack_tui.core import environment, files
from devstack_tui.core.fork_loop import ForkLoop, Step, Words

DRIVERS = ("cryptography.x509", "psycopg", "redis", "pymysql", "pymongo", "pika")
"""What questions about running servers need: imported when nobody asks."""
LAZY = ("devstack_tui.stack.recovery", "devstack_tui.security.tls_sabotage")
"""What the verbs import when they need it."""
PARTS = (
    *("launch", "server", "probe", "workloads", "tunables", "drills", "rolling", "checks"),
    *("tls", "sabotage"),
)
"""What questions about a service read of it."""


def run_verb(words: Words) -> int:
    """`main` as the process of a command line would run it."""
    sys.argv = ["devstack-tui", *words]
    try:
        return main(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def _steps() -> tuple[list[Step], list[Step]]:
    """Modules to import, and programs whose version is asked once: it stands as long as the
    program is not replaced."""
    verbs = [f"devstack_tui.cli.verbs.{name}" for name in dict.fromkeys(VERBS.values())]
    early: list[Step] = [partial(importlib.import_module, name) for name in (*verbs, *LAZY)]
    for name in _rooms("engines"):
        early.append(partial(importlib.import_module, f"{name}.engine"))
    for name in _rooms("services"):
        for part in PARTS:
            early.append(partial(importlib.import_module, f"{name}.{part}"))
        early.append(partial(_locate, name))
    return early, [partial(importlib.import_module, name) for name in DRIVERS]


def _rooms(folder: str) -> list[str]:
    found = importlib.import_module(f"devstack_tui.{folder}")
    return [name for _, name, _ in pkgutil.iter_modules(found.__path__, f"{found.__name__}.")]


def _locate(service: str) -> None:
    importlib.import_module(service).SERVICE.launcher().locate()


def _serve() -> None:
    environment.clean()
    files.dump_crashes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    with contextlib.suppress(BrokenPipeError):
        ForkLoop(requests, replies, run_verb).serve(*_steps())


if __name__ == "__main__":
    _serve()
