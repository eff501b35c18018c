"""Services of other packages: who is loaded, who is refused, and what a broken one cannot stop."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.bench.catalogue import Catalogue
from devstack_tui.contracts import registry
from devstack_tui.contracts.registry import BUILT_IN
from devstack_tui.core.errors import ConfigError, DevstackError, NotInstalledError, UsageError
from devstack_tui.identity import bootstrap
from devstack_tui.services.vault import matrix
from devstack_tui.services.vault.policies import parse
from devstack_tui.stack.stack import Stack
from devstack_tui.state import settings
from tests.unit.conftest import REPOSITORY
from tests.unit.test_imports import loaded

UserFile = Callable[[str], Path]
Install = Callable[..., str]
SERVICE = """
from devstack_tui.contracts.model import Credentials, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint
import msgspec

class Settings(ServiceSettings, frozen=True, kw_only=True):
    ports: dict[str, int] = msgspec.field(default_factory=lambda: {"main": 11311, "tls": 11312})
    size: int = 3

SERVICE = Service(
    name="NAME", title="Cache", scheme="cache", settings=Settings, hint=Hint(), contract=1, MORE
)
"""
NUMBERS = itertools.count()


@pytest.fixture
def install(room: Path, monkeypatch: pytest.MonkeyPatch, user_file: UserFile) -> Install:
    """Makes a package with the service `name` that stack.toml names; returns its distribution."""

    def make(
        name: str = "cache", more: str = "", code: str = SERVICE, table: str = "", **parts: str
    ) -> str:
        package = f"outside_{next(NUMBERS)}"
        site = room / "site"
        (site / package).mkdir(parents=True)
        text = code.replace("NAME", name).replace("MORE", more)
        (site / package / "__init__.py").write_text(text)
        for part, source in parts.items():
            (site / package / part.replace("_toml", ".toml")).with_suffix(
                ".toml" if part.endswith("_toml") else ".py"
            ).write_text(source)
        info = site / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(
            f"[devstack_tui.services]\n{name} = {package}:SERVICE\n"
        )
        monkeypatch.syspath_prepend(str(site))
        user_file(f'[services.{name}]\npackage = "{package}"\n{table}')
        return package

    return make


def unavailable(name: str = "cache") -> str:
    """Why the service cannot be used."""
    found = registry.service(name)
    assert found.unavailable
    assert not found.package
    return found.unavailable


def test_one_that_stack_toml_names_is_the_last_of_the_services(install: Install) -> None:
    package = install()
    assert registry.names() == (*BUILT_IN, "cache")
    assert registry.service("cache").package == package
    assert registry.services()[-1] is registry.service("cache")
    assert Stack().resolve(["cache"])[-1].name == "cache"


def test_one_that_stack_toml_does_not_name_is_not_loaded(
    install: Install, user_file: UserFile
) -> None:
    install(code="raise SystemExit('loaded')")
    user_file("")
    assert registry.names() == BUILT_IN
    with pytest.raises(UsageError, match="unknown service"):
        registry.service("cache")


def test_nobody_looks_for_packages_unless_stack_toml_names_one(user_file: UserFile) -> None:
    user_file("port_offset = 5\n")
    code = "from devstack_tui.stack.stack import Stack\nStack().resolve([])"
    seen = loaded(code)
    assert not {"importlib.metadata", "devstack_tui.contracts.outside"} & seen
    user_file('[services.cache]\npackage = "nothing"\n')
    assert "importlib.metadata" in loaded(code.replace(".resolve([])", ""))


def test_its_table_lies_over_its_own_defaults(install: Install) -> None:
    install(table="ports = { tls = 12000 }\n")
    found = settings.load()
    assert found.of("cache", 10).ports == {"main": 11321, "tls": 12010}
    assert found.services["cache"].options() == {"size": 3}


def test_in_no_profile_of_stack_toml_it_is_in_the_default_one(install: Install) -> None:
    install()
    assert settings.load().profile("full")[-1] == "cache"
    assert "cache" not in settings.load().profile("minimal")


def test_in_a_profile_of_stack_toml_it_is_in_no_other(install: Install) -> None:
    install(table='[profiles]\nmine = ["vault", "cache"]\n')
    assert settings.load().profile("mine") == ("vault", "cache")
    assert "cache" not in settings.load().profile("full")


def test_it_never_takes_the_place_of_one_of_ours(install: Install) -> None:
    install("postgres")
    assert registry.names() == BUILT_IN
    assert registry.service("postgres").title == "PostgreSQL"
    with pytest.raises(ConfigError, match="unknown field `package`"):
        settings.load()


def test_its_workloads_and_rows_have_its_own_name(install: Install) -> None:
    workloads = """
