"""The report as the console reads and writes it: by the verb, in a child process."""

from __future__ import annotations

from pathlib import Path

from devstack_tui.core import codec
from devstack_tui.core.children import Cli
from devstack_tui.core.errors import DevstackError
from devstack_tui.report.model import Report

FORMS = {".html": "one HTML page, with the charts", ".md": "Markdown"}
"""What the ending of a file means."""
_OPTIONS = {".html": "--html", ".md": "--md"}


async def read_report(cli: Cli) -> Report:
    """The report as it is now. Errors: `DevstackError`."""
    answer = await cli.ask("report", "--json")
    try:
        return codec.decode(answer, Report)
    except ValueError as error:
        raise DevstackError(f"report printed what cannot be read: {error}") from None


async def write_report(cli: Cli, path: Path) -> None:
    """Write it to `path`, in the form of its ending. Errors: `DevstackError`."""
    await cli.ask("report", _OPTIONS[path.suffix], str(path), "--json")
