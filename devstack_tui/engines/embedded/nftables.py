"""Packet filter tables of our own, by `nft`: they are made as a whole and deleted as a whole, and
no rule of another table is read or changed."""

from __future__ import annotations

import re
import subprocess

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import Hint, find_program, remedy

FAMILY = "ip"
HINT = Hint(apt=("nftables",))
TIMEOUT_S = 10.0
_NAME = re.compile(r"devstack_tui_[a-z0-9_]{1,60}")


def nft(script: str, check: bool = False) -> str:
    """Carry out `script`, or only `check` whether it could be; returns what it prints.

    Raises `DevstackError` with the reason where that is not possible.
    """
    program = find_program("nft")
    if program is None:
        raise DevstackError(
            "packets cannot be filtered without the program `nft`", " ".join(remedy([HINT]))
        )
    argv = [str(program), *(["-c"] if check else []), "-f", "-"]
    try:
        ended = subprocess.run(
            argv, input=script, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DevstackError(f"nft did not work: {error}") from None
    if ended.returncode != 0:
        why = (ended.stderr.strip().splitlines() or ["it did not say why"])[0]
        raise DevstackError(
            f"packets cannot be filtered here, nft refused: {why.removeprefix('/dev/stdin:')}",
            "that needs root and, in a container, the capability NET_ADMIN",
        )
    return ended.stdout


def remove(table: str) -> None:
    """Delete a table of ours; its absence is no error. Raises `DevstackError`."""
    if not _NAME.fullmatch(table):
        raise DevstackError(f"{table!r} is no packet filter table of ours")
    # Made first, so that deleting it cannot fail for its absence.
    nft(f"table {FAMILY} {table}\ndelete table {FAMILY} {table}\n")
