"""The command line of `drill`."""

from __future__ import annotations

import argparse

from devstack_tui.cli.options import flag, json, jsonl, seconds, strict, sub_verbs, whole

HELPS = {
    "list": "the drills: their faults and victims",
    "plan": "what a drill would do, without doing it",
    "run": "run a drill: plan, fault, measurement, healing, verdict",
    "sweep": "one drill for each value of the setting that decides the failover time",
    "history": "the drills that were run",
    "show": "one drill of the history",
    "compare": "drill B against drill A",
}


def drill_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    made = sub_verbs(verb, common, HELPS)
    for name in ("plan", "run"):
        made[name].add_argument("drill", metavar="DRILL")
        made[name].add_argument("--fault", metavar="FAULT", help="(default: the drill's first)")
        made[name].add_argument(
            "--victim", metavar="VICTIM", help="what is broken; all: one after the other"
        )
        _repeats(made[name])
    made["run"].add_argument("--junit", metavar="FILE", help="the steps as JUnit XML; -: on stdout")
    _svg(made["run"])
    strict(made["run"])
    made["sweep"].add_argument(
        "drill", metavar="DRILL", nargs="?", help="(default: the first that has such a setting)"
    )
    made["sweep"].add_argument(
        "--node-timeout",
        type=_values,
        default=(500, 1000, 2000, 5000),
        metavar="MS,MS",
        dest="values",
        help="the values to try (default: 500,1000,2000,5000)",
    )
    made["sweep"].add_argument(
        "--watch",
        type=seconds(1, 600),
        default=10.0,
        metavar="S",
        help="how long false failovers are counted under CPU load (default 10)",
    )
    _repeats(made["sweep"])
    for name in ("run", "sweep"):
        flag(made[name], "--yes", "do not ask; needs --stack")
        jsonl(made[name])
    made["history"].add_argument("drill", metavar="DRILL", nargs="?", help="(default: all)")
    made["show"].add_argument("id", metavar="ID", help="its id, or the beginning of it")
    _svg(made["show"])
    made["compare"].add_argument("a", metavar="A")
    made["compare"].add_argument("b", metavar="B")
    json(*made.values())


def _repeats(verb: argparse.ArgumentParser) -> None:
    number = whole("a number", 1, 100)
    verb.add_argument("--repeat", type=number, default=1, metavar="N", help="so often (default 1)")


def _svg(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--svg", metavar="FILE", help="the timeline as an SVG picture; -: on stdout")


def _values(text: str) -> tuple[int, ...]:
    found = text.split(",")
    if not all(part.isdigit() and 100 <= int(part) <= 60000 for part in found):
        raise argparse.ArgumentTypeError(
            f"expected milliseconds from 100 to 60000, as 500,1000, got {text!r}"
        )
    return tuple(dict.fromkeys(int(part) for part in found))
