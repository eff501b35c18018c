"""The 77 core checks by our ids: what coverage is counted against."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import msgspec

from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.paths import shipped


class CoreCheck(msgspec.Struct, frozen=True):
    """One core check: its number (`TLS 4`), our id for it, what it asserts. `explained`: why
    nothing was seen to turn it red."""

    core: str
    id: str
    title: str
    suite: str
    explained: str = ""


class CoreSuite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One suite of core checks, as core_checks.toml describes it."""

    title: str
    prefix: str
    run: tuple[str, ...]
    titles: tuple[str, ...]
    missing: str = ""
    explained: dict[str, str] = {}
    """By their numbers, those that no sabotage can turn red yet, and why."""

    @property
    def checks(self) -> Iterator[CoreCheck]:
        """In the order of their numbers."""
        for number, title in enumerate(self.titles, 1):
            yield CoreCheck(
                f"{self.title} {number}",
                f"{self.prefix}.{number:02}",
                title,
                self.title,
                self.explained.get(str(number), self.missing),
            )


@functools.cache
def suites() -> tuple[CoreSuite, ...]:
    """All suites. Their checks are fixed: a user's copy of the file does not count."""
    path = shipped("configs/core_checks.toml")
    return convert(read_toml(path)["suites"], tuple[CoreSuite, ...], path, "suites")


def checks() -> tuple[CoreCheck, ...]:
    """The checks of all suites."""
    return tuple(check for suite in suites() for check in suite.checks)
