"""Calls into the running node, by Erlang's own distribution protocol."""

from __future__ import annotations

import re
from pathlib import Path

from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program
from devstack_tui.core.redact import redact
from devstack_tui.services.rabbitmq import erlang

TIMEOUT_S = 10.0
COOKIE = ".erlang.cookie"
UNIT = "rabbitmq"


def caller() -> Path | None:
    """`erl_call` of Erlang, or None where the distribution left it out."""
    base = erlang.root()
    found = sorted(base.glob("erts-*/bin/erl_call")) if base else []
    return found[-1] if found else find_program("erl_call")


def evaluate(
    units: UnitControl, files: ServiceFiles, expression: str, limit: float = TIMEOUT_S
) -> str:
    """The node evaluates `expression`, as `ssl:versions()`, within `limit` seconds; returns the
    value as Erlang writes it.

    It is called beside the server, where its cookie is read from its home, never given in argv.
    Raises `DevstackError` when there is no `erl_call`, no node, or an exception.
    """
    program = caller()
    if program is None:
        raise DevstackError("erl_call is not on this machine: it belongs to Erlang")
    named = re.search(r"^-sname (\S+)$", files.read("vm.args").decode(errors="replace"), re.M)
    if named is None:
        raise DevstackError(f"{files.path('vm.args')} does not name the node")
    argv = [str(program), "-sname", named[1], "-e"]
    ended = units.execute(UNIT, argv, f"{expression}.\n", limit=limit)
    answer = re.fullmatch(r"\{ok, (.*)\}", ended.output.strip(), re.S)
    if ended.status != 0 or answer is None:
        answered = ended.output.strip() or ended.errors.strip()
        raise DevstackError(f"the node refused: {redact(answered)[:300]}")
    return answer[1]
