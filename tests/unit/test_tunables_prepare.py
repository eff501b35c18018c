"""What the tuning adds to the configurations that the database servers are started with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import service
from devstack_tui.services.mysql.server import MARIADB, MYSQL


class Place:
    """A site that keeps what is written, with all that was initialised before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: dict[str, str] = {}

    def site(self, tuning: dict[str, str]) -> SimpleNamespace:
        return SimpleNamespace(
            data=self.folder,
            tuning=tuning,
            directory=lambda name: self.folder / name,
            build=lambda name, make: self.folder / name,
            write=self._write,
            port=lambda name: 15432,
            tls=SimpleNamespace(cert="cert", key="key", ca="ca"),
            credentials=SimpleNamespace(user="devstack", database="devstack", password="x"),
        )

    def _write(self, name: str, text: str) -> Path:
        self.written[name] = text
        return self.folder / name


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
    place, server = Place(tmp_path), service(name).server()
    server.prepare(place.site({}), installation)  # type: ignore[arg-type]
    plain = place.written[file]
    server.prepare(place.site({"max_connections": "200"}), installation)  # type: ignore[arg-type]
    assert "# set by" not in plain
    assert place.written[file] == f"{plain}# set by tuning\n{line}"
