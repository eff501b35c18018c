"""The report of a real stack: what is missing, what decides, and what is stale after a restart."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.conftest import Cli


def reported(stack: Cli) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The exit status, the report, and the statuses of the core checks."""
    ended = stack.run("report", "--json", timeout=120)
    found = msgspec.json.decode(ended.stdout)
    return ended.returncode, found, {row["id"]: row["status"] for row in found["coverage"]["core"]}


def missing(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Why and the command, by what is missing."""
    return {one["what"]: (one["why"], one["command"]) for one in report["missing"]}


def test_a_report_says_what_is_missing_and_only_what_changed_is_stale(fresh: Cli) -> None:
    up = fresh.run("up", "vault", "redis", timeout=180)
    assert up.returncode == 0, up.stderr
    code, report, _ = reported(fresh)
    assert (code, report["verdict"]) == (4, "INCOMPLETE")
    run = f"devstack-tui --stack {fresh.stack}"
    found = missing(report)
    assert found["Failover 1–16"] == (
        "not run on this stack yet",
        f"{run} drill run redis.failover",
    )
    assert found["Load 1–7"] == ("load tests are not built yet", "")

    assert fresh.run("check", "run", "tls", "approle", timeout=120).returncode == 0
    drilled = fresh.run(
        *("drill", "run", "redis.failover", "--yes", "--stack", fresh.stack), timeout=180
    )
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    code, report, statuses = reported(fresh)
    # The drill has killed two masters and restored everything: what was found before is current.
    assert {statuses[f"redis.failover.{number:02}"] for number in range(1, 17)} <= {"PASS", "WARN"}
    assert (statuses["tls.12"], statuses["approle.10"]) == ("PASS", "PASS")
    assert "STALE" not in statuses.values()
    assert report["warnings"]["declared"] == report["warnings"]["total"] > 0
    assert (code, report["verdict"]) == (4, "INCOMPLETE")
    skipped = [why for why, _ in missing(report).values() if "PostgreSQL is not part" in why]
    assert skipped == ["SKIPPED: PostgreSQL is not part of the stack"]

    assert fresh.run("restart", "redis", timeout=120).returncode == 0
    _, report, statuses = reported(fresh)
    assert (statuses["redis.failover.12"], statuses["tls.12"]) == ("STALE", "STALE")
    assert statuses["tls.20"] == "PASS"
    stale = [
        what for what, (why, _) in missing(report).items() if why.startswith("stale: redis was")
    ]
    assert stale[0] == "Failover 1–16"
    assert stale[1].startswith("TLS 9–12")

    assert fresh.run("down", timeout=120).returncode == 0
    code, report, statuses = reported(fresh)
    assert code == 4
    assert not {"PASS", "WARN", "FAIL"} & set(statuses.values())
    assert any(note.startswith("nothing of the stack runs now") for note in report["notes"])
