"""Calls into the running node, by Erlang's own distribution protocol."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import write_private
from devstack_tui.core.programs import find_program
from devstack_tui.core.redact import redact
from devstack_tui.services.rabbitmq import erlang

TIMEOUT_S = 10.0
COOKIE = ".erlang.cookie"


def caller() -> Path | None:
    """`erl_call` of Erlang, or None where the distribution left it out."""
    base = erlang.root()
    found = sorted(base.glob("erts-*/bin/erl_call")) if base else []
    return found[-1] if found else find_program("erl_call")


def evaluate(target: Target, files: ServiceFiles, expression: str) -> str:
    """The node evaluates `expression`, as `ssl:versions()`; returns the value as Erlang writes it.

    Among its `files` are its cookie and its name. Raises `DevstackError` when there is no
    `erl_call`, no node, or an exception.
    """
    program = caller()
    if program is None:
        raise DevstackError("erl_call is not on this machine: it belongs to Erlang")
    try:
        named = re.search(r"^-sname (\S+)$", files.read("vm.args").decode(), re.M)
        if named is None:
            raise DevstackError(f"{files.path('vm.args')} does not name the node")
        # The cookie is read from this home, never given in argv.
        with tempfile.TemporaryDirectory(prefix="devstack-tui-erl-") as home:
            write_private(Path(home) / COOKIE, files.read(COOKIE), 0o400)
            ended = subprocess.run(
                [str(program), "-sname", named[1], "-e"],
                env={"HOME": home, "ERL_EPMD_PORT": str(target.ports["epmd"])},
                input=f"{expression}.\n",
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DevstackError(f"the node was not reached: {error}") from None
    answer = re.fullmatch(r"\{ok, (.*)\}", ended.stdout.strip(), re.S)
    if ended.returncode != 0 or answer is None:
        answered = ended.stdout.strip() or ended.stderr.strip()
        raise DevstackError(f"the node refused: {redact(answered)[:300]}")
    return answer[1]