from types import SimpleNamespace
WORKLOADS = (SimpleNamespace(name="cache.get"), SimpleNamespace(name="redis.get"))
"""
    row = 'title = "T"\nfull = { seconds = 1 }\nquick = { seconds = 1 }\n'
    rows = f'["cache.get"]\n{row}["postgres.tpcb"]\n{row}'
    ours = Catalogue().entries["redis.get"].workload
    install(workloads=workloads, workloads_toml=rows)
    found = Catalogue().entries
    assert found["cache.get"].service.name == "cache"
    assert found["redis.get"].workload is ours
    assert found["postgres.tpcb"].sizes.title != "T"


def test_its_role_may_read_its_own_secret_and_issue_its_own_certificate_and_no_more(
    install: Install,
) -> None:
    install(more='credentials=Credentials("user")')
    rules = parse(bootstrap.policy_text(registry.service("cache")))
    assert {(rule.path, *rule.capabilities) for rule in rules} == {
        ("secret/data/cache", "read"),
        ("pki_int/issue/cache-role", "update"),
    }
    declared = matrix.load()
    assert declared.roles["cache"] == matrix.RolePermissions({"cache": ("read",)}, ("cache",))
    assert not declared.may("cache", "postgres", "read")


def test_one_with_an_administrators_account_reads_that_secret_as_well(install: Install) -> None:
    install(more='credentials=Credentials("user"), admin=Credentials("boss")')
    rules = parse(bootstrap.policy_text(registry.service("cache")))
    assert "secret/data/cache-admin" in {rule.path for rule in rules}
    assert matrix.load().readers("cache-admin") == ("cache",)
    assert "cache-admin" not in matrix.owners()


def test_a_name_that_looks_like_an_administrators_secret_is_reserved(install: Install) -> None:
    install("cache_admin")
    assert "reserved" in unavailable("cache_admin")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": "import nothing_at_all"}, "ModuleNotFoundError"),
        ({"code": "raise SystemExit(3)"}, "SystemExit"),
        ({"code": "this is no Python"}, "SyntaxError"),
        ({"code": "SERVICE = 5"}, "is not the service 'cache'"),
        ({"code": SERVICE.replace("NAME", "other")}, "is not the service 'cache'"),
        (
            {"code": SERVICE.replace("contract=1", "contract=7")},
            "version 7 of the service contract",
        ),
        ({"code": SERVICE.replace("contract=1,", "")}, "version 0 of the service contract"),
        ({"more": "no_such_field=1"}, "TypeError"),
        ({"more": "sans=('postgres.dev-services.local',)"}, "the name of another service"),
        ({"name": "admin"}, "'admin' is reserved"),
        ({"name": "redis_more"}, "'redis_more' is reserved"),
        ({"table": "no_such_field = 1\n"}, "unknown field"),
        ({"table": "ports = { other = 11111 }\n"}, "no such port"),
        ({"table": "ports = { main = 80 }\n"}, "from 1024 to 65535"),
    ],
)
def test_one_that_cannot_be_used_is_reported_and_stops_only_its_own_start(
    changes: dict[str, str], reason: str, install: Install
) -> None:
    name = changes.get("name", "cache")
    install(**changes)
    assert reason in unavailable(name)
    stack = Stack()
    assert stack.plan("down").services == ()
    assert stack.resolve(["postgres"])[-1].name == "postgres"
    with pytest.raises(ConfigError, match="cannot be started"):
        stack.resolve([name])
    with pytest.raises(NotInstalledError):
        registry.service(name).launcher()
    assert registry.service(name).tls() is None


def test_one_that_is_not_installed_is_reported_with_what_to_install(user_file: UserFile) -> None:
    user_file('[services.cache]\npackage = "devstack-tui-cache"\nports = { main = 3 }\nany = 1\n')
    assert unavailable() == "the package devstack-tui-cache is not installed"
    assert "install devstack-tui-cache" in registry.service("cache").hint.text
    assert settings.load().of("cache", 0).ports == {"main": 3}


def test_a_part_that_cannot_be_loaded_is_an_error_in_words(install: Install) -> None:
    package = install(probe="import nothing_at_all", tls="TSL = 1")
    found = registry.service("cache")
    with pytest.raises(DevstackError, match=f"{package}.probe cannot be used: ModuleNotFound"):
        found.probe()
    with pytest.raises(DevstackError, match=f"{package}.tls cannot be used: AttributeError"):
        found.tls()
    with pytest.raises(DevstackError, match=f"{package}.server cannot be used"):
        found.server()
    assert found.acks() is None


@pytest.mark.parametrize("how", ["not installed", "broken parts"])
def test_verbs_that_look_go_on_to_work_without_a_usable_package(
    how: str, install: Install, user_file: UserFile, room: Path, run_cli: Callable[..., Any]
) -> None:
    parts = ("launch", "server", "probe", "acks", "tls")
    install(**dict.fromkeys(parts, "raise RuntimeError('broken part')"))
    if how == "not installed":
        user_file('[services.cache]\npackage = "nothing-of-that-name"\n')
    reason = "is not installed" if how == "not installed" else "broken part"
    path = f"{REPOSITORY}:{room / 'site'}"

    def run(*verb: str) -> Any:
        ended = run_cli(*verb, PYTHONPATH=path)
        assert "internal error" not in ended.stderr
        return ended

    assert reason in run("status").stdout
    assert reason in run("doctor").stdout
    for verb in ("down --plan", "up --plan postgres", "--stack new up --plan postgres"):
        assert run(*verb.split()).returncode == 0
    planned = run("up", "--plan", "cache")
    assert planned.returncode == (2 if how == "not installed" else 0)
    if how == "not installed":
        for verb in ("bench run cache.get", "drill run cache.restart"):
            refused = run(*verb.split())
            assert refused.returncode == 2
            assert "nothing-of-that-name is not installed" in refused.stderr
            assert "did you mean" not in refused.stderr


def test_every_service_of_ours_is_of_this_package() -> None:
    for found in registry.services():
        assert not found.outside
        assert found == dataclasses.replace(found, contract=0, package="", unavailable="")
