"""Which checks and sabotages there are for a stack, and choosing among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Checks,
    MatrixCell,
    MatrixChecks,
    Sabotage,
    Severity,
)
from devstack_tui.contracts.registry import names, services
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UsageError, unknown_name

SEVERITIES = tuple(str(severity) for severity in Severity)
UNNAMED = UsageError("a check has a name", "`devstack-tui check list` shows them")
STATUSES = tuple(status.lower() for status in Status)


class Catalogue:
    """Every check of one stack, in the order of the suites, and every sabotage.

    `last` are the statuses of the last run, for who chooses by status.
    """

    def __init__(
        self,
        checks: Iterable[Check],
        sabotages: Iterable[Sabotage],
        matrixed: Iterable[MatrixChecks] = (),
    ) -> None:
        ordered = sorted(checks, key=lambda check: check.suite)
        self.checks = {check.id: _of_a_kind(check) for check in ordered}
        self.sabotages = {sabotage.id: sabotage for sabotage in sabotages}
        self._matrixed = tuple(matrixed)

    @classmethod
    def of(cls, audit: Audit) -> Catalogue:
        """What there is for the stack of the audit; asks no server."""
        from devstack_tui.security import tls_sabotage
        from devstack_tui.security.files import sabotage as files
        from devstack_tui.security.network import sabotage as network
        from devstack_tui.security.trust import sabotage as trust

        parts = _parts()
        sabotages = [sabotage for part in parts for sabotage in part.sabotages()]
        sabotages += [*files.sabotages(), *network.sabotages(), *trust.sabotages()]
        sabotages += tls_sabotage.sabotages(audit)
        known = {sabotage.id for sabotage in sabotages}
        return cls(
            (_provable(check, known) for check in cls.gather(audit)),
            sabotages,
            (part for part in parts if isinstance(part, MatrixChecks)),
        )

    @staticmethod
    def gather(audit: Audit) -> tuple[Check, ...]:
        """The checks that the services have, and those of every TLS listener."""
        from devstack_tui.security.files import catalogue as files
        from devstack_tui.security.network import catalogue as network
        from devstack_tui.security.tls import catalogue as tls
        from devstack_tui.security.trust import catalogue as trust

        own = [check for part in _parts() for check in part.checks(audit)]
        shared = (*files.checks(), *network.checks(audit), *trust.checks(audit))
        return (*own, *shared, *tls.checks(audit))

    def choose(
        self,
        words: Sequence[str] = (),
        *,
        suites: Sequence[str] = (),
        last: Mapping[str, Status] | None = None,
    ) -> tuple[Check, ...]:
        """The checks that any of `words` names, or all; of `suites` alone, if there are any.

        A word is an id, how ids begin (`tls.redis`), a suite, a group, a service, a severity or
        the status of the last run. Raises `UsageError` with the close matches for another.
        """
        known = {check.suite for check in self.checks.values()}
        for suite in suites:
            if suite not in known:
                raise unknown_name("suite", suite, known)
        chosen = {id for word in words for id in self._named(word, last or {})}
        return tuple(
            check
            for id, check in self.checks.items()
            if (not words or id in chosen) and (not suites or check.suite in suites)
        )

    def about(self) -> dict[str, frozenset[str]]:
        """The services that each check says something about; of one that sums up others, theirs."""
        own = {id: frozenset({one.service, *one.needs}) for id, one in self.checks.items()}
        for id, one in self.checks.items():
            own[id] = own[id].union(*(own[part] for part in one.sums if part in own))
        return own

    def get(self, id: str) -> Check:
        """The check called `id`. Raises `UsageError` with the close matches."""
        if id not in self.checks:
            raise unknown_name("check", id, self.checks) if id else UNNAMED
        return self.checks[id]

    def broken_at(self, check: Check) -> str:
        """The check of the same kind that a sabotage is of; empty for none."""
        alike = (one for one in self.checks.values() if one.kind and one.kind == check.kind)
        return next((one.id for one in alike if one.sabotage), "")

    def _named(self, word: str, last: Mapping[str, Status]) -> list[str]:
        if word in self.checks:
            return [word]
        if not word:
            raise UNNAMED
        lower = word.lower()
        # A group that is called as a suite (`files`) is not meant by that name.
        group = lower if all(check.suite != lower for check in self.checks.values()) else ""
        found = [
            check.id
            for check in self.checks.values()
            if lower in (check.suite, check.severity, check.core.lower())
            or (group and group == check.group.lower())
            or check.service == lower.replace("-", "_")
            or begins(check.id, word)
            or last.get(check.id, "").lower() == lower
        ]
        if not found and lower not in self._words():
            raise unknown_name("check", word, {*self.checks, *self._words()})
        return found

    def _words(self) -> set[str]:
        """What may be asked for although no check is so now."""
        suites = {check.suite for check in self.checks.values()}
        groups = {check.group.lower() for check in self.checks.values() if check.group}
        return {*suites, *groups, *names(), *SEVERITIES, *STATUSES}

    # -- sabotages -------------------------------------------------------------------------

    def names(self, word: str) -> bool:
        """Whether a check's or a sabotage's id begins with it."""
        return any(begins(id, word) for id in (*self.checks, *self.sabotages))

    def proving(self, words: Sequence[str], besides: Iterable[str] = ()) -> tuple[Sabotage, ...]:
        """The sabotages whose ids, or whose checks' ids, begin with one of `words`; all of them
        for no words. A check that is not broken itself is proven by what breaks its kind.

        Raises `UsageError` for an unknown name (`besides` are what else is known), and for a check
        that nothing can turn.
        """
        if not words:
            return tuple(self.sabotages.values())
        wanted: set[str] = set()
        for word in words:
            own = {id for id in self.sabotages if begins(id, word)}
            if not own and not any(begins(id, word) for id in self.checks):
                raise unknown_name(
                    "check or sabotage", word, {*self.checks, *self.sabotages, *besides}
                )
            turns = self._turning(check for check in self.checks.values() if begins(check.id, word))
            if not own | turns:
                raise UsageError(f"no sabotage is known that turns {word} red")
            wanted |= own | turns
        return tuple(found for id, found in self.sabotages.items() if id in wanted)

    def _turning(self, checks: Iterable[Check]) -> set[str]:
        checks = tuple(checks)
        kinds = {check.kind for check in checks if not check.sabotage} - {""}
        alike = (check for check in self.checks.values() if check.kind in kinds)
        return {check.sabotage for check in (*checks, *alike)} - {""}

    def sample(self) -> tuple[Sabotage, ...]:
        """The sabotages that prove every kind that can be proven, the narrowest first."""
        turned = {
            id: [self.checks[check].kind for check in self.expected(sabotage)]
            for id, sabotage in self.sabotages.items()
        }
        chosen: set[str] = set()
        seen: set[str] = set()
        for id, kinds in sorted(turned.items(), key=lambda item: len(item[1])):
            if fresh := {kind for kind in kinds if kind and kinds.count(kind) == 1} - seen:
                seen |= fresh
                chosen.add(id)
        return tuple(found for id, found in self.sabotages.items() if id in chosen)

    def expected(self, sabotage: Sabotage) -> set[str]:
        """The checks that it must turn red: those that name it, and what it is bound to."""
        found = {
            check.id
            for check in self.checks.values()
            if check.sabotage == sabotage.id
            or any(fnmatchcase(check.id, pattern) for pattern in sabotage.expects)
        }
        return found | {check.id for check in self.checks.values() if found & set(check.sums)}

    # -- the matrix ------------------------------------------------------------------------

    def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
        """The access matrix of every technology that has one. Raises `DevstackError`."""
        return tuple(cell for part in self._matrixed for cell in part.matrix(audit))


def _parts() -> list[Checks]:
    return [part for found in services() if (part := found.checks()) is not None]


def _provable(check: Check, known: Container[str]) -> Check:
    """A check whose property this technology cannot be made to lose has no sabotage."""
    return check if check.sabotage in known else dataclasses.replace(check, sabotage="")


def _of_a_kind(check: Check) -> Check:
    """A check that names no kind is one by itself, and one that sums up others is of none."""
    kind = "" if check.sums else check.kind or check.id
    return dataclasses.replace(check, kind=kind)


def begins(id: str, word: str) -> bool:
    """Whether `word` is where `id` begins, up to the end of a word: `tls.redis` of `tls.redis-1`,
    but not `tls.1` of `tls.10`."""
    return id.startswith(word) and bool(word) and not id[len(word) : len(word) + 1].isalnum()
