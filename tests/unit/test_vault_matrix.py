"""The declared access matrix and Vault's policies, as text and as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.contracts.registry import services
from devstack_tui.core.errors import ConfigError, DevstackError
from devstack_tui.core.paths import resource, shipped
from devstack_tui.identity.bootstrap import ADMIN
from devstack_tui.services.vault import matrix
from devstack_tui.services.vault.policies import parse

POLICIES = "configs/vault/policies/{}.hcl"


@pytest.fixture
def own(room: Path) -> Path:
    """Where a user's copy of the file goes."""
    path = room / "config" / "devstack-tui" / "vault" / "matrix.toml"
    path.parent.mkdir(parents=True)
    return path


def test_every_approle_is_declared() -> None:
    assert set(matrix.load().roles) == {service.secret for service in services()} | {ADMIN}


@pytest.mark.parametrize("role", matrix.roles())
def test_what_is_declared_is_what_the_shipped_policy_grants(role: str) -> None:
    declared = matrix.load().roles[role]
    rules = parse(shipped(POLICIES.format(role)).read_text(encoding="utf-8"))
    granted = {
        rule.path.removeprefix("secret/data/"): rule.capabilities
        for rule in rules
        if rule.path.startswith("secret/data/")
    }
    assert granted == {name: frozenset(may) for name, may in declared.secrets.items()}
    issuers = {rule.path for rule in rules if rule.path.startswith("pki_int/issue/")}
    assert issuers == {f"pki_int/issue/{name}-role" for name in declared.certificates}
    assert {rule.path for rule in rules if rule.pattern} == set(declared.patterns)
    assert {rule.path for rule in rules if "sudo" in rule.capabilities} == set(declared.sudo)


def test_the_owner_comes_first_among_the_readers() -> None:
    assert matrix.load().readers("postgres") == ("postgres", "reference-api")


def test_a_users_copy_wins(own: Path) -> None:
    own.write_text('[roles.redis]\nsecrets.mysql = ["list"]\n')
    found = matrix.load()
    assert found.may("redis", "mysql", "list")
    assert not found.may("redis", "redis", "read")


def test_a_role_that_is_not_written_may_do_nothing(own: Path) -> None:
    own.write_text("[roles.redis]\n")
    found = matrix.load()
    assert not found.may("postgres", "postgres", "read")
    assert not found.may_issue("postgres", "postgres")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[roles.postgre]\n", 1, "unknown role 'postgre'"),
        ('[roles.redis]\nsecrets.reddis = ["read"]\n', 2, "unknown secret 'reddis'"),
        ('[roles.redis]\ncertificates = ["kafka"]\n', 2, "unknown service 'kafka'"),
        ('[roles.redis]\nsecrets.redis = ["sudo"]\n', 2, "roles.redis.secrets.redis[0]"),
        ('\n[roles.redis]\nprivileges = ["fly"]\n', 3, "roles.redis.privileges[0]"),
        ("[roles.redis]\nsecret = 1\n", 2, "roles.redis.secret"),
        ('[roles.redis]\ncertificates = "redis"\n', 2, "expected `array`"),
    ],
)
def test_a_fault_names_file_line_and_key(own: Path, text: str, line: int, told: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError) as caught:
        matrix.load()
    assert f"{own}:{line}: " in caught.value.message
    assert told in caught.value.message


def test_a_close_name_is_offered(own: Path) -> None:
    own.write_text("[roles.postgre]\n")
    with pytest.raises(ConfigError) as caught:
        matrix.load()
    assert "postgres" in caught.value.remedy


@pytest.mark.parametrize("role", matrix.roles())
def test_every_shipped_policy_is_read_whole(role: str) -> None:
    text = resource(POLICIES.format(role)).read_text(encoding="utf-8")
    assert len(parse(text)) == sum(line.startswith("path ") for line in text.splitlines())


def test_comments_are_no_rules_and_strings_are_no_comments() -> None:
    (rule,) = parse(
        '# path "a" {}\n// path "b" {}\n/* path "c" {\n} */\n'
        'path "secret//data/#x" { # }\n  capabilities = ["read", "list"] // "sudo"\n}\n'
    )
    assert rule.path == "secret//data/#x"
    assert rule.capabilities == {"read", "list"}


def test_blocks_inside_of_a_rule_belong_to_it() -> None:
    first, second = parse(
        'path "a" {\n  capabilities = ["update"]\n  allowed_parameters = {\n    "x}" = ["sudo"]\n'
        '  }\n}\npath "b" { policy = "write" }'
    )
    assert (first.path, first.capabilities) == ("a", {"update"})
    assert (second.path, second.capabilities) == ("b", {"write"})


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("secret/data/x", False),
        ("secret/+/x", True),
        ("secret/*", True),
        ("*", True),
        ("a+b/c", False),
    ],
)
def test_a_plus_is_a_pattern_only_as_a_whole_segment(path: str, pattern: bool) -> None:
    (rule,) = parse(f'path "{path}" {{ capabilities = ["read"] }}')
    assert rule.pattern is pattern


@pytest.mark.parametrize(
    "text", ["nonsense", 'path "a" {', 'path "a" { capabilities = ["read"] } and more', "path a {}"]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(DevstackError):
        parse(text)


def test_no_policy_has_no_rule() -> None:
    assert parse("\n# nothing\n") == ()
