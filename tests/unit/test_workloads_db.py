"""The pure parts of the database workloads, and the closed loop without a server."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.contracts.workload import Bench, Measurement, Tick
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.loadgen.client_process import WARM_UP_REQUESTS
from devstack_tui.loadgen.closed_loop import run_clients, run_in_windows
from devstack_tui.services.mongodb import workloads as mongodb
from devstack_tui.services.mysql import workloads as mysql
from devstack_tui.services.postgres import pgbench

REPORT = """\
transaction type: <builtin: TPC-B (sort of)>
scaling factor: 10
number of clients: 10
number of transactions actually processed: 10032
number of failed transactions: 3 (0.030%)
latency average = 4.917 ms
initial connection time = 62.1 ms
tps = 2033.912345 (without initial connection time)
"""


def bench(**params: int) -> tuple[Bench, list[Tick]]:
    """What a workload gets, for a server that is not there."""
    target = Target(
        service="mysql",
        endpoint=Endpoint("mysql", "127.0.0.1", 1),
        ports={},
        credentials=Credentials("devstack", "pass:wo\\rd", "devstack"),
        ca=Path("/nonexistent/ca.crt"),
        secrets=Path("/nonexistent"),
    )
    ticks: list[Tick] = []
    return Bench(target, params, ticks.append, threading.Event(), pytest.fail), ticks


class TestPgbench:
    def test_a_progress_line_is_seconds_and_rate(self) -> None:
        line = "progress: 3.0 s, 2160.4 tps, lat 4.611 ms stddev 2.901, 0 failed"
        assert pgbench.progress(line) == (3.0, 2160.4)

    def test_a_second_without_a_transaction_is_read_too(self) -> None:
        assert pgbench.progress("progress: 4.0 s, 0.0 tps, lat -nan ms stddev -nan") == (4.0, 0.0)

    @pytest.mark.parametrize("line", ["", "pgbench (15.18)", "tps = 12.3 (without initial"])
    def test_other_lines_are_no_progress(self, line: str) -> None:
        assert pgbench.progress(line) is None

    def test_the_report_gives_transactions_rate_and_failures(self) -> None:
        assert pgbench.summary(REPORT) == pgbench.Summary(10032, 2033.912345, 3)

    def test_the_report_of_an_older_pgbench_is_understood(self) -> None:
        old = REPORT.replace(
            "without initial connection time", "excluding connections establishing"
        )
        old = "tps = 1990.1 (including connections establishing)\n" + old
        found = pgbench.summary(old)
        assert found is not None
        assert found.tps == 2033.912345

    def test_a_report_without_figures_is_none(self) -> None:
        assert pgbench.summary("pgbench: error: Run was aborted") is None

    def test_a_log_becomes_latencies_in_milliseconds(self) -> None:
        log = b"0 1 4500 0 1700000000 12\n1 1 500 0 1700000000 13\n0 2 500 0 1700000000 14\n"
        histogram, failed = pgbench.latencies(log)
        assert (histogram.count, failed) == (3, 0)
        assert histogram.largest == 4.5
        assert histogram.total == pytest.approx(5.5)

    def test_failed_transactions_are_no_latencies(self) -> None:
        histogram, failed = pgbench.latencies(b"0 1 failed 0 1700000000 12\n1 1 7 0 17 13\n")
        assert (histogram.count, failed) == (1, 1)

    def test_a_log_is_read_as_it_grows_and_only_by_whole_lines(self, tmp_path: Path) -> None:
        logs = pgbench.Logs(tmp_path)
        assert logs.take().count == 0
        first, second = tmp_path / "log.17", tmp_path / "log.17.1"
        first.write_text("0 1 1000 0 17 1\n0 2 20")
        assert logs.take().count == 1
        first.write_text("0 1 1000 0 17 1\n0 2 2000 0 17 2\n")
        second.write_text("1 1 3000 0 17 3\n")
        taken = logs.take()
        assert (taken.count, taken.total) == (2, 5.0)
        assert logs.total.count == 3

    @pytest.mark.parametrize(
        ("line", "kind"),
        [
            (
                "pgbench: error: client 3 aborted in command 5 (SQL) of script 0; "
                "perhaps the backend died while processing",
                "ConnectionLost",
            ),
            (
                "pgbench: error: client 1 script 0 aborted in command 9 query 0: "
                "ERROR:  could not extend file: No space left on device",
                "ServerError",
            ),
            ("progress: 1.0 s, 10.0 tps, lat 4.6 ms stddev 2.9, 0 failed", ""),
        ],
    )
    def test_an_aborted_client_has_a_class(self, line: str, kind: str) -> None:
        assert pgbench.abortion(line) == kind

    def test_the_password_is_in_a_private_file_that_goes_away(self, tmp_path: Path) -> None:
        given, _ = bench()
        target = given.target
        here = Target(
            target.service, target.endpoint, {}, target.credentials, target.ca, secrets=tmp_path
        )
        with pgbench.PgbenchFiles(here, "db") as scratch:
            passfile = scratch.directory / "pgpass"
            assert passfile.read_text() == "*:*:*:*:pass\\:wo\\\\rd\n"
            assert passfile.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == []


class TestMysql:
    def test_a_statement_has_its_rows_and_is_the_same_for_its_seed(self) -> None:
        statement = mysql.bulk_statement(1000, 3)
        assert statement.count(b"@example.org") == 1000
        assert statement == mysql.bulk_statement(1000, 3)
        assert statement != mysql.bulk_statement(1000, 4)


class TestMongodb:
    def test_documents_have_distinct_ids_and_are_whole(self) -> None:
        made = mongodb.documents(10, first=100)
        assert [document["_id"] for document in made] == list(range(100, 110))
        assert made[0]["tags"] == ["alpha", "beta"]
        assert made[1]["name"] == mongodb.documents(10, first=7)[1]["name"] != made[2]["name"]

    def test_a_batch_that_is_sent_again_leaves_its_ids_to_the_server(self) -> None:
        assert "_id" not in mongodb.documents(1)[0]

    def test_settings_are_named_with_their_units(self) -> None:
        created = {"wiredTiger": {"creationString": "a=b,block_compressor=zstd,c="}}
        status: dict[str, Any] = {
            "storageEngine": {"name": "wiredTiger"},
            "wiredTiger": {"cache": {"maximum bytes configured": 268435456}},
        }
        found = mongodb.effective(status, {}, {"journalCommitInterval": 100}, created)
        assert found == {
            "storage_engine": "wiredTiger",
            "wiredtiger_cache_bytes": "268435456",
            "journal_commit_interval_ms": "100",
            "journal_compressor": "snappy (default)",
            "block_compressor": "zstd",
        }


class Sleeper:
    """A client whose request takes 5 ms; it fails or hangs after so many."""

    def __init__(self, good: int = 10**9, fault: str = "") -> None:
        self.left = good
        self.fault = fault

    def request(self) -> int:
        if self.left <= 0:
            if self.fault == "hang":
                time.sleep(60)
            raise ConnectionResetError("gone")
        self.left -= 1
        time.sleep(0.005)
        return 10

    def close(self) -> None:
        pass


def little(found: Measurement) -> float:
    return found.clients / (found.latency.mean / 1000) / (found.requests / found.seconds)


class TestLoop:
    def test_clients_are_measured_for_the_time_that_is_asked(self) -> None:
        given, ticks = bench()
        found = run_clients(given, lambda _: Sleeper(), clients=3, seconds=2)
        assert 2 <= found.seconds < 3
        assert found.operations == 10 * found.requests > 0
        assert found.latency.smallest >= 5
        assert [tick.second for tick in ticks] == [1, 2]
        assert sum(tick.throughput for tick in ticks) == found.operations
        assert found.errors == {}
        assert little(found) == pytest.approx(1, abs=0.1)

    def test_the_warm_up_is_not_among_the_requests(self) -> None:
        given, ticks = bench()
        found = run_clients(given, lambda _: Sleeper(20 + WARM_UP_REQUESTS), clients=1, requests=20)
        assert (found.requests, found.errors) == (20, {})
        assert len(ticks) == 1

    def test_a_server_that_goes_away_ends_the_run_soon_with_errors_by_class(self) -> None:
        given, _ = bench()
        found = run_clients(
            given, lambda _: Sleeper(70, "gone") if not first() else dead(), clients=1, seconds=600
        )
        assert found.seconds < 300
        assert found.requests > 0
        assert set(found.errors) == {"ConnectionResetError", "ConnectionRefusedError"}

    def test_a_client_that_cannot_begin_is_an_error_that_says_why(self) -> None:
        given, _ = bench()
        with pytest.raises(DevstackError, match="could not begin: nobody there"):
            run_clients(given, lambda _: dead(), clients=2, seconds=1)

    def test_stopping_ends_clients_that_hang(self) -> None:
        given, _ = bench()
        before = set(psutil.Process().children())
        threading.Timer(1.0, given.stop.set).start()
        found = run_clients(given, lambda _: Sleeper(70, "hang"), clients=2, seconds=600)
        assert found.seconds < 300
        assert found.operations > 0
        assert set(psutil.Process().children()) <= before

    def test_a_client_that_dies_is_an_error(self) -> None:
        given, _ = bench()
        found = run_clients(given, lambda _: Dying(), clients=1, requests=10)
        assert found.errors == {"ClientDied": 1}

    def test_what_was_written_is_removed_between_windows_and_not_after_the_last(self) -> None:
        given, ticks = bench(seconds=3, window=1)
        emptied: list[int] = []
        found = run_in_windows(given, lambda _: Sleeper(), lambda: emptied.append(len(ticks)))
        assert emptied == [1, 2]
        assert [tick.second for tick in ticks] == [1, 2, 3]
        assert 3 <= found.seconds < 4
        assert sum(tick.throughput for tick in ticks) == found.operations == 10 * found.requests
        assert little(found) == pytest.approx(1, abs=0.1)

    def test_a_window_that_ends_early_is_the_last(self) -> None:
        given, _ = bench(seconds=600, window=300)
        found = run_in_windows(given, lambda _: Dying(200), lambda: pytest.fail("emptied"))
        assert found.errors == {"ClientDied": 1}
        assert found.seconds < 300

    def test_no_client_is_no_run(self) -> None:
        given, _ = bench()
        with pytest.raises(UsageError):
            run_clients(given, lambda _: Sleeper(), clients=0, seconds=1)


class Dying(Sleeper):
    """Its process ends after so many requests: in the fifth after a warm-up of some requests."""

    def __init__(self, good: int = WARM_UP_REQUESTS + 4) -> None:
        super().__init__(good)

    def request(self) -> int:
        if self.left == 0:
            os._exit(9)
        return super().request()


_asked: list[int] = []


def first() -> bool:
    """Whether it has been asked before, in this process."""
    _asked.append(1)
    return len(_asked) > 1


def dead() -> Sleeper:
    raise ConnectionRefusedError("nobody there")
