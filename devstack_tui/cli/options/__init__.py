"""What the command lines of several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

Parsers = dict[str, argparse.ArgumentParser]
Parser = argparse.ArgumentParser


def sub_verbs(verb: Parser, common: Parser, helps: Mapping[str, str]) -> Parsers:
    """The parser of each sub-verb by its name; `helps` are their help texts."""
    whats = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    return {
        name: whats.add_parser(
            name, help=text, description=f"{text}.", parents=[common], allow_abbrev=False
        )
        for name, text in helps.items()
    }


def flag(verb: argparse._ActionsContainer, name: str, text: str) -> None:
    """An option without a value."""
    verb.add_argument(name, action="store_true", help=text)


def json(*verbs: Parser) -> None:
    """`--json`."""
    for verb in verbs:
        flag(verb, "--json", "one JSON document on stdout")


def jsonl(*verbs: Parser) -> None:
    """`--jsonl`."""
    for verb in verbs:
        flag(verb, "--jsonl", "a JSON object for each event")


def strict(*verbs: Parser) -> None:
    """`--strict`."""
    for verb in verbs:
        flag(verb, "--strict", "exit 1 for a warning, unless what is declared brings it about")


def way(*verbs: Parser, force: str = "") -> None:
    """`--wait` and `--force`, which also stands for `force`."""
    for verb in verbs:
        flag(verb, "--wait", "wait until a benchmark, a tuning or a drill of this stack has ended")
        flag(verb, "--force", f"although one runs{force}")


def size(verb: Parser) -> None:
    """`--size` and `--quick`."""
    from devstack_tui.contracts.sizes import DEFAULT, SIZES

    either = verb.add_mutually_exclusive_group()
    either.add_argument(
        "--size",
        choices=tuple(SIZES),
        default=DEFAULT,
        help="how long a run lasts: full decides core checks (default), quick gives a verdict, "
        "smoke (a second) gives none",
    )
    either.add_argument("--quick", action="store_true", help="the same as --size quick")


def whole(what: str, low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of an argument: a whole number from `low` to `high`."""
    bounds = f"of {low} or more" if high is None else f"from {low} to {high}"

    def parse(text: str) -> int:
        if not (text.isdigit() and low <= int(text) and (high is None or int(text) <= high)):
            raise argparse.ArgumentTypeError(f"expected {what} {bounds}, got {text!r}")
        return int(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument: seconds from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"expected seconds from {low:g} to {high:g}, got {text!r}"
            )
        return value

    return parse
