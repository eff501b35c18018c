"""Calls into the running node, by Erlang's own distribution protocol."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program
from devstack_tui.core.redact import redact
from devstack_tui.services.rabbitmq import erlang

TIMEOUT_S = 10.0


def caller() -> Path | None:
    """`erl_call` of Erlang, or None where the distribution left it out."""
    base = erlang.root()
    found = sorted(base.glob("erts-*/bin/erl_call")) if base else []
    return found[-1] if found else find_program("erl_call")


def evaluate(target: Target, data: Path, expression: str) -> str:
    """The node evaluates `expression`, as `ssl:versions()`; returns the value as Erlang writes it.

    `data` is the node's data directory: its cookie lies there, and its name. Raises
    `DevstackError` when there is no `erl_call`, no node, or an exception.
    """
    program = caller()
    if program is None:
        raise DevstackError("erl_call is not on this machine: it belongs to Erlang")
    named = re.search(r"^-sname (\S+)$", (data / "vm.args").read_text(), re.M)
    if named is None:
        raise DevstackError(f"{data / 'vm.args'} does not name the node")
    try:
        ended = subprocess.run(
            [str(program), "-sname", named[1], "-e"],
            # The cookie is read from this home, never given in argv.
            env={"HOME": str(data), "ERL_EPMD_PORT": str(target.ports["epmd"])},
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
        told = ended.stdout.strip() or ended.stderr.strip()
        raise DevstackError(f"the node refused: {redact(told)[:300]}")
    return answer[1]
