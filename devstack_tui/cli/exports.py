"""The files that a verb is asked for (`--junit FILE` …): looked at before any work begins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from devstack_tui.cli.output import leave_stdout
from devstack_tui.core import exports
from devstack_tui.core.errors import UsageError


def asked(options: argparse.Namespace, *names: str) -> dict[str, Path]:
    """The files by the names of their options; `-` has stdout for itself, and what the verb says
    there otherwise goes to stderr.

    Raises `UsageError` where a file cannot be made, and for one that is named twice.
    """
    found = {
        name: Path(text) for name in names if (text := getattr(options, name, None)) is not None
    }
    once(options, {f"--{name}": path for name, path in found.items()})
    return found


def write(texts: Mapping[Path, str]) -> None:
    """Make or replace all of the files, or none, then fill stdout. Raises `UsageError`."""
    exports.write(texts)
    print(texts.get(exports.STDOUT, ""), end="", flush=True)


def once(options: argparse.Namespace, named: Mapping[str, Path]) -> None:
    """Refuse what cannot be written, and one place for two things; `named` by what they are."""
    places: dict[Path, str] = {}
    for form in ("json", "jsonl"):
        if getattr(options, form, False):
            places[exports.STDOUT] = f"--{form}"
    for name, path in named.items():
        place = path if path == exports.STDOUT else path.absolute()
        if place in places:
            where = "stdout" if path == exports.STDOUT else str(path)
            raise UsageError(
                f"{where} is named twice: by {places[place]} and by {name}",
                "give each form a file of its own",
            )
        places[place] = name
    exports.require_possible(named.values())
    if exports.STDOUT in named.values():
        leave_stdout()
