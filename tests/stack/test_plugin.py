"""A service of another package: memcached, from the package in tests/plugin, as a user installs it.

All of it is real: pip installs the package, stack.toml names it, the server is Debian's.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli, servers_in
from tests.stack.conftest import home, take_down

PACKAGE = "devstack_tui_memcached"
TABLE = '[services.memcached]\npackage = "devstack-tui-memcached"\n'
USED = ("vault", "memcached")


@contextlib.contextmanager
def with_package(stack: str) -> Iterator[tuple[Cli, Path]]:
    """A stack of its own whose stack.toml names the package, and where that is installed."""
    with home() as folder:
        site = folder / "site"
        made = shutil.copytree(ROOT / "tests" / "plugin", folder / "plugin")
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", *quiet, "--target", str(site), str(made)],
            check=True,
        )
        with (folder / "config" / "devstack-tui" / "stack.toml").open("a") as file:
            file.write(TABLE)
        cli = Cli(folder, stack, {"PYTHONPATH": str(site)})
        try:
            yield cli, site
        finally:
            if (cli.root / "instance.json").exists():
                take_down(cli)


@pytest.fixture(scope="module")
def plugin() -> Iterator[Cli]:
    """Vault and memcached, healthy; wiped in the end, with the package in place."""
    with with_package("plugin") as (cli, _):
        started = cli.run("up", "memcached")
        assert started.returncode == 0, started.stderr
        yield cli


def test_it_is_one_more_service_of_the_stack(plugin: Cli) -> None:
    status = plugin.status()
    assert len(status) == 9
    assert {name for name, row in status.items() if row["state"] == "healthy"} == set(USED)
    assert status["memcached"]["tls"] == "TLSv1.3"
    assert status["memcached"]["version"]
    assert "openssl s_client" in status["memcached"]["connect"]
    planned = plugin.json("up", "--plan")["services"]
    assert planned[-1] == "memcached", "stack.toml puts it into no profile: it is in the default"


def test_what_it_logs_can_be_read(plugin: Cli) -> None:
    logs = plugin.run("logs", "memcached")
    assert logs.returncode == 0, logs.stderr
    assert "clean cache" in logs.stdout


def test_its_own_workload_is_measured(plugin: Cli) -> None:
    (run, *_) = plugin.json("bench", "run", "memcached.get", "--size", "smoke")["runs"]
    assert run["workload"] == "memcached.get"
    assert run["throughput"]["median"] > 0
    assert not run["problem"]


@pytest.mark.parametrize("fault", ["sigterm", "sigkill"])
def test_it_has_the_drill_of_every_service_that_keeps_something(plugin: Cli, fault: str) -> None:
    drilled = plugin.run("drill", "run", "memcached.restart", "--fault", fault, "--yes", "--json")
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    lost = [line for line in drilled.stderr.splitlines() if "memcached.restart.06" in line]
    assert lost
    assert ("PASS" if fault == "sigterm" else "by design") in lost[-1]


@pytest.mark.parametrize(
    "checks",
    [
        ("tls.memcached", "trust.memcached"),
        ("approle.login.memcached", "approle.policy.memcached", "approle.role.memcached"),
        ("approle.privilege.memcached", "approle.issuer.memcached", "approle.pki.memcached"),
        ("approle.matrix.memcached", "approle.file.memcached"),
    ],
)
def test_its_tls_and_its_rights_are_audited_like_any_other(
    plugin: Cli, checks: tuple[str, ...]
) -> None:
    """Its own secret alone, its own certificate alone: Vault is asked for everything else too."""
    rows = plugin.json("check", "run", *checks, timeout=240)["checks"]
    assert len(rows) >= 10
    # A WARN is of memcached itself: the order of ciphers, say.
    assert [row for row in rows if row["status"] not in ("PASS", "WARN", "SKIPPED")] == []


def test_its_certificate_is_rotated_while_it_runs(plugin: Cli) -> None:
    rotated = plugin.run("certs", "rotate", "memcached")
    assert rotated.returncode == 0, rotated.stderr
    assert "reloaded" in rotated.stderr + rotated.stdout


@pytest.mark.parametrize("how", ["uninstalled", "broken", "other version", "not in stack.toml"])
def test_a_package_that_cannot_be_used_is_reported_and_stops_nothing(how: str) -> None:
    with with_package("gone") as (cli, site):
        started = cli.run("up", "memcached")
        assert started.returncode == 0, started.stderr
        break_it(how, cli, site)
        reason = {
            "uninstalled": "is not installed",
            "broken": "SyntaxError",
            "other version": "made for version 2",
            "not in stack.toml": "does not name its package any more",
        }[how]
        status = cli.run("status")
        assert reason in status.stdout.replace("\n", " "), status.stdout + status.stderr
        row = cli.status()["memcached"]
        assert row["state"] == "down"
        assert cli.status()["vault"]["state"] == "healthy"
        again = cli.run("up", "--plan", "memcached")
        assert again.returncode == 2, again.stderr
        stopped = cli.run("down")
        assert stopped.returncode == 0, stopped.stderr
        assert "memcached" in stopped.stderr
        assert not servers_in(cli.root)
        wiped = cli.run("down", "--wipe", "--yes")
        assert wiped.returncode == 0, wiped.stderr
        assert not (cli.root / "data").exists()


def break_it(how: str, cli: Cli, site: Path) -> None:
    """Do to the package, or to stack.toml, what a user may do while the server runs."""
    init = site / PACKAGE / "__init__.py"
    if how == "uninstalled":
        shutil.rmtree(site)
    elif how == "broken":
        init.write_text("this is no Python\n")
    elif how == "other version":
        init.write_text(init.read_text().replace("contract=1", "contract=2"))
    else:
        file = cli.state / "config" / "devstack-tui" / "stack.toml"
        file.write_text(file.read_text().replace(TABLE, ""))
