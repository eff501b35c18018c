"""Erlang: where its programs are, how it starts fast, how its values are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from devstack_tui.core.programs import find_program, version_of

_APPLICATIONS = re.compile(r"\{\s*applications\s*,\s*\[([^\]]*)\]")
_ERTS = re.compile(r"erts-(\d+)\..*")
ERTS_OF_25 = 13
# Mnesia is started by the code of RabbitMQ, not by its list of applications.
ROOTS = ("rabbit", "mnesia")


def root() -> Path | None:
    """Erlang's own directory, which has `lib` and `erts-…`, or None without `erl` on PATH."""
    erl = find_program("erl")
    if erl is None:
        return None
    # <root>/bin/erl, as a distribution links it.
    return erl.resolve().parent.parent


def require_running() -> None:
    """Raise `DevstackError` in Erlang's own words when its virtual machine does not run.

    It is asked for its release, which boots nothing.
    """
    if (erl := find_program("erl")) is not None:
        version_of(erl, "+V", r"emulator version (\S+)")


def epmd() -> Path | None:
    """The port mapper: beside Erlang's virtual machine, or on PATH."""
    found = sorted(base.glob("erts-*/bin/epmd")) if (base := root()) else []
    return found[-1] if found else find_program("epmd")


def polling(base: Path | None) -> str:
    """The argument by which no scheduler polls sockets itself, where Erlang knows it (from 25 on).

    A scheduler that polls a connection whose client went away while the node was held still spins
    on it for ever and burns a core: https://github.com/erlang/otp/issues/10791.
    """
    if base is None:
        return ""
    versions = [_ERTS.fullmatch(folder.name) for folder in base.glob("erts-*")]
    newest = max((int(found[1]) for found in versions if found), default=0)
    return "+IOs false\n" if newest >= ERTS_OF_25 else ""


def code_path(libraries: Iterable[Path]) -> list[Path]:
    """The `ebin` directories of every application that RabbitMQ starts, found in `libraries`.

    RabbitMQ puts the directories of all its plugins before Erlang's own, and loads a thousand
    modules as it starts: each is looked for in up to ninety places. Named first, these are found
    at once, which halves the time. What is not among them is still found the long way.
    """
    places = {
        folder.name.rpartition("-")[0]: folder / "ebin"
        for library in libraries
        for folder in sorted(library.glob("*-[0-9]*"))
        if (folder / "ebin").is_dir()
    }
    found: dict[str, Path] = {}
    wanted = list(ROOTS)
    while wanted:
        name = wanted.pop(0)
        place = places.get(name)
        if name in found or place is None:
            continue
        found[name] = place
        described = place / f"{name}.app"
        if described.is_file():
            listed = _APPLICATIONS.search(described.read_text(errors="replace"))
            wanted += re.findall(r"\w+", listed[1]) if listed else []
    return list(found.values())


def argument(text: str) -> str:
    """`text` as one argument in a file for `erl -args_file`."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
