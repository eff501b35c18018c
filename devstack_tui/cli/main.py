"""The command line: `devstack-tui` opens the console, and every pane is also verbs.

Nothing heavy is imported before a verb runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn, TextIO

from devstack_tui import __version__
from devstack_tui.core.errors import DevstackError, UsageError, for_stack, unknown_name

EPILOG = """\
exit status: 0 pass, 1 failed, 2 usage or configuration, 3 the stack cannot be reached,
4 inconclusive, 130 interrupted. stdout is data, stderr is narration.
"""
# The verb, and the module below devstack_tui.cli.verbs that runs it.
VERBS = {
    "up": "changes",
    "down": "changes",
    "restart": "changes",
    "status": "status",
    "logs": "logs",
    "doctor": "doctor",
    "bench": "bench",
    "regress": "bench",
    "tune": "tune",
    "drill": "drill",
    "check": "check",
    "report": "report",
    "certs": "certs",
    "job": "job",
}


class _Parser(argparse.ArgumentParser):
    """argparse, with the close matches of a wrong name."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Refuse an unknown option here: the parser of a verb knows the verb's options."""
        found, rest = super().parse_known_args(args, namespace)
        if rest and rest[0].startswith("-"):
            actions = [action for action in self._actions if action.help != argparse.SUPPRESS]
            known = [name for action in actions for name in action.option_strings]
            raise unknown_name("option", rest[0].partition("=")[0], known)
        return found, rest

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse a value that is none of the choices; asked for every argument that has some.

        The sentences of argparse's own refusal differ from one Python to the next.
        """
        if action.choices is not None and value not in action.choices:
            kind = "verb" if action.dest == "verb" else "choice"
            raise unknown_name(kind, str(value), map(str, action.choices))

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see `{self.prog} --help`")


def _parser(given: Collection[str]) -> _Parser:
    """The parser of the command line; it has the options of those verbs that are among the words
    `given`."""
    wanted = VERBS.keys() & set(given)
    helped = not wanted or not {"-h", "--help"}.isdisjoint(given)
    parser = _Parser(
        prog="devstack-tui",
        description="One keyboard-driven console for a real local data stack. "
        "Without a verb: the console; without a terminal: the status table.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"devstack-tui {__version__}")
    common = _Parser(add_help=False)
    for holder in (parser, common):
        holder.add_argument(
            "--stack",
            metavar="NAME",
            default=argparse.SUPPRESS,
            help="the stack to work on (default: default)",
        )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name in VERBS:
        text = _help(name) if helped else ""
        made = verbs.add_parser(
            name, help=text, description=f"{text}.", parents=[common], allow_abbrev=False
        )
        if name in wanted:
            _options(name, made, common)
    return parser


def _help(verb: str) -> str:
    from devstack_tui.actions import verb_help

    return verb_help(verb)


def _options(name: str, verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Give `verb` its options; those of a capability are in a module of their own."""
    match name:
        case "up" | "down" | "restart":
            _change_options(verb, name)
        case "status":
            verb.add_argument("--watch", action="store_true", help="repeat until interrupted")
            verb.add_argument(
                "--interval",
                type=_seconds,
                default=2.0,
                metavar="S",
                help="seconds between two snapshots (default 2)",
            )
        case "logs":
            verb.add_argument("service", metavar="SERVICE")
            verb.add_argument("-f", "--follow", action="store_true", help="follow the log")
            verb.add_argument("--grep", metavar="REGEX", help="only lines that match")
            verb.add_argument(
                "-n",
                "--lines",
                type=_count,
                default=100,
                metavar="N",
                help="the last N lines of each unit",
            )
        case "doctor":
            verb.add_argument(
                "--install",
                action="store_true",
                help="run the command that installs what is missing",
            )
        case "regress":
            _measure_options(verb)
            verb.add_argument("--junit", metavar="FILE", help="the checks as JUnit XML")
            verb.add_argument(
                "--self-test",
                action="store_true",
                help="test the gate itself: no false alarm, and a slowdown caught",
            )
        case "bench":
            _bench_options(verb, common)
            return
        case _:
            module = importlib.import_module(f"devstack_tui.cli.options.{name}")
            getattr(module, f"{name}_options")(verb, common)
            return
    if name != "logs":
        verb.add_argument("--json", action="store_true", help="one JSON document on stdout")
    if name != "doctor":
        verb.add_argument("--jsonl", action="store_true", help="a JSON object for each event")
    if name in ("status", "logs"):
        # For a program that watches: it ends when its input is closed, and takes commands there.
        verb.add_argument("--controlled", action="store_true", help=argparse.SUPPRESS)


