"""Choosing checks and sabotages by name. The checks here are fakes, but for the last tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest

from devstack_tui.contracts.audit import Severity
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UsageError
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import Switch, check

CHECKS = (
    check("tls.01", core="TLS 1", severity=Severity.CRITICAL, sabotage="ca.broken"),
    check(
        "tls.redis-1.chain", service="redis", group="chain", kind="chain", sabotage="redis.other_ca"
    ),
    check(
        "tls.redis-10.chain",
        service="redis",
        group="chain",
        kind="chain",
        sabotage="redis.other_ca",
    ),
    check("approle.10", core="AppRole 10", group="Login", service="reference_api"),
)


@pytest.fixture
def catalogue() -> Catalogue:
    sabotages = [
        Switch().sabotage("ca.broken", expects=("tls.redis-1*",)),
        Switch().sabotage("redis.other_ca", service="redis"),
    ]
    return Catalogue(CHECKS, sabotages)


def names(catalogue: Catalogue, *words: str, suites: tuple[str, ...] = ()) -> list[str]:
    last = {"tls.01": Status.FAIL, "approle.10": Status.PASS}
    return [found.id for found in catalogue.choose(words, suites=suites, last=last)]


def test_without_a_word_all_are_chosen_by_suite(catalogue: Catalogue) -> None:
    assert names(catalogue) == ["approle.10", "tls.01", "tls.redis-1.chain", "tls.redis-10.chain"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("tls.01", ["tls.01"]),
        ("TLS 1", ["tls.01"]),
        ("approle", ["approle.10"]),
        ("tls.redis", ["tls.redis-1.chain", "tls.redis-10.chain"]),
        ("tls.redis-1", ["tls.redis-1.chain"]),
        ("chain", ["tls.redis-1.chain", "tls.redis-10.chain"]),
        ("login", ["approle.10"]),
        ("reference-api", ["approle.10"]),
        ("critical", ["tls.01"]),
        ("FAIL", ["tls.01"]),
        ("warn", []),
        ("mysql", []),
    ],
)
def test_a_word_is_an_id_a_prefix_a_group_a_service_a_severity_or_a_status(
    catalogue: Catalogue, word: str, expected: list[str]
) -> None:
    assert names(catalogue, word) == expected


def test_a_suite_is_not_a_group_of_the_same_name_in_another_suite() -> None:
    made = Catalogue([check("files.1"), check("tls.1", group="files")], [])
    assert names(made, "files") == ["files.1"]


def test_a_check_says_where_its_kind_is_broken() -> None:
    made = Catalogue(
        [check("a.1", kind="k"), check("a.2", kind="k", sabotage="k.broken"), check("a.3")], []
    )
    found = [made.broken_at(one) for one in made.checks.values()]
    assert found == ["a.2", "a.2", ""]


def test_words_add_up_and_a_suite_narrows(catalogue: Catalogue) -> None:
    assert names(catalogue, "tls.01", "login") == ["approle.10", "tls.01"]
    assert names(catalogue, "high", suites=("approle",)) == ["approle.10"]


@pytest.mark.parametrize("word", ["tls.redsi-1.chain", "tls.0", "tls.redis-1.chai"])
def test_an_unknown_word_lists_the_close_ones(catalogue: Catalogue, word: str) -> None:
    with pytest.raises(UsageError) as error:
        names(catalogue, word)
    assert "tls." in error.value.remedy


def test_an_unknown_suite_lists_the_close_ones(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="unknown suite 'aprole'") as error:
        names(catalogue, suites=("aprole",))
    assert "approle" in error.value.remedy


def test_a_sabotage_is_named_by_itself_or_by_what_it_turns(catalogue: Catalogue) -> None:
    def proving(*words: str) -> list[str]:
        return [found.id for found in catalogue.proving(words)]

    assert proving() == ["ca.broken", "redis.other_ca"]
    assert proving("ca.broken") == ["ca.broken"]
    assert proving("tls.redis-1.chain") == ["redis.other_ca"]
    assert proving("tls") == ["ca.broken", "redis.other_ca"]


def test_what_is_not_broken_itself_is_proven_by_what_breaks_its_kind() -> None:
    checks = [check("a.1", kind="a", sabotage="fake.broken"), check("a.2", kind="a")]
    made = Catalogue(checks, [Switch().sabotage()])
    assert [found.id for found in made.proving(["a.2"])] == ["fake.broken"]
    assert made.expected(made.sabotages["fake.broken"]) == {"a.1"}


def test_what_nothing_turns_cannot_be_proven(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match=r"no sabotage is known that turns approle\.10 red"):
        catalogue.proving(["approle.10"])
    with pytest.raises(UsageError) as error:
        catalogue.proving(["ca.brokne"])
    assert "ca.broken" in error.value.remedy


def test_a_sabotage_must_turn_what_names_it_and_what_it_is_bound_to(catalogue: Catalogue) -> None:
    expected = catalogue.expected(catalogue.sabotages["ca.broken"])
    assert expected == {"tls.01", "tls.redis-1.chain", "tls.redis-10.chain"}


UNPROVABLE = {
    # OpenBao cannot be asked to let these in.
    "approle.token.none",
    # No TLS library of today can be asked to compress, or to renegotiate as before RFC 5746; nor
    # Redis to let somebody without a certificate into its bus.
    "tls.compression",
    "tls.renegotiation",
    "tls.mutual",
    # Nor to take a client's word that it tried better for nothing.
    "tls.fallback",
    # Vault's nodes make their certificates themselves, and Erlang's distribution is as it is.
    "tls.cluster_mutual",
    "tls.cluster_plain",
    "tls.distribution",
    # A second server that joins needs the key of the first; another seal, a new stack.
    "vault.raft",
    "vault.seal",
}
"""The kinds that nothing on this platform can break: they have no proof."""


# -- the real catalogue ------------------------------------------------------------------------


@pytest.fixture
def real() -> Catalogue:
    with StackAudit(Stack("t")) as audit:
        return Catalogue.of(audit)


def test_every_check_has_an_id_of_its_own_and_says_what_it_is_about() -> None:
    with StackAudit(Stack("t")) as audit:
        gathered = Catalogue.gather(audit)
    ids = [found.id for found in gathered]
    assert sorted(ids) == sorted(set(ids))
    assert [c.id for c in gathered if not (c.title and c.stake and c.remedy and c.suite)] == []
    assert [c.id for c in gathered if not c.id.startswith(f"{c.suite}.")] == []


def test_every_kind_has_a_sabotage_of_exactly_one_of_its_instances(real: Catalogue) -> None:
    precise = set()
    for sabotage in real.sabotages.values():
        turned = Counter(real.checks[id].kind for id in real.expected(sabotage))
        precise |= {kind for kind, count in turned.items() if count == 1}
    assert {check.kind for check in real.checks.values()} - precise - {""} == UNPROVABLE


def test_every_sabotage_turns_something(real: Catalogue) -> None:
    assert [id for id, found in real.sabotages.items() if not real.expected(found)] == []


def test_every_prefix_that_a_sabotage_expects_fits_a_check(real: Catalogue) -> None:
    unknown = [
        (id, pattern)
        for id, found in real.sabotages.items()
        for pattern in found.expects
        if not any(fnmatchcase(check, pattern) for check in real.checks)
    ]
    assert unknown == []


def test_all_the_core_checks_are_there(real: Catalogue) -> None:
    numbers = {found.core for found in real.checks.values() if found.core}
    assert {found.id for found in real.checks.values()} >= {f"tls.{n:02}" for n in range(1, 25)}
    assert {found.id for found in real.checks.values()} >= {f"approle.{n:02}" for n in range(1, 22)}
    assert len(numbers) == 45


@pytest.mark.parametrize("ask", [lambda found: found.get(""), lambda found: found.choose([""])])
def test_no_name_is_no_check(ask: Callable[[Catalogue], object]) -> None:
    with pytest.raises(UsageError, match="a check has a name"):
        ask(Catalogue([check("tls.01")], []))
