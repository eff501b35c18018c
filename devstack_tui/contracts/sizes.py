"""The sizes of a benchmark's runs, and what runs of each may decide.

The one place for it: the gate, A/B, the report, the command lines and the console ask here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One size. A run of it is measured for `least_s` seconds or longer.

    `verdict`: whether its runs carry a verdict on a server. `core`: whether that verdict decides a
    core check.
    """

    name: str
    least_s: float
    verdict: bool
    core: bool

    @property
    def decides(self) -> str:
        """The same in words."""
        if not self.verdict:
            return "no verdict on a server"
        return "decides core checks" if self.core else "a verdict that decides no core check"


SIZES = {
    size.name: size
    for size in (
        Size("smoke", 1, verdict=False, core=False),
        Size("quick", 5, verdict=True, core=False),
        Size("full", 30, verdict=True, core=True),
    )
}
DEFAULT = "full"
_SHORT = 0.98  # of `least_s`: a client's own clock may end a run a few milliseconds early


def no_verdict(size: str, seconds: float | None = None) -> str:
    """Why runs of this size carry no verdict on a server; empty when they do.

    `seconds` is how long the shortest of them was measured, where that is known: the user's own
    workloads.toml may make a size shorter than it has to be.
    """
    known = SIZES.get(size)
    if known is None:
        return f"{size}: not a size that this version knows"
    if not known.verdict:
        return f"{size}: too short for a verdict"
    if seconds is not None and seconds < known.least_s * _SHORT:
        return (
            f"{size}: runs of {seconds:.1f} s are too short for a verdict "
            f"(at least {known.least_s:g} s)"
        )
    return ""


def beside(workload: str, size: str) -> str:
    """What a baseline calls a workload's figures of a size that stand beside those of a longer one:
    `redis.get@quick`."""
    return f"{workload}@{size}"


def words(size: str) -> tuple[str, ...]:
    """The options that ask for a size; none for the default."""
    if size in ("", DEFAULT):
        return ()
    return ("--quick",) if size == "quick" else ("--size", size)


def of_words(given: tuple[str, ...]) -> str:
    """The size that a command line asks for."""
    if "--quick" in given:
        return "quick"
    named = dict(itertools.pairwise(given))
    return named.get("--size", DEFAULT)
