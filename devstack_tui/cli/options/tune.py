"""The command line of `tune`."""

from __future__ import annotations

import argparse
import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
HELPS = {
    "list": "the profiles and the parameters that can be tuned",
    "show": "each parameter's effective value, its source, and what is pending",
    "set": "put values into pending; `default` resets a parameter",
    "apply": "apply a profile, or what is pending, and read every value back",
    "revert": "undo the last apply, or several",
    "save": "save what is set as a profile of your own",
    "history": "what was applied, and which source won",
    "advise": "suggestions for this machine and its workload, with reasons",
    "ab": "B against A: interleaved pairs of runs, and a verdict with its interval",
    "cost": "what a SIGKILL costs: acknowledged writes lost",
    "auto": "search for a better profile for a workload, and confirm it",
}


def tune_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    whats = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    made = {
        name: whats.add_parser(
            name, help=text, description=f"{text}.", parents=[common], allow_abbrev=False
        )
        for name, text in HELPS.items()
    }
    _look(made)
    _change(made)
    _measure(made)
    for one in made.values():
        one.add_argument("--json", action="store_true", help="one JSON document on stdout")
    for name in ("set", "apply", "revert", "ab", "cost", "auto"):
        made[name].add_argument("--jsonl", action="store_true", help="a JSON object for each event")
        made[name].add_argument("--yes", action="store_true", help="do not ask for confirmation")
        made[name].add_argument(
            "--force",
            action="store_true",
            help="although somebody else has changed parameters meanwhile",
        )
    for name in ("set", "apply", "revert"):
        made[name].add_argument("--plan", action="store_true", help="show the plan and exit")


def _look(made: dict[str, argparse.ArgumentParser]) -> None:
    made["show"].add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    made["show"].add_argument(
        "--changed", action="store_true", help="only what is not as the server comes"
    )
    made["advise"].add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    made["advise"].add_argument(
        "--durable", action="store_true", help="nothing that a crash could lose"
    )
    made["save"].add_argument("name", metavar="NAME")
    made["save"].add_argument(
        "--from", dest="source", choices=("current", "pending"), default="current"
    )
    made["save"].add_argument("--title", metavar="TEXT", default="", help="what it is for")


def _change(made: dict[str, argparse.ArgumentParser]) -> None:
    made["set"].add_argument("service", metavar="SERVICE")
    made["set"].add_argument("assignments", nargs="+", metavar="NAME=VALUE")
    made["set"].add_argument("--now", action="store_true", help="apply at once")
    made["apply"].add_argument(
        "profile", nargs="?", metavar="PROFILE", help="(default: what is pending)"
    )
    made["apply"].add_argument(
        "--service",
        dest="services",
        action="append",
        default=[],
        metavar="SERVICE",
        help="only this one of the profile's; may be repeated",
    )
    how = made["revert"].add_mutually_exclusive_group()
    how.add_argument(
        "--to", type=_number, metavar="N", help="to the state after change N (0: before the first)"
    )
    how.add_argument("--all", action="store_true", help="every parameter as the server comes")
    how.add_argument("--pending", action="store_true", help="drop what is pending")


def _measure(made: dict[str, argparse.ArgumentParser]) -> None:
    ab = made["ab"]
    ab.add_argument("a", metavar="A", help="a profile, `current` or `pending`")
    ab.add_argument("b", metavar="B", help="a profile, `current` or `pending`")
    ab.add_argument("--workload", required=True, metavar="W")
    _size(ab)
    ab.add_argument("--pairs", type=_pairs, metavar="N", help="pairs of runs, 6 or more to decide")
    ab.add_argument(
        "--margin", type=_share, default=0.05, metavar="P", help="what counts as none (0.05: 5 %%)"
    )
    ab.add_argument(
        "--keep",
        choices=("a", "b", "before"),
        default="before",
        help="what the stack has afterwards (default: what it had before)",
    )
    ab.add_argument(
        "--ablate", action="store_true", help="then show which parameter carries the gain"
    )
    ab.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PARAM",
        help="only this parameter of B, the others as in A; may be repeated",
    )
    cost = made["cost"]
    cost.add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    cost.add_argument("--profile", metavar="P", default="current", help="(default: current)")
    cost.add_argument("--kills", type=_kills, default=3, metavar="N", help="(default: 3)")
    auto = made["auto"]
    auto.add_argument("workload", metavar="WORKLOAD")
    auto.add_argument(
        "--budget", type=_duration, default=900.0, metavar="TIME", help="as 15m (default)"
    )
    auto.add_argument("--durable", action="store_true", help="nothing that a crash could lose")
    auto.add_argument("--save", metavar="NAME", help="the profile's name (default: auto-SERVICE)")
    _size(auto)


def _size(verb: argparse.ArgumentParser) -> None:
    size = verb.add_mutually_exclusive_group()
    size.add_argument("--size", choices=("full", "quick"), default="full", help="(default: full)")
    size.add_argument("--quick", action="store_true", help="the same as --size quick")


def _whole(text: str, what: str, low: int, high: int) -> int:
    if not (text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"expected {what} from {low} to {high}, got {text!r}")
    return int(text)


def _number(text: str) -> int:
    return _whole(text, "the number of a change", 0, 1_000_000)


def _pairs(text: str) -> int:
    return _whole(text, "pairs", 1, 200)


def _kills(text: str) -> int:
    return _whole(text, "kills", 1, 50)


def _share(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text)
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0.001 <= value <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a share from 0.001 to 0.5, got {text!r}")
    return value


def _duration(text: str) -> float:
    """Seconds. `90s`, `15m`, `1h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text)
    value = float(found[1]) * _UNITS[found[2] or ""] if found else -1.0
    if not 10 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"expected a time from 10s to 24h such as 15m: {text!r}")
    return value
