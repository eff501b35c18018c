"""The command line of `certs`."""

from __future__ import annotations

import argparse

from devstack_tui.cli.options import flag, json, jsonl, sub_verbs, way

HELPS = {
    "list": "every certificate: its names, its validity, and whether it is served",
    "rotate": "rotate the certificates of running services without dropping a connection",
}


def certs_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    made = sub_verbs(verb, common, HELPS)
    rotate = made["rotate"]
    rotate.add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    flag(rotate, "--plan", "show the plan and exit")
    flag(rotate, "--yes", "restart what cannot reload; needs --stack")
    way(rotate)
    jsonl(rotate)
    json(*made.values())
