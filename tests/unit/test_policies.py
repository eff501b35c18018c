"""Vault's policies: each service reads its own secret and has its own certificate issued."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service import Service
from devstack_tui.core.paths import shipped
from devstack_tui.identity import bootstrap

FOLDER = shipped("configs/vault/policies")
RULE = re.compile(r'path\s+"(?P<path>[^"]+)"\s*\{\s*capabilities\s*=\s*\[(?P<may>[^\]]*)\]\s*\}')
Rules = dict[str, frozenset[str]]

every_service = pytest.mark.parametrize("service", services(), ids=lambda service: service.name)


def rules(name: str) -> Rules:
    """The paths of a policy file and what they grant; nothing in the file is passed over."""
    text = re.sub(r"#.*", "", (FOLDER / f"{name}.hcl").read_text(encoding="utf-8"))
    found = {
        rule["path"]: frozenset(re.findall(r'"([^"]+)"', rule["may"]))
        for rule in RULE.finditer(text)
    }
    assert RULE.sub("", text).strip() == ""
    assert len(found) == text.count("path "), "a path that is written twice"
    return found


def readable(service: Service) -> set[str]:
    """The secrets that a service needs: its own, and of those that it is a client of. The accounts
    by which those are administrated are none of its business."""
    return {*service.secrets, *(name.replace("_", "-") for name in service.after)}


def test_there_is_one_policy_for_each_service_and_one_for_the_admin() -> None:
    found = {path.stem for path in Path(FOLDER).glob("*")}
    assert found == {service.secret for service in services()} | {bootstrap.ADMIN}


@every_service
def test_a_service_may_read_its_own_secret_and_have_its_own_certificate_issued(
    service: Service,
) -> None:
    found = rules(service.secret)
    assert found[f"secret/data/{service.secret}"] == {"read"}
    assert found[f"pki_int/issue/{service.role}"] == {"update"}


@every_service
def test_a_service_may_do_nothing_else(service: Service) -> None:
    allowed = {f"secret/data/{name}" for name in readable(service)}
    allowed.add(f"pki_int/issue/{service.role}")
    assert set(rules(service.secret)) == allowed


@every_service
def test_no_policy_of_a_service_has_a_wildcard(service: Service) -> None:
    assert not [path for path in rules(service.secret) if re.search(r"[*+{}]", path)]


def test_only_the_reference_api_reads_what_is_not_its_own() -> None:
    others = {
        service.name
        for service in services()
        if {path for path in rules(service.secret) if path.startswith("secret/")}
        != {f"secret/data/{name}" for name in service.secrets}
    }
    assert others == {"reference_api"}


def test_nobody_may_write_a_secret() -> None:
    for service in services():
        for path, may in rules(service.secret).items():
            assert not (path.startswith("secret/") and may != {"read"}), service.name


def test_the_admin_may_read_no_secret() -> None:
    reached = {path for path in rules(bootstrap.ADMIN) if path.startswith(("secret", "+", "*"))}
    # How many versions there are, and the names of the secrets, are no secret.
    assert reached == {"secret/config", "secret/metadata", "secret/metadata/+"}


def test_the_admin_may_change_no_policy_role_mount_or_key() -> None:
    found = rules(bootstrap.ADMIN)
    writes = {path for path, may in found.items() if may - {"read", "list", "sudo"}}
    assert writes == {
        "auth/approle/role/+/secret-id",
        "auth/approle/role/+/secret-id-accessor/destroy",
        "auth/approle/role/+/secret-id-accessor/lookup",
        "auth/token/lookup-accessor",  # a look, by POST
    }
    assert not [path for path in found if "*" in path]
    assert not [path for path in found if path.startswith("sys/raw")]
    assert {path: may for path, may in found.items() if path.startswith(("pki", "auth/token"))} == {
        "auth/token/accessors": {"list", "sudo"},
        "auth/token/lookup-accessor": {"update"},
        "auth/token/roles": {"list"},
        "pki/certs": {"list"},
        "pki/config/+": {"read"},
        "pki/issuer/default": {"read"},
        "pki/keys": {"list"},
        "pki/roles": {"list"},
        "pki_int/certs": {"list"},
        "pki_int/config/+": {"read"},
        "pki_int/issuer/default": {"read"},
        "pki_int/keys": {"list"},
        "pki_int/roles": {"list"},
        "pki_int/roles/+": {"read"},
    }


def test_a_bootstrap_is_done_again_when_a_policy_changes(room: Path) -> None:
    before = bootstrap.digest(services())
    own = room / "config" / "devstack-tui" / "vault" / "policies" / "redis.hcl"
    own.parent.mkdir(parents=True)
    own.write_text((FOLDER / "redis.hcl").read_text())
    assert bootstrap.digest(services()) == before
    own.write_text('path "secret/data/redis" {\n  capabilities = ["deny"]\n}\n')
    assert bootstrap.digest(services()) != before
