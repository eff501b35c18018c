"""Every command that we print works as it stands: on its stack, and with words that exist."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.cli import main as cli
from devstack_tui.core import errors

ROOT = Path(__file__).resolve().parents[2]
_PRINTED = re.compile(rf"devstack-tui (?:{'|'.join(cli.VERBS)})(?![:\w-])[^`\"\n;&|]*")
_BARE = re.compile(rf"`(?:{'|'.join(cli.VERBS)})(?: [^`]*)?`")
NOUNS = (
    "stack/recovery.py",
    "health/monitor.py",
    "drill/restart.py",
    "identity/rotation.py",
    "tuning/show.py",
)
"""Where verbs are what runs now, or what was interrupted: not something to type."""


def _literals() -> Iterator[tuple[str, str]]:
    """Every text of the code that is no docstring, and of the data, with where it is."""
    for path in sorted((ROOT / "devstack_tui").rglob("*.py")):
        tree = ast.parse(path.read_text())
        skipped = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
            if part is not node
        } | {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) not in skipped and (text := _text(node)):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text
    for path in sorted((ROOT / "configs").rglob("*.toml")):
        for text in _texts(tomllib.loads(path.read_text())):
            yield str(path.relative_to(ROOT)), re.sub(r"\{(\w+)\}", _field, text)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else _stands_for(ast.unparse(part))
            for part in node.values
        )
    return ""


def _field(found: re.Match[str]) -> str:
    return "redis" if found[1] in ("service", "name") else found[0]


def _stands_for(field: str) -> str:
    """What is printed for a field of an f-string."""
    for word, value in (
        ("stack", "lab"),
        ("workload", "redis.set"),
        ("sized", " --size quick"),
        ("drill", "redis.failover"),
        ("shlex.join", "status"),
        ("known[0]", "abc"),
        ("assignment", "maxmemory=64MB"),
        ("{name}=default", "maxmemory"),
    ):
        if word in field:
            return value
    return "redis"


def _texts(table: Any) -> Iterator[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict | list):
        for one in table.values() if isinstance(table, dict) else table:
            yield from _texts(one)


PRINTED = [
    (place, found.strip().rstrip("'),.:"))
    for place, text in _literals()
    if text != "devstack-tui bench"  # what RabbitMQ calls our connection
    for found in _PRINTED.findall(text)
]


def test_the_verbs_that_are_given_their_stack_are_those_of_the_command_line() -> None:
    assert set(errors.VERBS) == set(cli.VERBS)


def test_commands_are_found_in_the_code_and_in_the_data() -> None:
    assert sum(place.startswith("devstack_tui") for place, _ in PRINTED) > 60
    assert sum(place.startswith("configs") for place, _ in PRINTED) > 25


@pytest.mark.parametrize(("place", "text"), PRINTED)
def test_a_printed_command_names_its_stack_and_is_understood(place: str, text: str) -> None:
    printed = errors.for_stack(text, "x")
    words = shlex.split(printed)[1:]
    assert words[:2] == ["--stack", "x"] or "--stack" in words, place
    assert cli._parser(words).parse_args(words).verb in cli.VERBS


def test_a_verb_in_backticks_is_a_whole_command() -> None:
    places = [(place, text) for place, text in _literals() if not any(n in place for n in NOUNS)]
    assert [(place, found) for place, text in places for found in _BARE.findall(text)] == []


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("`devstack-tui up redis`", "`devstack-tui --stack x up redis`"),
        (
            "devstack-tui logs a; devstack-tui restart a",
            "devstack-tui --stack x logs a; devstack-tui --stack x restart a",
        ),
        ("`devstack-tui --stack other down --wipe`", "`devstack-tui --stack other down --wipe`"),
        ("devstack-tui drill run a --stack other", "devstack-tui drill run a --stack other"),
        ("devstack-tui report: x, devstack-tui:drill:1", None),
        ("an older devstack-tui, started up", None),
    ],
)
def test_a_command_is_typed_for_its_stack_once(text: str, typed: str | None) -> None:
    assert errors.for_stack(text, "x") == (typed or text)
    assert errors.for_stack(text, "default") == text
    assert errors.for_stack(errors.for_stack(text, "x"), "x") == (typed or text)


def test_a_command_that_agrees_beforehand_names_the_default_stack_too() -> None:
    text = "`devstack-tui certs rotate rabbitmq --yes` restarts it, not `devstack-tui up`"
    typed = text.replace("certs", "--stack default certs")
    assert errors.for_stack(text, "default") == typed
    assert errors.for_stack(typed, "default") == typed


def test_a_built_command_is_quoted_for_the_shell() -> None:
    assert errors.command("default", "tune", "ab") == "devstack-tui tune ab"
    built = errors.command("lab", "tune", "set", "redis", "save=3600 1")
    assert built == "devstack-tui --stack lab tune set redis 'save=3600 1'"


def test_whatever_a_verb_prints_is_typed_for_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    from devstack_tui.cli import output

    output.work_on("x")
    try:
        output.say("`devstack-tui up`")
        output.narrate("`devstack-tui up`")
        output.print_json({"remedy": "`devstack-tui up`"})
    finally:
        output.work_on("default")
    out, err = capsys.readouterr()
    assert out + err == (
        '`devstack-tui --stack x up`\n{"remedy":"`devstack-tui --stack x up`"}\n'
        "`devstack-tui --stack x up`\n"
    )


def test_the_verbs_print_through_the_one_place() -> None:
    """What does not is the words of a server, a table, or the lines of a job, typed already."""
    allowed = {"output.py", "main.py", "logs.py", "status.py", "job.py"}
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / "devstack_tui/cli").rglob("*.py"))
        if path.name not in allowed
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not any(word.arg == "end" for word in node.keywords)
    ]
    assert found == []
