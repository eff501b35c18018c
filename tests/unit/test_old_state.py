"""What an earlier release (08337c8) kept of a stack still opens: it was recorded from a real one.

`kept_08337c8/state` is what lay in the directory of the stack (the history as SQL, the journal of a
drill that was killed), `config` what lay in the user's, `printed` what that release printed of it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.bench import baseline
from devstack_tui.cli.main import main
from devstack_tui.console import settings as console_settings
from devstack_tui.core.errors import for_stack
from devstack_tui.core.history import SCHEMA, History
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths, config_home
from devstack_tui.engines.embedded.process_records import Records
from devstack_tui.security import results
from devstack_tui.stack.stack import Stack
from devstack_tui.state import instance, parameter_store, settings
from devstack_tui.tuning import profiles

KEPT = Path(__file__).parent / "kept_08337c8"
NAME = "kept"
PRINTED = {
    "bench-list": ["bench", "list"],
    "bench-show-c5ea4fd89683": ["bench", "show", "c5ea4fd89683"],
    "bench-show-dbe131142b8b": ["bench", "show", "dbe131142b8b"],
    "drill-history": ["drill", "history"],
    "drill-show-76400": ["drill", "show", "76400"],
    "drill-show-8271e": ["drill", "show", "8271e"],
    "tune-history": ["tune", "history"],
    "report": ["report"],
}
# Keys that have another name since.
RENAMED = {"seed": "core", "seed_counts": "core_counts"}
# What depends on the moment, on what runs now, on how many checks there are and are proven now, or
# on which sizes a run can have now.
VOLATILE = {
    *(
        "at",
        "available",
        "reason",
        "baseline",
        "age_s",
        "seconds_ago",
        "notes",
        "beyond",
        "proven",
        "sizes",
    )
}


@pytest.fixture
def kept() -> StackPaths:
    """The stack's directory and the user's, as they were left."""
    paths = StackPaths.of(NAME)
    shutil.copytree(KEPT / "state", paths.root)
    with contextlib.closing(sqlite3.connect(paths.root / "history.db")) as database:
        database.executescript((paths.root / "history.sql").read_text(encoding="utf-8"))
    shutil.copytree(KEPT / "config", config_home())
    return paths


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """What the old document has and the new one has not, or has otherwise."""
    if isinstance(old, dict):
        if not isinstance(new, dict):
            return [where]
        return [
            found
            for key, value in old.items()
            if key not in VOLATILE
            for found in _below(value, new, RENAMED.get(key, key), where)
        ]
    if isinstance(old, list):
        if not isinstance(new, list) or len(old) != len(new):
            return [where]
        pairs = enumerate(zip(old, new, strict=True))
        return [one for n, (a, b) in pairs for one in missing(a, b, f"{where}[{n}]")]
    return [] if old == new else [f"{where}: {old!r} is {new!r}"]


def _below(old: Any, new: dict[str, Any], key: str, where: str) -> list[str]:
    return missing(old, new[key], f"{where}.{key}") if key in new else [f"{where}.{key}"]


def test_a_loss_is_seen() -> None:
    old = {"at": 1, "rows": [{"id": "a", "x": 1}], "kept": "k"}
    assert missing(old, {"rows": [{"id": "a", "x": 1, "more": 2}], "kept": "k"}) == []
    assert missing(old, {"rows": [{"id": "a"}], "kept": "other"}) == [
        ".rows[0].x",
        ".kept: 'k' is 'other'",
    ]
    assert missing(old, {"rows": [], "kept": "k"}) == [".rows"]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", PRINTED)
def test_what_was_printed_is_printed_still(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (KEPT / "printed" / f"{name}.json").read_text(encoding="utf-8")
    old = json.loads(for_stack(text, NAME))  # since then, commands name their stack
    # Nothing of it runs: a report of that is incomplete.
    assert main(["--stack", NAME, *PRINTED[name], "--json"]) == (4 if name == "report" else 0)
    if name == "report":
        old = {key: value for key, value in old.items() if key not in ("verdict", "coverage")}
    assert missing(old, json.loads(capsys.readouterr().out)) == []


def test_an_audits_rows_have_their_core_checks(kept: StackPaths) -> None:
    (audit,) = results.reports(kept)
    numbers = {row.id: row.core for row in audit.checks}
    assert (numbers["approle.01"], numbers["tls.vault.query"]) == ("AppRole 1", "")


def test_every_document_of_the_history_is_there(kept: StackPaths) -> None:
    history = History.of(kept)
    kinds = {kind: history.list(kind) for kind in ("ab", "bench", "check", "cost", "drill")}
    assert {kind: len(rows) for kind, rows in kinds.items()} == {
        "ab": 1,
        "bench": 2,
        "check": 1,
        "cost": 1,
        "drill": 2,
    }
    with contextlib.closing(sqlite3.connect(history.path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    assert history.notes == []


def test_the_instance_and_the_settings_are_read(kept: StackPaths) -> None:
    found = instance.read(kept)
    assert found is not None
    assert (found.stack, found.engine, found.port_offset) == (NAME, "embedded", 300)
    assert found.selected == ("vault", "postgres", "mongodb", "redis")
    assert settings.load({}).services["redis"].options()["node_timeout_ms"] == 900
    assert console_settings.load().theme == "textual-light"


def test_the_parameters_and_the_profile_are_read(kept: StackPaths) -> None:
    tuned = parameter_store.read(kept)
    old = json.loads((kept.root / "tuning.json").read_text(encoding="utf-8"))
    assert tuned.values == old["values"]
    assert len(tuned.history) == len(old["history"])
    assert profiles.load(Stack("default").engine(), "mine").values["postgres"]["work_mem"] == "8MB"


def test_the_baseline_is_intact_and_belongs_to_its_host(kept: StackPaths) -> None:
    (path,) = (kept.root.parents[2] / "config/devstack-tui/baselines").glob("*.json")
    raw = path.read_bytes()
    known = msgspec.json.decode(raw, type=baseline.Baseline)
    assert baseline.path_of(known.host) == path
    found = baseline.read(known.host)
    assert found is not None
    assert set(found.workloads) == {"postgres.point_select", "redis.get"}


def test_the_records_of_processes_are_read_and_none_of_them_lives(kept: StackPaths) -> None:
    records = Records(kept.root / "run")
    assert {record.unit for record in records.all()} == {
        "vault",
        "postgres",
        "mongodb",
        *(f"redis-{number}" for number in range(1, 7)),
    }
    assert not any(record.alive for record in records.all())


def test_a_drill_that_was_killed_then_is_healed_now_or_kept_until_its_servers_run(
    kept: StackPaths,
) -> None:
    journal = Journal(kept.root / "journal.jsonl")
    assert [intent.action for intent in journal.pending()] == ["drill.run", "drill.freeze"]
    told: list[str] = []
    Stack(NAME).heal_unless_busy(told.append)
    assert "healing an interrupted drill.freeze of redis-4" in told
    # Its servers cannot be started here: nothing is lost of what it takes to heal them.
    assert sum("the next change tries again" in line for line in told) == 2
    assert len(journal.pending()) == 2
    assert not journal.refused.exists()
