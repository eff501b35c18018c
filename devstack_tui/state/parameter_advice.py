"""What values of a service's parameters mean together: the rules are each technology's, the rest
is here.

A rule is a function from `Facts` to what it finds. A value that is unknown is NaN: no comparison
with it holds, so that a rule need not ask whether a parameter exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share, Values
from devstack_tui.core import units
from devstack_tui.core.machine import Machine
from devstack_tui.state.parameter_catalogue import kinds

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
Options = Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules judge by: the values of all parameters as they would be, the server's counters,
    the machine and the options of the target. `durable`: nothing relaxed may be suggested."""

    service: str
    values: Values
    machine: Machine = field(default_factory=lambda: Machine(0, 0))
    counters: Mapping[str, float] = field(default_factory=dict)
    options: Options = field(default_factory=dict)
    durable: bool = True

    def __getitem__(self, name: str) -> float:
        """The value in bytes, milliseconds or as it is; NaN if there is none that can be read."""
        try:
            return float(units.parse(kinds(self.service)[name], self.values[name]))
        except (KeyError, ValueError):
            return math.nan

    def get(self, name: str, default: float) -> float:
        """The same with a default in place of NaN."""
        value = self[name]
        return default if math.isnan(value) else value

    def text(self, name: str) -> str:
        """The canonical text; empty where the parameter does not exist."""
        return self.values.get(name, "")

    def count(self, name: str, default: float = 0) -> float:
        """A counter of the server."""
        return self.counters.get(name, default)

    @property
    def memory(self) -> str:
        """The machine's memory for a sentence: `16 GB of this machine`."""
        return f"{units.size(self.machine.memory_bytes)} of {self.machine.memory_from}"

    def fatal(self, name: str, message: str) -> Problem:
        """Why a value cannot be applied."""
        return Problem(self.service, name, message)

    def warning(self, name: str, message: str) -> Problem:
        """What a value may lead to."""
        return Problem(self.service, name, message, fatal=False)

    def share(self, label: str, bytes_: float, *, worst_only: bool = False) -> list[Share]:
        """Memory that is used, if any is."""
        if not bytes_ > 0:
            return []
        return [Share(self.service, label, int(bytes_), worst_only)]

    def suggest(self, name: str, value: str, reason: str) -> Advice:
        """A better value, and the figures that it comes from."""
        return Advice(self.service, name, value, reason)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one technology knows of its values."""

    service: str
    problems: tuple[Callable[[Facts], Iterable[Problem]], ...]
    memory: Callable[[Facts], Iterable[Share]]
    advice: tuple[Callable[[Facts], Iterable[Advice]], ...]


class RuleBasedTunables:
    """The methods of `Tunables` that need no server, by the `rules` of a technology."""

    rules: Rules

    def problems(
        self, values: Values, machine: Machine, counters: Mapping[str, float]
    ) -> tuple[Problem, ...]:
        """Combinations that cannot start or cannot work."""
        facts = Facts(self.rules.service, values, machine, counters)
        return tuple(found for rule in self.rules.problems for found in rule(facts))

    def memory(self, values: Values, options: Options) -> tuple[Share, ...]:
        """What the service would use with these values, surely and at worst."""
        return tuple(self.rules.memory(Facts(self.rules.service, values, options=options)))

    def advise(
        self, values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
    ) -> tuple[Advice, ...]:
        """What the machine and the counters call for."""
        facts = Facts(self.rules.service, values, machine, counters, durable=durable)
        return tuple(
            found
            for rule in self.rules.advice
            for found in rule(facts)
            if values.get(found.parameter, found.value) != found.value
        )


def rounded_down(bytes_: float, unit: int, least: int) -> str:
    """The canonical text of a size in whole units."""
    return units.show(Kind.BYTES, max(least, int(bytes_) // unit * unit))
