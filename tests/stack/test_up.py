"""`up`, `status` and `down` on the whole real stack."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import psutil
import pytest

from devstack_tui.core import process
from tests.conftest import Cli
from tests.stack.conftest import ids_of

REQUIRED = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq", "reference_api")
STATUS_KEYS = {"name", "state", "reason", "version", "endpoint", "latency_ms"}


def test_every_required_service_is_healthy_and_says_its_version(live: Cli) -> None:
    rows = live.status()
    for name in REQUIRED:
        assert rows[name]["state"] == "healthy", rows[name]
        assert rows[name]["version"][0].isdigit()
        assert rows[name]["latency_ms"]["p50"] > 0


def test_status_keeps_the_keys_that_scripts_rely_on(live: Cli) -> None:
    document = live.json("status")
    assert document["stack"] == "live"
    assert document["engine"] == "embedded"
    for row in document["services"]:
        assert row.keys() >= STATUS_KEYS
        assert row["latency_ms"].keys() >= {"p50", "p95"}


def test_a_healthy_stack_exits_0_and_the_table_names_every_service(live: Cli) -> None:
    ended = live.run("status")
    assert ended.returncode == 0
    for name in REQUIRED:
        assert name in ended.stdout


def test_without_a_terminal_the_bare_command_prints_the_table(live: Cli) -> None:
    ended = live.run()
    assert ended.returncode == 0, ended.stderr
    assert "healthy" in ended.stdout


def test_a_second_up_starts_nothing_anew(live: Cli) -> None:
    before = {name: row["units"] for name, row in live.status().items()}
    ended = live.run("up")
    assert ended.returncode == 0, ended.stderr
    after = {name: row["units"] for name, row in live.status().items()}
    for name in REQUIRED:
        assert [u["pid"] for u in before[name]] == [u["pid"] for u in after[name]]


def test_everything_listens_on_loopback_only(live: Cli) -> None:
    (instance,) = ids_of(live)
    ours = set(process.owned(instance))
    listening = [
        c
        for c in psutil.net_connections("inet")
        if c.pid in ours and c.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 15
    for connection in listening:
        assert connection.laddr.ip in ("127.0.0.1", "::1"), connection


def test_redis_reports_every_node_with_its_role(live: Cli) -> None:
    nodes = live.status()["redis"]["nodes"]
    assert [node["name"] for node in nodes] == [f"redis-{n}" for n in range(1, 7)]
    roles = [node["role"].split()[0] for node in nodes]
    assert roles.count("master") == 3
    assert roles.count("replica") == 3


@pytest.mark.parametrize("name", REQUIRED)
def test_logs_print_what_the_service_wrote(live: Cli, name: str) -> None:
    ended = live.run("logs", name, "--lines", "20")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


def test_grep_keeps_only_matching_lines(live: Cli) -> None:
    ended = live.run("logs", "postgres", "--grep", "ready to accept connections")
    lines = ended.stdout.splitlines()
    assert lines
    assert all("ready to accept connections" in line for line in lines)


def test_one_service_is_restarted_with_another_pid(live: Cli) -> None:
    before = live.status()["postgres"]["units"][0]["pid"]
    ended = live.run("restart", "postgres")
    assert ended.returncode == 0, ended.stderr
    row = live.status()["postgres"]
    assert row["state"] == "healthy"
    assert row["units"][0]["pid"] != before


def test_a_service_that_is_stopped_makes_status_exit_1_and_says_how_to_start_it(live: Cli) -> None:
    try:
        assert live.run("down", "mongodb").returncode == 0
        ended = live.run("status")
        assert ended.returncode == 1
        row = live.status()["mongodb"]
        assert row["state"] == "stopped"
        assert row["remedy"] == f"devstack-tui --stack {live.stack} up mongodb"
    finally:
        assert live.run("up", "mongodb").returncode == 0
    assert live.run("status").returncode == 0


def test_down_keeps_the_data_and_leaves_no_process(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    (instance,) = ids_of(fresh)
    _sql(fresh, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (42)")
    ended = fresh.run("down")
    assert ended.returncode == 0, ended.stderr
    assert process.owned(instance) == {}
    assert fresh.run("up", "postgres").returncode == 0
    assert _sql(fresh, "SELECT id FROM kept") == [(42,)]


def test_two_stacks_run_side_by_side(live: Cli, fresh: Cli) -> None:
    ended = fresh.run("up", "postgres")
    assert ended.returncode == 0, ended.stderr
    mine, theirs = fresh.status()["postgres"], live.status()["postgres"]
    assert mine["state"] == theirs["state"] == "healthy"
    assert mine["endpoint"] != theirs["endpoint"]


def test_two_ups_at_once_start_one_stack(fresh: Cli) -> None:
    with fresh.start("up", "postgres", "--jsonl") as first, contextlib.ExitStack() as later:
        # It works on the stack now, and is held still until the other one waits for it.
        before = _line_with(first, '"progress"')
        first.send_signal(signal.SIGSTOP)
        later.callback(first.send_signal, signal.SIGCONT)
        second = later.enter_context(fresh.start("up", "postgres", "--jsonl"))
        waited = _line_with(second, "waiting for `up`")
        first.send_signal(signal.SIGCONT)
        assert first.stdout is not None
        assert second.stdout is not None
        outputs = [before + first.stdout.read(), waited + second.stdout.read()]
        assert [first.wait(60), second.wait(60)] == [0, 0], outputs
    assert ['"was running"' in output for output in outputs] == [False, True]
    (instance,) = ids_of(fresh)
    leaders = process.leaders(process.owned(instance))
    assert all(len(pids) == 1 for pids in leaders.values()), leaders


def test_a_profile_starts_its_services_only(fresh: Cli) -> None:
    ended = fresh.run("up", "--profile", "minimal")
    assert ended.returncode == 0, ended.stderr
    rows = fresh.status()
    assert rows["redis"]["state"] == "healthy"
    assert rows["mysql"]["state"] == "stopped"
    assert not rows["mysql"]["required"]


def test_a_plan_changes_nothing(fresh: Cli) -> None:
    ended = fresh.run("up", "redis", "--plan")
    assert ended.returncode == 0
    assert "vault, redis" in ended.stdout
    assert not fresh.root.exists()


def test_ctrl_c_stops_what_was_on_its_way(fresh: Cli) -> None:
    run = fresh.start("up", "postgres", "--jsonl")
    assert run.stdout is not None
    for line in run.stdout:
        if "making the database cluster" in line:
            break
    run.send_signal(subprocess.signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    rows = fresh.status()
    assert rows["postgres"]["state"] == "stopped"
    assert fresh.run("up", "postgres").returncode == 0


def _sql(cli: Cli, text: str) -> list[tuple[object, ...]]:
    from tests.stack.clients import postgres

    with postgres(cli) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def _line_with(run: subprocess.Popen[str], text: str) -> str:
    assert run.stdout is not None
    return next(line for line in run.stdout if text in line)
