"""The command lines of the verbs that change or show a stack."""

from __future__ import annotations

import argparse

from devstack_tui.cli.options import Parser, flag, json, jsonl, seconds, way, whole


def up_options(verb: Parser, _: Parser) -> None:
    """Add the options."""
    _change(verb)
    verb.add_argument("--profile", metavar="NAME", help="the services of a profile in stack.toml")
    verb.add_argument(
        "--topology", metavar="M+R", help="of a new cluster: masters + replicas, as 3+3"
    )
    verb.add_argument(
        "--port-offset",
        type=whole("a whole number", 0),
        metavar="N",
        help="added to every port of a new stack",
    )


def down_options(verb: Parser, common: Parser) -> None:
    """Add the options."""
    restart_options(verb, common)
    flag(verb, "--wipe", "delete the stack's data as well")


def restart_options(verb: Parser, _: Parser) -> None:
    """Add the options, which `down` has too."""
    _change(verb)
    way(verb)


def _change(verb: Parser) -> None:
    verb.add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    flag(verb, "--plan", "show the plan and exit")
    flag(verb, "--yes", "do not ask for confirmation")
    json(verb)
    jsonl(verb)


def status_options(verb: Parser, _: Parser) -> None:
    """Add the options."""
    flag(verb, "--watch", "repeat until interrupted")
    verb.add_argument(
        "--interval",
        type=seconds(0.2, 3600),
        default=2.0,
        metavar="S",
        help="seconds between two snapshots (default 2)",
    )
    json(verb)
    jsonl(verb)
    _controlled(verb)


def logs_options(verb: Parser, _: Parser) -> None:
    """Add the options."""
    verb.add_argument("service", metavar="SERVICE")
    verb.add_argument("-f", "--follow", action="store_true", help="follow the log")
    verb.add_argument("--grep", metavar="REGEX", help="only lines that match")
    lines = whole("a whole number", 0)
    verb.add_argument(
        *("-n", "--lines"), type=lines, default=100, metavar="N", help="the last N of each unit"
    )
    jsonl(verb)
    _controlled(verb)


def doctor_options(verb: Parser, _: Parser) -> None:
    """Add the options."""
    flag(verb, "--install", "run the command that installs what is missing")
    json(verb)


def _controlled(verb: Parser) -> None:
    # For a program that watches: it ends when its input is closed, and takes commands there.
    flag(verb, "--controlled", argparse.SUPPRESS)
