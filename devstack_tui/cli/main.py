"""The command line: `devstack-tui` opens the console, and every pane is also verbs.

Nothing heavy is imported before a verb runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn

from devstack_tui import __version__
from devstack_tui.cli.output import as_typed, close_streams, narrate, open_streams, work_on
from devstack_tui.core import environment, files
from devstack_tui.core.errors import DevstackError, UsageError, unknown_name

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
OPTIONS = {
    **dict.fromkeys(("up", "down", "restart", "status", "logs", "doctor"), "health"),
    "regress": "bench",
}
"""The module below devstack_tui.cli.options that has the options of a verb, if not its name's."""


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

    def _get_values(self, action, arg_strings):  # type: ignore[no-untyped-def]
        """Refuse an empty value of an option: it would read as if there were none."""
        if action.option_strings and "" in arg_strings and action.dest != "stack":
            raise UsageError(f"{action.option_strings[-1]} is given an empty value", "leave it out")
        return super()._get_values(action, arg_strings)

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


def _require_order(given: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Raise `UsageError` for an option of a verb that stands before the verb: argparse would take
    its value for the verb."""
    words = list(given)
    while words and words[0].startswith("--stack"):
        del words[: 2 if words[0] == "--stack" else 1]
    verb = next((word for word in words if word in VERBS), "")
    option = words[0].partition("=")[0] if words else ""
    if verb and option.startswith("-") and option not in parser.format_usage():
        raise UsageError(
            f"{option} stands before the verb, where only --stack may",
            f"put it after `{verb}`, as `devstack-tui {verb} --help` shows",
        )


def _help(verb: str) -> str:
    from devstack_tui.actions import verb_help

    return verb_help(verb)


def _options(name: str, verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Give `verb` its options; those of a capability are in a module of their own."""
    module = importlib.import_module(f"devstack_tui.cli.options.{OPTIONS.get(name, name)}")
    getattr(module, f"{name}_options")(verb, common)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. No traceback reaches the user."""
    if argv is None:
        environment.clean()
    given = list(sys.argv[1:] if argv is None else argv)
    named = re.findall(r"(?:^|\0)--stack[=\0]([a-z0-9_-]+)", "\0".join(given))
    work_on(named[-1] if named else "default")
    open_streams()
    try:
        return close_streams(_exit_code(given))
    except SystemExit as ended:  # of `--help` and `--version`
        raise SystemExit(close_streams(int(ended.code or 0))) from None


def _exit_code(given: Sequence[str]) -> int:
    try:
        parser = _parser(given)
        _require_order(given, parser)
        return _run(parser.parse_args(given))
    except DevstackError as error:
        return _fail(error, given)
    except KeyboardInterrupt:
        narrate("interrupted")
        return 130
    except Exception as error:
        return _fail(_internal(error), given)


def _run(options: argparse.Namespace) -> int:
    from devstack_tui.core.paths import DEFAULT_STACK, StackPaths, require_stack

    name = getattr(options, "stack", DEFAULT_STACK)
    files.dump_crashes(StackPaths.of(name).crash_log)
    if options.verb is not None:
        module = importlib.import_module(f"devstack_tui.cli.verbs.{VERBS[options.verb]}")
        return int(module.run(options))
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _console(name)  # which offers to start a stack that never was
    require_stack(name)
    from devstack_tui.cli.verbs.status import show_once

    return show_once(name)


def _console(stack: str) -> int:
    from devstack_tui.core.terminal import restored

    def opened() -> int:
        from devstack_tui.console.app import run_console

        return run_console(stack)

    status, ended = restored(opened, "the console")
    if ended:
        narrate(f"devstack-tui: {ended}")
    return status


def _fail(error: DevstackError, given: Sequence[str]) -> int:
    error.message, error.remedy = as_typed(error.message), as_typed(error.remedy)
    if "--json" in given or "--jsonl" in given:
        import json

        document = {"error": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
        print(json.dumps(document), flush=True)
    narrate(f"devstack-tui: {error}")
    return error.exit_code


def _internal(error: Exception) -> DevstackError:
    """A file that cannot be used, or a fault of ours: one sentence; the details of a fault are in
    a private file, without secrets."""
    import traceback

    from devstack_tui.core import files, paths
    from devstack_tui.core.redact import redact

    if isinstance(error, OSError) and (error.filename or error.errno in files.FULL):
        return files.explain(error, "reading or writing")
    message = f"internal error: {type(error).__name__}: {redact(str(error))}"
    try:
        report = files.make_dir(paths.state_home(), 0o711 if os.geteuid() == 0 else 0o700)
        report /= "crash.log"
        files.write_private(report, redact("".join(traceback.format_exception(error))))
    except OSError:
        return DevstackError(message, "please report it")
    return DevstackError(message, f"please report it with {report}")
