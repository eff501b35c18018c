"""What `up` makes anew, whether the server runs or not, and says so in a line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli

COOKIE = Path("data/rabbitmq/.erlang.cookie")
AUDIT = Path("data/vault/audit.log")
APPROLES = Path("secrets/approles")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil(path: Path) -> None:
    path.write_text("not-a-secret-id")


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


Damage = Callable[[Path], object]
DAMAGES: list[tuple[str, Path, Damage, str]] = [
    ("vault", AUDIT, Path.unlink, "its audit log is gone: it is made anew"),
    ("postgres", APPROLES / "postgres", shutil.rmtree, "its AppRole's role-id is gone"),
    ("vault", APPROLES / "vault", shutil.rmtree, "its AppRole's role-id is gone"),
    ("redis", APPROLES / "redis" / "secret-id", empty, "its AppRole's secret-id is gone"),
    ("redis", APPROLES / "redis" / "secret-id-accessor", Path.unlink, "accessor is gone"),
    ("vault", Path("data/vault/bao.hcl"), Path.unlink, "its bao.hcl is gone"),
    ("vault", APPROLES / "admin" / "secret-id", Path.unlink, "by the unseal key"),
    ("vault", APPROLES / "admin", shutil.rmtree, "by the unseal key"),
    ("rabbitmq", COOKIE, open_to_all, "its Erlang cookie is not private"),
    ("rabbitmq", COOKIE, empty, "its Erlang cookie is spoilt or gone"),
]


@pytest.mark.parametrize(("name", "path", "damage", "said"), DAMAGES)
def test_what_was_lost_while_the_servers_run_is_made_anew_by_up(
    live: Cli, name: str, path: Path, damage: Damage, said: str
) -> None:
    damage(live.root / path)
    ended = live.run("up", name)
    assert ended.returncode == 0, ended.stderr
    assert said in ended.stderr
    assert (live.root / path).exists()
    again = live.run("up", name)
    assert "was running" in again.stderr
    assert said not in again.stderr
    assert live.run("status").returncode == 0


def test_what_was_lost_while_all_is_down_is_made_anew_by_up(fresh: Cli) -> None:
    names = ("vault", "rabbitmq", "postgres")
    assert fresh.run("up", *names).returncode == 0
    assert fresh.run("down").returncode == 0
    damages = [one for one in DAMAGES if one[0] in names and one[2] not in (open_to_all,)]
    for _, path, damage, _ in damages:
        if (fresh.root / path).exists():
            damage(fresh.root / path)
    ended = fresh.run("up", *names)
    assert ended.returncode == 0, ended.stderr
    assert all((fresh.root / path).exists() for _, path, _, _ in damages)
    # Nobody keeps a way to a root token.
    assert not (fresh.root / "data/vault/owner.sock").exists()
    assert "unix" not in (fresh.root / "data/vault/bao.hcl").read_text()
    # An admin's secret_id that Vault does not know is noticed when it is needed.
    spoil(fresh.root / APPROLES / "admin" / "secret-id")
    (fresh.root / APPROLES / "postgres" / "secret-id").unlink()
    refused = fresh.run("up", *names)
    assert refused.returncode == 1
    assert "the admin's secret_id is no more valid" in refused.stderr
    assert fresh.run("up", "vault").returncode == 0
    assert fresh.run("up", *names).returncode == 0
