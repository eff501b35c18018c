"""What is known of one parameter, of a service, or of one change, as labelled lines."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.tuning.argv import BASELINE
from devstack_tui.console.tuning.rows import Heading, Line
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.present.cells import Fact, Span
from devstack_tui.present.looks import BAD, BUSY, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import plain
from devstack_tui.state.parameter_values import limit_text, limits
from devstack_tui.tuning.events import Row

APPLIED = {
    "live": "live: the running server takes it at once",
    "reload": "reload: the running server reads its configuration again",
    "restart": "restart: the server ends and starts again",
}
UNITS = {
    "bytes": "bytes: 512MB, 512M and 536870912 are the same",
    "duration": "a time: 100ms, 30s, 5min; a bare number is milliseconds",
    "integer": "a whole number",
    "real": "a number",
    "boolean": "on or off",
    "choice": "one of these words",
    "text": "a text",
}


def parameter_facts(line: Line, parameter: Parameter | None) -> Iterator[Fact]:
    """The lines of a parameter. What is unknown is left out."""
    row = line.row
    if line.problem is not None:
        look = ("✗", BAD) if line.problem.fatal else ("▲", WARN)
        yield Fact("Problem", ((f"{look[0]} {plain(line.problem.message)}", look[1]),))
    yield Fact("What", ((plain(row.help or (parameter.help if parameter else "")), ""),))
    yield Fact("Now", tuple(_now(row)))
    if row.pending is not None:
        mark = ("  ↻ needs a restart", WARN) if row.restart else ("", "")
        yield Fact("Pending", ((f"◆ {plain(row.pending)}", BUSY), mark))
    yield Fact("Applied", ((APPLIED.get(row.apply, plain(row.apply)), QUIET),))
    if row.elsewhere and row.elsewhere not in row.warning:
        yield Fact("Elsewhere", ((f"▲ {plain(row.elsewhere)}", WARN),))
    if row.warning:
        yield Fact("Warning", ((f"▲ {plain(row.warning)}", WARN),))
    yield from _durability(line)
    if row.cost:
        yield Fact("Measured", ((plain(row.cost), ""),))
    yield Fact("Values", tuple(_values(row)))
    if parameter is not None:
        yield Fact("Range", tuple(_range(parameter)))
    if row.lives:
        yield Fact("Lives in", ((plain(row.lives), QUIET),))
    if parameter is not None and parameter.reader:
        yield Fact("Read from", ((plain(parameter.reader), QUIET),))


def service_facts(heading: Heading, costs: tuple[str, ...]) -> Iterator[Fact]:
    """The lines of a service."""
    if heading.down:
        yield Fact("Why", ((f"✗ {plain(heading.down)}", BAD),))
        yield Fact("Do", (("s in Health starts it, u starts the whole stack", ""),))
    else:
        text = f"{heading.parameters} parameters, {heading.changed} not as the server comes"
        pending = (f" · ◆ {heading.pending} pending", BUSY) if heading.pending else ("", "")
        yield Fact("Service", ((text, ""), pending))
    for cost in costs:
        yield Fact("Measured", ((plain(cost), ""),))
    if not costs and not heading.down:
        yield Fact("Measured", (("nothing yet: c measures what a SIGKILL loses", QUIET),))


def range_text(parameter: Parameter) -> str:
    """`128kB to 6GB (this machine)`."""
    return "".join(text for text, _ in _range(parameter))


def _now(row: Row) -> Iterator[Span]:
    yield plain(row.effective) or "unknown", KEY
    parts = [f"by {plain(row.set_by)}" if row.set_by else "", plain(row.source)]
    yield "".join(f" · {part}" for part in parts if part), ""


def _durability(line: Line) -> Iterator[Fact]:
    row = line.row
    if row.relaxed or line.relaxed:
        text = f"▲ development only: {plain(row.durability)}"
        yield Fact("Durability", ((text, WARN),))
    elif row.durability:
        yield Fact(
            "Durability", (("● safe as it is; relaxed: ", GOOD), (plain(row.durability), ""))
        )


def _values(row: Row) -> Iterator[Span]:
    yield f"default {plain(row.default)}", ""
    values = {BASELINE: row.baseline} | row.profiles
    for name, value in values.items():
        if value is not None:
            yield f" · {plain(name)} {plain(value)}", QUIET if value == row.effective else ""


def _range(parameter: Parameter) -> Iterator[Span]:
    if parameter.choices:
        yield ", ".join(map(plain, parameter.choices)), ""
    elif parameter.minimum is not None or parameter.maximum is not None:
        yield limits(parameter), ""
    else:
        yield UNITS[parameter.kind.value], ""
    if parameter.limits_from:
        yield f" ({plain(parameter.limits_from)})", QUIET
    for text, meaning in parameter.special.items():
        yield f" · {plain(text)}: {plain(meaning)}", ""
    if parameter.step:
        yield f" · in steps of {limit_text(parameter, parameter.step)}", ""
