"""The command line of `check`."""

from __future__ import annotations

import argparse

from devstack_tui.cli.options import flag, json, jsonl, strict, sub_verbs

HELPS = {
    "list": "the security checks: what they are about, whether they are proven, their last results",
    "show": "one check: what is at stake, how it was decided, how to fix it, what proves it",
    "run": "audit the stack",
    "prove": "break a throwaway stack on purpose and see the checks turn red, and green again",
    "matrix": "who may do what in Vault: declared against real",
}
WORDS = "ids, how ids begin, suites, groups, services, severities or statuses (default: all)"


def check_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the sub-verbs."""
    made = sub_verbs(verb, common, HELPS)
    for name in ("list", "run"):
        made[name].add_argument("words", nargs="*", metavar="CHECK", help=WORDS)
        made[name].add_argument(
            "--suite", action="append", default=[], metavar="SUITE", help="of this suite alone"
        )
    flag(made["list"], "--count", "how many kinds and instances, and what was seen to fail")
    flag(made["list"], "--unproven", "only those of kinds that nothing was seen to turn red")
    made["show"].add_argument("id", metavar="ID")
    made["run"].add_argument(
        "--junit", metavar="FILE", help="the results as JUnit XML; -: on stdout"
    )
    made["run"].add_argument(
        "--sarif", metavar="FILE", help="the results as SARIF 2.1.0; -: on stdout"
    )
    made["prove"].add_argument(
        "words",
        nargs="*",
        metavar="ID",
        help="checks, steps of a drill or of the gate, how their ids begin, suites, or sabotages",
    )
    flag(made["prove"], "--all", "every sabotage there is (after a suite: of that suite)")
    flag(
        made["prove"],
        "--record",
        "write what holds into the source tree: for --all in place of all, else of the same",
    )
    for name in ("run", "prove"):
        jsonl(made[name])
    strict(made["run"])
    json(*made.values())
