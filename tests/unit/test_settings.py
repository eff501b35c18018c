"""stack.toml: ours with the user's laid over it, and every fault told with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.contracts.registry import BUILT_IN
from devstack_tui.core.errors import ConfigError, UsageError
from devstack_tui.core.paths import shipped
from devstack_tui.state import settings

UserFile = Callable[[str], Path]


def test_the_shipped_file_is_good_and_has_every_service() -> None:
    found = settings.load()
    assert found.path == shipped("configs/stack.toml")
    assert tuple(found.services) == BUILT_IN
    assert found.default_profile in found.profiles
    assert set(found.profiles["minimal"]) < set(found.profiles["standard"])
    assert set(found.profiles["standard"]) < set(found.profiles["full"])


def test_the_shipped_ports_differ_from_those_of_the_systems_servers() -> None:
    well_known = {3306, 5432, 6379, 27017, 5672, 5671, 15672, 8200, 8000, 8443, 3000, 4369}
    ports = [p for s in settings.load().services.values() for p in s.ports.values()]
    assert not well_known & set(ports)
    assert len(ports) == len(set(ports))


def test_the_shipped_node_timeout_and_topology_are_those_of_the_design() -> None:
    options = settings.load().services["redis"].options()
    timeout = options.pop("node_timeout_ms")
    assert options == {"masters": 3, "replicas": 1}
    # Theory's longest failover is still what DevStack Core published, or less.
    assert 100 <= int(timeout) * 1.5 + 1500 <= 5000


def test_the_users_file_may_hold_only_what_differs(user_file: UserFile) -> None:
    ours = settings.load()
    path = user_file("[services.postgres]\nports = { main = 25432 }\n")
    found = settings.load()
    assert found.path == path
    assert found.services["postgres"].ports == {"main": 25432}
    assert found.services["postgres"].enabled
    assert found.services["redis"] == ours.services["redis"]
    assert found.profiles == ours.profiles


def test_one_of_a_services_ports_can_be_moved_alone(user_file: UserFile) -> None:
    ours = settings.load().services["redis"].ports
    user_file("[services.redis.ports]\ntls = 26390\n")
    assert settings.load().services["redis"].ports == {**ours, "tls": 26390}


def test_an_empty_file_changes_nothing(user_file: UserFile) -> None:
    ours = settings.load()
    user_file("")
    assert settings.load().services == ours.services


def test_a_service_that_is_switched_off_leaves_every_profile(user_file: UserFile) -> None:
    user_file("[services.mysql]\nenabled = false\n")
    found = settings.load()
    assert "mysql" not in found.profile("full")
    assert "postgres" in found.profile("full")


def test_a_profile_of_the_users_own_is_known(user_file: UserFile) -> None:
    user_file('default_profile = "mine"\n[profiles]\nmine = ["vault", "redis"]\n')
    found = settings.load()
    assert found.profile("mine") == ("vault", "redis")
    assert "full" in found.profiles


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("port_offset = 'x'\n", ":1: port_offset", "expected `int`, got `str`"),
        ("\nport_offset = -1\n", ":2: port_offset", "expected `int` >= 0"),
        ("port_offset = 20001\n", ":1: port_offset", "expected `int` <= 20000"),
        ("port_ofset = 1\n", ":1: port_ofset", "unknown field `port_ofset`"),
        (
            "[services.redis]\nnode_timeout_ms = 5\n",
            ":2: services.redis.node_timeout_ms",
            "expected `int` >= 100",
        ),
        (
            "[services.redis]\nmasters = 2\n",
            ":2: services.redis.masters",
            "expected `int` >= 3",
        ),
        (
            "[services.postgres]\nenabled = 'yes'\n",
            ":2: services.postgres.enabled",
            "expected `bool`, got `str`",
        ),
        (
            "[services.postgres]\n\nprots = 3\n",
            ":3: services.postgres.prots",
            "unknown field `prots`",
        ),
        (
            "[services.postgres]\nmasters = 3\n",
            ":2: services.postgres.masters",
            "unknown field `masters`",
        ),
    ],
)
def test_a_wrong_value_is_told_with_file_line_key_and_what_was_expected(
    text: str, place: str, expected: str, user_file: UserFile
) -> None:
    path = user_file(text)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(f"{path}{place}: ")
    assert expected in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[services.postgres]\nports = { main = 'x' }\n", "services.postgres.ports.main", 2),
        ("[services.redis.ports]\ntls = 16390\nmain = []\n", "services.redis.ports.main", 3),
        ("[profiles]\nmine = ['vault']\nfull = 'all'\n", "profiles.full", 3),
        ("[profiles]\nfull = ['vault', 3]\n", "profiles.full", 2),
        ("[services]\nredis = 3\n", "services.redis", 2),
    ],
)
def test_a_wrong_value_in_a_table_of_names_is_told_with_its_own_key(
    text: str, key: str, line: int, user_file: UserFile
) -> None:
    path = user_file(text)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(f"{path}:{line}: {key}")


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[services.postgrse]\nenabled = true\n", "services.postgrse", 1),
        ("[profiles]\nmine = ['vault', 'postgrse']\n", "profiles.mine", 2),
        ("default_profile = 'minimla'\n", "default_profile", 1),
        ("[services.redis]\nports = { mian = 16379 }\n", "services.redis.ports.mian", 2),
        ("[services.redis]\nports = { main = 80 }\n", "services.redis.ports.main", 2),
    ],
)
def test_a_wrong_name_or_port_is_told_with_its_line(
    text: str, key: str, line: int, user_file: UserFile
) -> None:
    path = user_file(text)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(f"{path}:{line}: {key}")


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "[services.postgrse]\nenabled = true\n",
            "services.postgrse: unknown service 'postgrse'",
            "did you mean postgres?",
        ),
        (
            "[profiles]\nmine = ['vault', 'postgrse']\n",
            "profiles.mine: unknown service 'postgrse'",
            "did you mean postgres?",
        ),
        (
            "default_profile = 'minimla'\n",
            "default_profile: unknown profile 'minimla'",
            "did you mean minimal?",
        ),
        (
            "[services.redis]\nports = { mian = 16379 }\n",
            "services.redis.ports.mian: no such port",
            "known: main, tls",
        ),
    ],
)
def test_a_wrong_name_lists_what_may_be_meant(
    text: str, message: str, remedy: str, user_file: UserFile
) -> None:
    path = user_file(text)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(str(path))
    assert caught.value.message.endswith(message)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("port", [-1, 0, 80, 1023, 65536, 100000])
def test_a_port_outside_the_range_is_refused(port: int, user_file: UserFile) -> None:
    user_file(f"[services.redis]\nports = {{ main = {port} }}\n")
    with pytest.raises(ConfigError, match=f"expected a port from 1024 to 65535, got {port}$"):
        settings.load()


@pytest.mark.parametrize("port", [1024, 65535])
def test_the_first_and_the_last_port_are_good(port: int, user_file: UserFile) -> None:
    user_file(f"[services.postgres]\nports = {{ main = {port} }}\n")
    assert settings.load().services["postgres"].ports["main"] == port


def test_broken_toml_is_told_with_its_line(user_file: UserFile) -> None:
    path = user_file("port_offset = 1\n[services.redis\n")
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(f"{path}: line 2, column ")


def test_a_file_in_another_encoding_is_refused(user_file: Callable[[bytes], Path]) -> None:
    user_file("# für mich\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8 at byte 3"):
        settings.load()


def test_the_offset_is_added_to_every_port() -> None:
    found = settings.load()
    before = found.services["redis"].ports
    after = found.of("redis", 300).ports
    assert after == {name: port + 300 for name, port in before.items()}
    assert found.services["redis"].ports == before


def test_an_offset_that_moves_a_port_above_65535_is_refused(user_file: UserFile) -> None:
    path = user_file("[services.postgres]\nports = { main = 65000 }\n")
    found = settings.load()
    assert found.of("postgres", 535).ports == {"main": 65535}
    with pytest.raises(ConfigError) as caught:
        found.of("postgres", 536)
    assert str(path) in caught.value.message
    assert "port 65536, above 65535" in caught.value.message


def test_an_unknown_profile_lists_the_close_matches() -> None:
    with pytest.raises(UsageError) as caught:
        settings.load().profile("minmal")
    assert caught.value.remedy == "did you mean minimal?"


def test_settings_of_the_command_line_win_over_the_file(user_file: UserFile) -> None:
    user_file("[services.redis]\nmasters = 5\nnode_timeout_ms = 2000\n")
    options = settings.load({"redis": {"masters": 3, "replicas": 0}}).services["redis"].options()
    assert options == {"masters": 3, "replicas": 0, "node_timeout_ms": 2000}


def test_a_wrong_setting_of_the_command_line_is_not_blamed_on_the_file() -> None:
    with pytest.raises(UsageError) as caught:
        settings.load({"redis": {"masters": 60}})
    assert "stack.toml" not in caught.value.message
    assert "masters" in caught.value.message
