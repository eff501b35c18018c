"""The command line of `certs`."""

from __future__ import annotations

import argparse

HELPS = {
    "list": "every certificate: its names, its validity, and whether it is served",
    "rotate": "rotate the certificates of running services without dropping a connection",
}


def certs_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    whats = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    made = {
        name: whats.add_parser(
            name, help=text, description=text, parents=[common], allow_abbrev=False
        )
        for name, text in HELPS.items()
    }
    rotate = made["rotate"]
    rotate.add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    rotate.add_argument("--plan", action="store_true", help="show the plan and exit")
    rotate.add_argument(
        "--yes", action="store_true", help="restart what cannot reload; needs --stack"
    )
    rotate.add_argument("--jsonl", action="store_true", help="a JSON object for each event")
    for parser in made.values():
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
