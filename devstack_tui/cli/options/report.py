"""The command line of `report`."""

from __future__ import annotations

import argparse

from devstack_tui.cli.options import json, strict


def report_options(verb: argparse.ArgumentParser, _common: argparse.ArgumentParser) -> None:
    """Add the options; those common to all verbs are there already."""
    verb.add_argument("--md", metavar="FILE", help="write the report as Markdown; -: on stdout")
    verb.add_argument(
        "--html", metavar="FILE", help="write the report as one HTML page; -: on stdout"
    )
    verb.add_argument("--out", metavar="DIR", help="write report.md, report.html and report.json")
    json(verb)
    strict(verb)
