"""What is printed as the way out of a fault helps, on the same stack, as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.conftest import Cli

ASKS = re.compile(r"tune (?:apply|revert)|down")
# With these no server starts. A hand edit stands for a machine that had more memory, another
# version of the server, or a value that passed the checks.
DEADLY = {
    "postgres": ("shared_buffers", "900GB"),
    "mysql": ("innodb_buffer_pool_size", "90000GB"),
    "mongodb": ("wiredTigerCacheSizeGB", "90000GB"),
    "redis": ("maxmemory-policy", "nosuch"),
}


def printed(cli: Cli, text: str) -> list[str]:
    """The commands of ours in `text`; each names its stack."""
    found = [one.strip() for one in re.findall(r"devstack-tui [^`\n;&|]+", text)]
    assert all(one.startswith(f"devstack-tui --stack {cli.stack} ") for one in found), found
    return found


def paste(cli: Cli, command: str) -> str:
    """Run a printed command as it stands; who would be asked agrees. Returns what it said."""
    words = shlex.split(command)[1:]
    agreed = ["--yes"] if ASKS.search(command) and "--yes" not in words else []
    ended = cli.run(*words, *agreed)
    assert ended.returncode == 0, f"{command}: {ended.stderr}"
    return ended.stdout + ended.stderr


def row(cli: Cli, name: str) -> dict[str, Any]:
    return next(one for one in cli.json("status")["services"] if one["name"] == name)


def stored(cli: Cli) -> dict[str, dict[str, str]]:
    """What the next start uses."""
    found: dict[str, dict[str, str]] = msgspec.json.decode((cli.root / "tuning.json").read_bytes())[
        "values"
    ]
    return found


@pytest.fixture
def whole(live: Cli) -> Iterator[Cli]:
    """The stack, which is healthy again afterwards, with nothing tuned."""
    try:
        yield live
    finally:
        (live.root / "tuning.json").unlink(missing_ok=True)
        ended = live.run("up")
        assert ended.returncode == 0, ended.stderr


def poison(cli: Cli, service: str, name: str, text: str) -> str:
    """Stop the service and set what it cannot start with. Returns what `up` then says."""
    ended = cli.run("down", service, "--yes")
    assert ended.returncode == 0, ended.stderr
    stored = {"schema": 1, "values": {service: {name: text}}}
    (cli.root / "tuning.json").write_bytes(msgspec.json.encode(stored))
    ended = cli.run("up", service)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("service", DEADLY)
def test_the_way_out_of_a_value_that_a_server_cannot_start_with(whole: Cli, service: str) -> None:
    said = poison(whole, service, *DEADLY[service])
    assert not whole.json("tune", "show", service)["counters"]
    ways = [one for one in printed(whole, said) if " tune " in one]
    assert ways, said
    after = paste(whole, ways[0])
    (up,) = printed(whole, after)
    assert f"used at the next `{up}`" in after
    paste(whole, up)
    assert row(whole, service)["state"] == "healthy"


def test_every_change_is_made_while_the_server_cannot_start(whole: Cli) -> None:
    poison(whole, "postgres", "shared_buffers", "900GB")
    remedy = row(whole, "postgres")["remedy"]
    assert any(" tune apply baseline --service postgres" in one for one in printed(whole, remedy))
    plan = whole.json("tune", "set", "postgres", "work_mem=8MB", "shared_buffers=1GB", "--plan")
    kept = "shared_buffers=1GB, work_mem=8MB"
    assert plan["steps"] == [f"postgres: it does not run: keep it for its start: {kept}"]
    for words, left in (
        ("set postgres shared_buffers=128MB --now --yes", {"shared_buffers": "128MB"}),
        ("apply durable --service postgres", None),
        ("revert", {"shared_buffers": "128MB"}),
        ("revert --to 0", {"shared_buffers": "900GB"}),
        ("revert --all", {}),
    ):
        if left == {"shared_buffers": "900GB"}:  # what cannot be is refused, and said to be
            ended = whole.run("tune", *words.split(), "--yes")
            assert ended.returncode == 2, ended.stderr
            continue
        said = paste(whole, f"devstack-tui tune {words}")
        assert "used at the next `devstack-tui --stack live up postgres`" in said
        assert left is None or stored(whole).get("postgres", {}) == left


def test_a_parameter_that_this_server_does_not_know_is_taken_out_of_the_store(whole: Cli) -> None:
    said = poison(whole, "postgres", "no_such_parameter", "5")
    (undo,) = printed(whole, said)
    assert undo.endswith("tune set postgres no_such_parameter=default")
    paste(whole, undo)
    assert not stored(whole)


# -- what is printed about a service that is down -----------------------------------------------


def kill(cli: Cli, *names: str) -> None:
    """SIGKILL every unit of services."""
    rows = cli.status()
    for pid in [unit["pid"] for name in names for unit in rows[name]["units"]]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("postgres",), "status"),
        (("vault",), "status"),
        (("redis",), "bench run redis.get --size smoke --runs 1"),
        (("mysql",), "tune set mysql max_connections=99 --now --yes"),
        (("vault",), "check matrix"),
        (("mongodb",), "drill plan mongodb.restart"),
        (("vault",), "certs rotate mysql"),
    ],
)
def test_what_is_said_about_a_server_that_has_ended_brings_it_back(
    whole: Cli, names: tuple[str, ...], words: str
) -> None:
    kill(whole, *names)
    answer = whole.run(*words.split())
    said = [row(whole, names[0])["remedy"]] if words == "status" else [answer.stderr, answer.stdout]
    ways = printed(whole, "\n".join(said).replace("\n", " "))
    assert ways, said
    for way in ways:
        paste(whole, way)
    assert {row(whole, name)["state"] for name in names} == {"healthy"}


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "tune set redis maxmemory=1GB",
        "drill run redis.failover --yes",
        "logs redis",
        "certs rotate",
        "check run tls.redis",
        "restart",
        "bench run redis.get",
    ],
)
def test_a_stack_that_was_never_started_names_its_own_start(live: Cli, words: str) -> None:
    new = Cli(live.state, "never")
    answer = new.run(*words.split())
    said = answer.stdout + answer.stderr
    ways = printed(new, said)
    assert ways, said
    for way in ways:
        assert new.run(*shlex.split(way)[1:], "--plan").returncode == 0, way


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("ca.crt", "status"),
        ("ca.crt", "restart mysql"),
        ("data/mysql/tls/server.crt", "certs rotate mysql"),
        ("data/mysql/tls/server.key", "certs rotate mysql"),
        ("secrets/credentials/mysql.json", "status"),
        ("secrets/approles/admin", "check matrix"),
    ],
)
def test_what_is_said_about_a_file_that_is_gone_brings_it_back(
    whole: Cli, gone: str, words: str
) -> None:
    path = whole.root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    answer = whole.run(*words.split())
    said = row(whole, "mysql")["remedy"] if words == "status" else answer.stderr
    ways = printed(whole, said)
    assert ways, said
    for way in ways:
        paste(whole, way)
    assert path.exists()
    assert row(whole, "mysql")["state"] == "healthy"
    if words != "status":
        assert whole.run(*words.split()).returncode == 0
