"""The command lines of `bench` and `regress`."""

from __future__ import annotations

from devstack_tui.cli.options import Parser, flag, json, jsonl, size, strict, sub_verbs, whole

HELPS = {
    "list": "the workloads, and the runs that were kept",
    "run": "run workloads (default: all)",
    "record": "run workloads and keep them as this host's baseline",
    "show": "one run, with the settings that it ran under",
    "compare": "B against A: run ids, baseline, published:baseline, published:optimized, "
    "published:minimum",
    "export": "one run, second by second",
}


def bench_options(verb: Parser, common: Parser) -> None:
    """Add the sub-verbs."""
    made = sub_verbs(verb, common, HELPS)
    for name in ("run", "record"):
        made[name].add_argument("workloads", nargs="*", metavar="WORKLOAD")
        made[name].add_argument(
            "--runs", type=whole("runs", 1, 1000), metavar="N", help="runs of each"
        )
        size(made[name])
        jsonl(made[name])
    for name in ("show", "export"):
        made[name].add_argument("run", metavar="RUN", help="its id, or the beginning of it")
    made["export"].add_argument("--format", choices=("json", "csv"), default="json")
    made["compare"].add_argument("a", metavar="A")
    made["compare"].add_argument("b", metavar="B")
    flag(made["compare"], "--force", "compare although the conditions were different")
    json(*(made[name] for name in HELPS if name != "export"))


def regress_options(verb: Parser, _: Parser) -> None:
    """Add the options."""
    size(verb)
    verb.add_argument("--junit", metavar="FILE", help="the checks as JUnit XML; -: on stdout")
    flag(verb, "--self-test", "test the gate itself: no false alarm, and a slowdown caught")
    strict(verb)
    json(verb)
    jsonl(verb)
