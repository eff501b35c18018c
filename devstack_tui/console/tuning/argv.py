"""The command lines of `tune` that the console uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devstack_tui.contracts import sizes
from devstack_tui.jobs.files import JobStarted

CURRENT, PENDING, BASELINE = "current", "pending", "baseline"
SHIPPED = (BASELINE, "optimized", "durable")
"""The profiles that come with us, and are not written over."""


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """What is to be done: `what` is apply, revert, ab, cost or auto; `title` names it for a user.

    `b` is the side of an A/B that can be kept.
    """

    what: str
    arguments: tuple[str, ...]
    title: str
    b: str = ""

    @property
    def outlives(self) -> bool:
        """Whether it goes on when the console closes."""
        return self.what in ("apply", "revert")

    @property
    def verb(self) -> str:
        """`tune apply`."""
        return f"tune {self.what}"

    @property
    def words(self) -> tuple[str, ...]:
        """The command line behind the verb."""
        return (*self.arguments, "--yes")

    @classmethod
    def of(cls, started: JobStarted) -> TuningRequest:
        """The order that a job was started with."""
        what, arguments = started.verb.split()[1], started.words[:-1]
        return cls(what, arguments, started.title, arguments[1] if what == "ab" else "")


def applying(profile: str = "") -> TuningRequest:
    """Apply a profile, or what is pending."""
    return TuningRequest("apply", (profile,) if profile else (), f"Apply {profile or PENDING}")


def reverting(to: int | None = None) -> TuningRequest:
    """Undo the last apply, or all after change `to`."""
    if to is None:
        return TuningRequest("revert", (), "Undo the last apply")
    return TuningRequest("revert", ("--to", str(to)), f"Return to change {to}")


def proving(a: str, b: str, workload: str, size: str, pairs: int, *, ablate: bool) -> TuningRequest:
    """B against A; `ablate` also measures what each parameter contributes to the difference."""
    last = ("--ablate",) if ablate else ()
    words = (a, b, "--workload", workload, *sizes.words(size), "--pairs", str(pairs), *last)
    return TuningRequest("ab", words, f"A/B {a} against {b}, {workload}", b)


def costing(service: str, profile: str = CURRENT) -> TuningRequest:
    """What a SIGKILL of `service` loses with the values of `profile`."""
    return TuningRequest(
        "cost", (service, "--profile", profile), f"Cost of {service}, {profile} values"
    )


def searching(workload: str, size: str, budget: str, durable: bool) -> TuningRequest:
    """Search the catalogue for `budget`, a duration."""
    words = (workload, *sizes.words(size), "--budget", budget, *(("--durable",) if durable else ()))
    return TuningRequest("auto", words, f"Search for {workload}, {budget}")


def planning(order: TuningRequest) -> tuple[str, ...]:
    """The dry run of an apply or a revert."""
    return ("tune", order.what, *order.arguments, "--plan", "--jsonl")


def setting(service: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Put values into pending."""
    return ("tune", "set", service, *(f"{name}={text}" for name, text in values.items()), "--json")


def dropping() -> tuple[str, ...]:
    """Take all that is pending away."""
    return ("tune", "revert", "--pending", "--yes", "--json")


def importing(path: str, name: str) -> tuple[str, ...]:
    """Make a profile of a configuration file."""
    return ("tune", "import", path, "--as", name)


def saving(name: str, source: str) -> tuple[str, ...]:
    """Save what is `current` or `pending` as a profile."""
    return ("tune", "save", name, "--from", source, "--json")
