"""The catalogue of the TLS checks: complete, without repetition, honest about what is proven."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.contracts.registry import BUILT_IN, service
from devstack_tui.core.check import Status
from devstack_tui.security.tls.catalogue import checks
from devstack_tui.security.tls.ciphers import WEAK
from devstack_tui.security.tls.listener_audit import together
from devstack_tui.security.tls.properties import PROPERTIES
from devstack_tui.state.settings import load

LISTENERS = 18


class Catalogued:
    """As much of an `Audit` as the catalogue needs: it asks no server."""

    def target(self, name: str) -> Target:
        found = service(name)
        settings = load({}).of(found.name, 0)
        endpoint = Endpoint(
            found.scheme, "127.0.0.1", settings.ports["main"], settings.ports.get("tls")
        )
        nowhere = Path("/nowhere")
        return Target(
            name, endpoint, settings.ports, Credentials(), nowhere, nowhere, settings.options()
        )

    def services(self) -> tuple[str, ...]:
        return ()


@pytest.fixture(scope="module")
def every() -> dict[str, Check]:
    found = checks(cast(Audit, Catalogued()))
    made = {check.id: check for check in found}
    assert len(made) == len(found), "an id twice"
    return made


def test_the_24_core_checks_are_all_there_and_come_first(every: dict[str, Check]) -> None:
    assert list(every)[:24] == [f"tls.{number:02d}" for number in range(1, 25)]
    assert [check.core for check in every.values()][:24] == [f"TLS {n}" for n in range(1, 25)]
    assert not any(check.core for check in list(every.values())[24:])


def test_every_row_is_of_the_service_that_its_core_check_names(every: dict[str, Check]) -> None:
    whose = {
        3: "postgres", 4: "postgres", 5: "postgres", 6: "mysql", 7: "mysql", 8: "mysql",
        9: "redis", 10: "redis", 11: "redis", 12: "redis", 13: "mongodb", 14: "mongodb",
        15: "rabbitmq", 16: "rabbitmq", 17: "reference_api", 18: "reference_api", 19: "forgejo",
        20: "vault", 22: "postgres", 23: "mysql",
    }  # fmt: skip
    assert {n: every[f"tls.{n:02d}"].service for n in whose} == whose


def test_what_a_row_asserts_is_asserted_once(every: dict[str, Check]) -> None:
    for gone in ("chain", "san_ip", "san_dns", "key_size", "lifetime", "file", "plain"):
        assert f"tls.postgres.{gone}" not in every
    assert "tls.rabbitmq.key_size" in every
    assert "tls.rabbitmq.chain" not in every, "row 16 is that"
    assert "tls.redis.key" in every, "the nodes share their files"
    assert "tls.redis-1.key" not in every


def test_a_row_over_several_listeners_is_the_sum_of_checks_that_are_counted(
    every: dict[str, Check],
) -> None:
    sums = {check.id: check.sums for check in every.values() if check.sums}
    assert set(sums) == {"tls.12", "tls.21", "tls.24"}
    assert set(sums["tls.12"]) == {
        f"tls.redis-{n}.{what}" for n in range(1, 7) for what in ("chain", "san_ip")
    }
    assert {"tls.03", "tls.postgres.query", "tls.17"} <= set(sums["tls.24"])
    for parts in sums.values():
        assert set(parts) <= set(every)


def test_each_listener_is_asked_for_every_version_and_every_weak_cipher(
    every: dict[str, Check],
) -> None:
    groups = Counter(check.group for check in every.values())
    assert groups["ciphers"] == LISTENERS * len(WEAK)
    versions = [one for one in PROPERTIES if one.group == "versions"]
    assert groups["versions"] == LISTENERS * len(versions)


def test_what_no_server_can_be_made_to_do_has_no_sabotage(every: dict[str, Check]) -> None:
    for unprovable in ("ssl3", "compression", "renegotiation", "cipher.rc4", "cipher.export"):
        assert every[f"tls.postgres.{unprovable}"].sabotage == ""
    assert every["tls.vault.cipher.static_rsa"].sabotage == "tls.vault.weak_ciphers"
    assert every["tls.postgres.cipher.null"].sabotage == "tls.postgres.weak_ciphers"
    assert every["tls.reference-api.tls1_0"].sabotage == "tls.reference-api.old_protocols"
    assert every["tls.redis-1-bus.plain"].sabotage == "tls.redis.bus_plain"
    assert every["tls.redis-1-bus.query"].sabotage == "tls.redis.bus_plain"
    assert every["tls.01"].sabotage == "tls.vault.ca_leaf"
    assert every["tls.02"].sabotage == "tls.vault.ca_ends"
    assert every["tls.vault.plain"].sabotage == "tls.vault.plain_open"
    proven = sum(bool(check.sabotage) and not check.sums for check in every.values())
    assert proven > 400


def test_every_check_says_what_is_at_stake_and_how_to_mend_it(every: dict[str, Check]) -> None:
    for check in every.values():
        assert check.service in BUILT_IN
        assert check.stake.endswith("."), check.id
        assert check.remedy, check.id
        assert "{" not in check.title + check.remedy, check.id
    assert "ssl_min_protocol_version" in every["tls.postgres.tls1_0"].remedy


def test_a_stack_without_the_services_skips_the_sums(every: dict[str, Check]) -> None:
    assert every["tls.24"].run(cast(Audit, Catalogued())).status is Status.SKIPPED


def test_together_is_as_bad_as_the_worst_and_names_it() -> None:
    parts = {
        "one": Finding(Status.PASS, "fine"),
        "two": Finding(Status.WARN, "soon"),
        "three": Finding(Status.FAIL, "gone"),
    }
    found = together(parts)
    assert (found.status, found.evidence) == (
        Status.FAIL,
        "three: gone; the others: 1 WARN, 1 PASS",
    )
    assert together({"one": parts["one"]}).evidence == "one: fine"
