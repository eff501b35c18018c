"""What the tuning adds to the configurations that the database servers are started with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack_tui.contracts.model import Credentials, Installation
from devstack_tui.contracts.registry import service
from devstack_tui.services.mysql.server import MARIADB, MYSQL
from tests.engines.memory import MemoryFiles


def home(files: MemoryFiles, tuning: dict[str, str]) -> SimpleNamespace:
    """A place where all is initialised already."""
    return SimpleNamespace(
        files=files,
        tuning=tuning,
        build=lambda name, make: files.path(name),
        port=lambda name: 15432,
        target=SimpleNamespace(
            credentials=Credentials("devstack", "x", "devstack"), admin=Credentials("boss", "y", "")
        ),
    )


@pytest.mark.parametrize(
    ("name", "made", "file", "line"),
    [
        ("postgres", ("PostgreSQL", "15.18"), "postgresql.conf", "max_connections = '200'\n"),
        ("mysql", (MARIADB, "10.11.19"), "my.cnf", "max_connections = 200\n"),
        ("mysql", (MYSQL, "8.0.40"), "my.cnf", "max_connections = 200\n"),
    ],
)
def test_the_tuning_is_at_the_end_and_without_it_the_file_is_as_it_was(
    tmp_path: Path, name: str, made: tuple[str, str], file: str, line: str
) -> None:
    flavour, version = made
    installation = Installation(tmp_path / "server", version, flavour, version.partition(".")[0])
    files, server = MemoryFiles({}), service(name).server()
    files.directory("")
    server.prepare(home(files, {}), installation)  # type: ignore[arg-type]
    plain = files.read(file).decode()
    server.prepare(home(files, {"max_connections": "200"}), installation)  # type: ignore[arg-type]
    assert "# set by" not in plain
    assert files.read(file).decode() == f"{plain}# set by tuning\n{line}"
