"""What is written means to us what it means to the servers: they report what we said."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Cli
from tests.stack.clients import postgres

PROFILE = """
[values.postgres]
effective_cache_size = 393216
work_mem = 16384
maintenance_work_mem = "1e5"
commit_delay = 250
checkpoint_timeout = 600
max_wal_size = "max_wal_size = 4096"
autovacuum_naptime = 30
wal_writer_delay = 50
checkpoint_completion_target = ".8"
random_page_cost = "11e-1"
synchronous_commit = "true"
wal_compression = "on"
checkpoint_flush_after = 64
default_statistics_target = 200
max_parallel_workers = 4
max_parallel_maintenance_workers = 1
jit = "f"

[values.mysql]
innodb-flush-log-at-timeout = 3
innodb_io_capacity = "1K"
sort_buffer_size = "512K"
join_buffer_size = 131072
innodb_max_dirty_pages_pct = ".5e2"

[values.mongodb]
wiredTigerCacheSizeGB = ".5"
syncdelay = 30
journalCommitInterval = 90
slowOpThresholdMs = 250
internalQueryMaxBlockingSortMemoryUsageBytes = 33554432

[values.redis]
maxmemory = "100m"
timeout = 300
tcp-keepalive = 60
repl-diskless-sync-delay = 5
repl-backlog-size = "2mb"
save = "900  1"
"""
EFFECTIVE = {
    "postgres.effective_cache_size": "3GB",
    "postgres.work_mem": "16MB",
    "postgres.maintenance_work_mem": "100000kB",
    "postgres.commit_delay": "250us",
    "postgres.checkpoint_timeout": "10min",
    "postgres.max_wal_size": "4GB",
    "postgres.autovacuum_naptime": "30s",
    "postgres.wal_writer_delay": "50ms",
    "postgres.checkpoint_completion_target": "0.8",
    "postgres.random_page_cost": "1.1",
    "postgres.synchronous_commit": "on",
    "postgres.wal_compression": "pglz",
    "postgres.checkpoint_flush_after": "512kB",
    "postgres.default_statistics_target": "200",
    "postgres.max_parallel_workers": "4",
    "postgres.max_parallel_maintenance_workers": "1",
    "postgres.jit": "off",
    "mysql.innodb_flush_log_at_timeout": "3s",
    "mysql.innodb_io_capacity": "1024",
    "mysql.sort_buffer_size": "512kB",
    "mysql.join_buffer_size": "128kB",
    "mysql.innodb_max_dirty_pages_pct": "50",
    "mongodb.wiredTigerCacheSizeGB": "512MB",
    "mongodb.syncdelay": "30s",
    "mongodb.journalCommitInterval": "90ms",
    "mongodb.slowOpThresholdMs": "250ms",
    "mongodb.internalQueryMaxBlockingSortMemoryUsageBytes": "32MB",
    "redis.maxmemory": "100000000B",
    "redis.timeout": "5min",
    "redis.tcp-keepalive": "1min",
    "redis.repl-diskless-sync-delay": "5s",
    "redis.repl-backlog-size": "2MB",
    "redis.save": "900 1",
}
# Where the server's own text for it is easily read by eye.
SHOWN = {
    "effective_cache_size": "3GB",
    "commit_delay": "250",
    "checkpoint_timeout": "10min",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "100000kB",
}


def test_the_servers_report_what_a_profile_was_understood_as(live: Cli) -> None:
    path = live.state / "config" / "devstack-tui" / "tuning" / "spelled.toml"
    before = live.json("tune", "show")["parameters"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROFILE)
    try:
        done = live.json("tune", "apply", "spelled", "--yes", "--stack", live.stack)
        assert done["exit_code"] == 0, done
        said = {f"{o['service']}.{o['parameter']}": o["effective"] for o in done["outcomes"]}
        assert said == EFFECTIVE
        changes = {c["parameter"]: c for c in done["changes"]}
        assert changes["effective_cache_size"]["understood"] == "393216 → 3 GB"
        assert changes["innodb_flush_log_at_timeout"]["understood"] == "3 → 3 s"
        with postgres(live) as connection:
            for name, text in SHOWN.items():
                assert connection.execute(f"SHOW {name}").fetchone() == (text,)  # type: ignore[arg-type]
    finally:
        path.unlink()
        ended = live.run("tune", "revert", "--yes", "--stack", live.stack)
    assert ended.returncode == 0, ended.stderr
    assert live.json("tune", "show")["parameters"] == before


def test_the_unit_that_we_know_is_the_servers_own(live: Cli) -> None:
    names = {row["name"]: row for row in live.json("tune", "show", "postgres")["catalogue"]}
    with postgres(live) as connection:
        told = connection.execute("SELECT name, unit FROM pg_settings WHERE unit IS NOT NULL")
        units = {name: unit for name, unit in told.fetchall() if name in names}
    assert units
    for name, unit in units.items():
        syntax = names[name].get("server", {})
        known = syntax.get("bare") or syntax.get("unit") or "1ms"
        assert known in (unit, f"1{unit}"), name


def test_a_plan_says_what_was_understood_before_anything_is_changed(live: Cli) -> None:
    words = ("postgres", "effective_cache_size", "=", "524288", "work_mem=8192")
    plan = live.run("tune", "set", *words, "--plan")
    assert plan.returncode == 0, plan.stderr
    assert "effective_cache_size: default → 4GB  (live), understood: 524288 → 4 GB" in plan.stdout
    try:
        assert live.run("tune", "set", "redis", "timeout = 300").returncode == 0
        (row,) = [r for r in live.json("tune", "show")["parameters"] if r["pending"]]
        assert (row["pending"], row["understood"]) == ("5min", "300 → 5 min")
        assert "understood: 300 → 5 min" in live.run("tune", "apply", "--plan").stdout
    finally:
        live.run("tune", "revert", "--pending", "--yes")
    refused = live.run("tune", "set", "redis", "repl-diskless-sync-delay=5ms", "--plan")
    assert refused.returncode == 2
    assert "5ms would be rounded to 0: it counts in 1s" in refused.stderr


def test_a_default_that_follows_from_another_value_follows_it_live(live: Cli) -> None:
    confirmed = ("--now", "--yes", "--stack", live.stack)

    def limit() -> tuple[str, str, bool]:
        rows = live.json("tune", "show", "mysql")["parameters"]
        (row,) = [row for row in rows if row["name"] == "innodb_io_capacity_max"]
        return row["effective"], row["source"], row["changed"]

    try:
        # Given back while the server runs, it is a number that nobody works out again.
        for words in (("innodb_io_capacity_max=2500",), ("innodb_io_capacity_max=default",)):
            assert live.run("tune", "set", "mysql", *words, *confirmed).returncode == 0
        done = live.run("tune", "set", "mysql", "innodb_io_capacity=1500", *confirmed)
        assert done.returncode == 0, done.stderr
        assert limit() == ("3000", "default", False)
    finally:
        ended = live.run("tune", "revert", "--all", "--yes", "--stack", live.stack)
    assert ended.returncode == 0, ended.stderr
    assert limit() == ("2000", "default", False)


def test_an_imported_profile_is_shown_without_a_stack(tmp_path: Path, project: Path) -> None:
    cli = Cli(tmp_path)
    made = cli.run("tune", "import", str(project / "tests/data/pgtune-16gb.conf"), "--as", "mine")
    assert made.returncode == 0, made.stderr
    assert "17 values of postgres" in made.stdout
    shown = cli.run("tune", "show", "postgres", "--profile", "mine")
    assert shown.returncode == 0, shown.stderr
    assert "postgres.shared_buffers" in shown.stdout
    assert "4GB" in shown.stdout
    document = cli.json("tune", "show", "postgres", "--profile", "mine")
    assert document["values"]["postgres"]["max_worker_processes"] == "8"
    assert len(document["parameters"]) == 17
    again = cli.run("tune", "import", str(project / "tests/data/pgtune-16gb.conf"), "--as", "mine")
    assert again.returncode == 2
    assert "there is a profile 'mine' already" in again.stderr
