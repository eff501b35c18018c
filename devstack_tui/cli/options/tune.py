"""The command line of `tune`."""

from __future__ import annotations

import argparse
import re

from devstack_tui.cli.options import flag, json, jsonl, size, sub_verbs, way, whole

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
HELPS = {
    "list": "the profiles and the parameters that can be tuned",
    "show": "each parameter's effective value, its source, and what is pending",
    "set": "put values into pending; `default` resets a parameter",
    "apply": "apply a profile, or what is pending, and read every value back",
    "revert": "undo the last apply, or several",
    "save": "save what is set as a profile of your own",
    "import": "make a profile of a postgresql.conf (also pgtune's), my.cnf, mongod.conf, "
    "redis.conf or .env",
    "history": "what was applied, and which source won",
    "advise": "suggestions for this machine and its workload, with reasons",
    "ab": "B against A: interleaved pairs of runs, and a verdict with its interval",
    "cost": "what a SIGKILL costs: acknowledged writes lost",
    "auto": "search for a better profile for a workload, and confirm it",
}


def tune_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    made = sub_verbs(verb, common, HELPS)
    _look(made)
    _import(made["import"])
    _change(made)
    _measure(made)
    json(*made.values())
    for name in ("set", "apply", "revert", "ab", "cost", "auto"):
        jsonl(made[name])
        flag(made[name], "--yes", "do not ask for confirmation")
    changed = "although somebody else has changed parameters meanwhile"
    for name in ("ab", "cost", "auto"):
        flag(made[name], "--force", changed)
    for name in ("set", "apply", "revert"):
        way(made[name], force=f", and {changed}")
        flag(made[name], "--plan", "show the plan and exit")


def _look(made: dict[str, argparse.ArgumentParser]) -> None:
    made["show"].add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    flag(made["show"], "--changed", "only what is not as the server comes")
    made["show"].add_argument(
        "--profile", metavar="NAME", help="what a profile sets, beside what is; needs no server"
    )
    made["advise"].add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    flag(made["advise"], "--durable", "nothing that a crash could lose")
    made["save"].add_argument("name", metavar="NAME")
    made["save"].add_argument(
        "--from", dest="source", choices=("current", "pending"), default="current"
    )
    made["save"].add_argument("--title", metavar="TEXT", default="", help="what it is for")


def _import(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", metavar="FILE", help="recognised by its content")
    verb.add_argument(
        "--as", dest="name", default="", metavar="NAME", help="of the profile (default: the file's)"
    )
    verb.add_argument(
        "--service", default="", metavar="SERVICE", help="whose file it is, or only this one's"
    )
    flag(verb, "--replace", "overwrite a profile of that name")


def _change(made: dict[str, argparse.ArgumentParser]) -> None:
    made["set"].add_argument("service", metavar="SERVICE")
    made["set"].add_argument(
        "assignments",
        nargs="+",
        metavar="NAME=VALUE",
        help="a number without a unit counts as it does for the server",
    )
    flag(made["set"], "--now", "apply at once")
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
        "--to",
        type=whole("the number of a change", 0, 1_000_000),
        metavar="N",
        help="to the state after change N (0: before the first)",
    )
    flag(how, "--all", "every parameter as the server comes")
    flag(how, "--pending", "drop what is pending")


def _measure(made: dict[str, argparse.ArgumentParser]) -> None:
    ab = made["ab"]
    ab.add_argument("a", metavar="A", help="a profile, `current` or `pending`")
    ab.add_argument("b", metavar="B", help="a profile, `current` or `pending`")
    ab.add_argument("--workload", required=True, metavar="W")
    size(ab)
    ab.add_argument(
        "--pairs",
        type=whole("pairs", 1, 200),
        metavar="N",
        help="pairs of runs, 6 or more (of smoke any number); else 6, and up to 18 to decide",
    )
    ab.add_argument(
        "--margin", type=_share, default=0.05, metavar="P", help="what counts as none (0.05: 5 %%)"
    )
    ab.add_argument(
        "--keep",
        choices=("a", "b", "before"),
        default="before",
        help="what the stack has afterwards (default: what it had before)",
    )
    flag(ab, "--ablate", "then show which parameter carries the gain")
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
    cost.add_argument(
        "--kills", type=whole("kills", 1, 50), default=3, metavar="N", help="(default: 3)"
    )
    auto = made["auto"]
    auto.add_argument("workload", metavar="WORKLOAD")
    auto.add_argument(
        "--budget", type=_duration, default=900.0, metavar="TIME", help="as 15m (default)"
    )
    flag(auto, "--durable", "nothing that a crash could lose")
    auto.add_argument("--save", metavar="NAME", help="the profile's name (default: auto-SERVICE)")
    size(auto)


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
