"""The gate's test of itself, of every throughput that it judges: twenty A/A gates, of which fifteen
or more PASS on a quiet machine and none FAILs; then 30 % and 50 % less by the server's own counter,
at which it must FAIL. About eight minutes for each; `WORKLOADS=redis.get`, `SIZE=full`.

What it measured is printed. A machine that does other work is INCONCLUSIVE, which is no failure of
the gate.
"""

from __future__ import annotations

import os
import re

import msgspec
import pytest

from devstack_tui.bench import thresholds
from devstack_tui.core.paths import shipped
from tests.conftest import Cli

SIZE = os.environ.get("SIZE", "quick")
WORKLOADS = os.environ.get("WORKLOADS", "").split(",")
WITHIN_S = 7200.0


def workloads() -> list[str]:
    every = [check.workload for check in thresholds.load().throughput]
    return [name for name in every if name in WORKLOADS or not any(WORKLOADS)]


@pytest.mark.parametrize("workload", workloads())
def test_the_gate_stays_quiet_and_sees_what_the_server_counts(live: Cli, workload: str) -> None:
    config = live.state / "config" / "devstack-tui" / "thresholds.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    text = shipped("configs/thresholds.toml").read_text()
    config.write_text(re.sub(r"(?m)^self_test = .*$", f'self_test = "{workload}"', text))
    try:
        ended = live.run(*("regress", "--self-test", "--size", SIZE, "--json"), timeout=WITHIN_S)
    finally:
        config.unlink()
    assert ended.stdout, ended.stderr
    checks = msgspec.json.decode(ended.stdout)["checks"]
    for check in checks:
        print(f"{workload}: {check['status']} {check['id']}: {check['evidence']}", flush=True)  # noqa: T201
    assert [check["id"] for check in checks if check["status"] in ("FAIL", "ERROR")] == []