def _bench_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    whats = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    helps = {
        "list": "the workloads, and the runs that were kept",
        "run": "run workloads (default: all)",
        "record": "run workloads and keep them as this host's baseline",
        "show": "one run, with the settings that it ran under",
        "compare": "B against A: run ids, baseline, published:baseline, published:optimized",
        "export": "one run, second by second",
    }
    made = {
        name: whats.add_parser(name, help=text, parents=[common], allow_abbrev=False)
        for name, text in helps.items()
    }
    for name in ("run", "record"):
        made[name].add_argument("workloads", nargs="*", metavar="WORKLOAD")
        made[name].add_argument("--runs", type=_runs, metavar="N", help="runs of each")
        _measure_options(made[name])
        made[name].add_argument("--jsonl", action="store_true", help="a JSON object for each event")
    for name in ("show", "export"):
        made[name].add_argument("run", metavar="RUN", help="its id, or the beginning of it")
    made["export"].add_argument("--format", choices=("json", "csv"), default="json")
    made["compare"].add_argument("a", metavar="A")
    made["compare"].add_argument("b", metavar="B")
    made["compare"].add_argument(
        "--force",
        action="store_true",
        help="compare although they were measured under different conditions",
    )
    for name in ("list", "run", "record", "show", "compare"):
        made[name].add_argument("--json", action="store_true", help="one JSON document on stdout")


def _measure_options(verb: argparse.ArgumentParser) -> None:
    size = verb.add_mutually_exclusive_group()
    size.add_argument("--size", choices=("full", "quick"), default="full", help="(default: full)")
    size.add_argument("--quick", action="store_true", help="the same as --size quick")


def _runs(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"expected runs from 1 to 1000, got {text!r}")
    return int(text)


def _change_options(verb: argparse.ArgumentParser, name: str) -> None:
    verb.add_argument("services", nargs="*", metavar="SERVICE", help="(default: all)")
    verb.add_argument("--plan", action="store_true", help="show the plan and exit")
    verb.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    if name == "up":
        verb.add_argument(
            "--profile", metavar="NAME", help="the services of a profile in stack.toml"
        )
        verb.add_argument(
            "--topology", metavar="M+R", help="of a new cluster: masters + replicas, as 3+3"
        )
        verb.add_argument(
            "--port-offset", type=_count, metavar="N", help="added to every port of a new stack"
        )
    if name == "down":
        verb.add_argument("--wipe", action="store_true", help="delete the stack's data as well")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.2 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"expected seconds from 0.2 to 3600, got {text!r}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. No traceback reaches the user."""
    given = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has not our signs shows a question mark for them.
            stream.reconfigure(errors="replace")
    try:
        try:
            return _run(_parser(given).parse_args(given))
        finally:
            sys.stdout.flush()  # here, where a reader that is gone is no fault
    except DevstackError as error:
        return _fail(error, given)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output is gone; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _fail(_internal(error), given)


def _run(options: argparse.Namespace) -> int:
    from devstack_tui.core.paths import DEFAULT_STACK, require_stack

    if options.verb is not None:
        module = importlib.import_module(f"devstack_tui.cli.verbs.{VERBS[options.verb]}")
        return int(module.run(options))
    name = getattr(options, "stack", DEFAULT_STACK)
    require_stack(name)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from devstack_tui.console.app import run_console

        return run_console(name)
    from devstack_tui.cli.verbs.status import show_once

    return show_once(name)


def _fail(error: DevstackError, given: Sequence[str]) -> int:
    found = re.search(r"(?:^|\0)--stack[=\0]([a-z0-9_-]+)", "\0".join(given))
    error.remedy = for_stack(error.remedy, found[1] if found else "default")
    if "--json" in given or "--jsonl" in given:
        import json

        document = {
            "error": error.message,
            "remedy": error.remedy,
            "exit_code": error.exit_code,
        }
        _print_if_possible(json.dumps(document), sys.stdout)
    _print_if_possible(f"devstack-tui: {error}", sys.stderr)
    return error.exit_code


def _print_if_possible(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except OSError:
        # A full disk, or nobody who reads: the interpreter must not try to write it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _internal(error: Exception) -> DevstackError:
    """A full disk, or a fault of ours: one sentence; the details of a fault are in a private file,
    without secrets."""
    import errno
    import traceback

    from devstack_tui.core import files, paths
    from devstack_tui.core.redact import redact

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return files.explain(error, "writing")
    message = f"internal error: {type(error).__name__}: {redact(str(error))}"
    try:
        report = files.make_dir(paths.state_home(), 0o711 if os.geteuid() == 0 else 0o700)
        report /= "crash.log"
        files.write_private(report, redact("".join(traceback.format_exception(error))))
    except OSError:
        return DevstackError(message, "please report it")
    return DevstackError(message, f"please report it with {report}")
