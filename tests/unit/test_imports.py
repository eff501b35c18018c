"""Nothing heavy is loaded before it is used: `--help` and the console answer at once."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = {"docker", "psycopg", "pymysql", "pymongo", "redis", "hvac", "pika", "httpx"}
DRIVERS |= {"cryptography", "fastapi", "uvicorn", "requests"}
SHOW = "\nimport json, sys\nprint('LOADED', json.dumps(sorted(sys.modules)))\n"


def loaded(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after `code`."""
    ended = subprocess.run(
        [sys.executable, "-c", code + SHOW],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    modules = json.loads(ended.stdout.rpartition("LOADED ")[2])
    return {module.partition(".")[0] for module in modules} | set(modules)


def call(*arguments: str) -> str:
    """Code that runs the command line and goes on."""
    return f"""
from devstack_tui.cli.main import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
"""


def test_the_test_itself_sees_what_is_loaded() -> None:
    assert {"httpx", "json.decoder"} <= loaded("import httpx")


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("up", "--help"), ("nope",)])
def test_help_and_usage_errors_load_no_driver_and_no_user_interface(
    arguments: tuple[str, ...],
) -> None:
    heavy = {*DRIVERS, "textual", "rich", "msgspec", "psutil", "asyncio"}
    assert not loaded(call(*arguments)) & heavy


@pytest.mark.parametrize(
    "module",
    [
        "devstack_tui.stack.stack",
        "devstack_tui.health.monitor",
        "devstack_tui.engines.embedded.log_files",
        "devstack_tui.health.doctor",
        "devstack_tui.jobs.runner",
        "devstack_tui.actions",
    ],
)
def test_what_is_below_the_faces_loads_no_driver_and_no_user_interface(module: str) -> None:
    assert not loaded(f"import {module}") & {*DRIVERS, "textual", "rich"}


@pytest.mark.parametrize("module", sorted(set(VERBS.values())))
def test_a_verb_loads_no_driver_and_no_user_interface_before_it_runs(module: str) -> None:
    assert not loaded(f"import devstack_tui.cli.verbs.{module}") & {*DRIVERS, "textual", "rich"}


def test_a_plan_is_made_without_a_driver() -> None:
    assert not loaded(call("up", "--plan")) & {*DRIVERS, "textual", "rich"}


def test_every_service_is_known_without_its_driver() -> None:
    code = "from devstack_tui.contracts.registry import services\nassert len(services()) > 5"
    assert not loaded(code) & {*DRIVERS, "textual", "rich"}


@pytest.mark.parametrize("module", ["devstack_tui.console", "devstack_tui.console.app"])
def test_the_console_loads_no_driver(module: str) -> None:
    assert not loaded(f"import {module}") & DRIVERS


def test_a_tabs_code_is_not_loaded_before_the_tab_is_shown() -> None:
    assert "devstack_tui.console.health.pane" not in loaded("import devstack_tui.console.app")


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, also inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("folder", ["core", "health", "stack", "console", "verbs"])
def test_no_layer_but_the_registry_names_a_technologys_folder(folder: str) -> None:
    for path in (ROOT / "devstack_tui" / folder).rglob("*.py"):
        guilty = {name for name in imports(path) if name.startswith("devstack_tui.services")}
        assert not guilty, path


def test_core_imports_nothing_of_ours_but_itself() -> None:
    for path in (ROOT / "devstack_tui" / "core").rglob("*.py"):
        ours = {name for name in imports(path) if name.startswith("devstack_tui.")}
        assert all(name.startswith("devstack_tui.core") for name in ours), path


def test_only_an_engine_reaches_for_a_servers_process() -> None:
    """Elsewhere there are signal handlers of our own, and the ends of our own children."""
    reaching = re.compile(r"os\.kill|ProcessId|/proc/|psutil")
    package = ROOT / "devstack_tui"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in ("core", "engines")
        and reaching.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"loadgen/closed_loop.py"}
