"""The wheel works alone: what it needs of configs/ and baselines/ is inside."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, as pip would lay them out."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def _run(site: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devstack_tui", *arguments],
        cwd=home,
        env={"PYTHONPATH": str(site), "HOME": str(home), "XDG_STATE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_needs_nothing_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    ended = _run(installed, "--help", home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "doctor" in ended.stdout


def test_the_shipped_configuration_is_read_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    ended = _run(installed, "up", "--plan", home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "reference_api" in ended.stdout
    shipped = installed / "devstack_tui" / "_files"
    assert (shipped / "configs" / "vault" / "policies" / "admin.hcl").is_file()
    assert (shipped / "baselines" / "devstack_core.toml").is_file()
    assert (installed / "devstack_tui" / "console" / "app.tcss").is_file()
