"""The stream of acknowledged writes, and what is computed from it."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from devstack_tui.contracts.acks import KINDS, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.core.errors import UsageError
from devstack_tui.loadgen import ack_stream
from devstack_tui.loadgen.ack_stream import Stream, Write
from tests.unit.fake_acks import LIMIT_S, TARGET, FakeAcks, wait_for


def run_until(made: Stream, condition: Callable[[], bool]) -> tuple[Write, ...]:
    made.start()
    try:
        wait_for(condition)
    finally:
        writes = made.stop()
    return writes


def ok(number: int, at: float) -> Write:
    return Write(number, at - 0.001, at, "ok")


def bad(number: int, at: float, outcome: str = "not_written:refused") -> Write:
    return Write(number, at - 0.001, at, outcome)


# -- the stream ------------------------------------------------------------------------------


def test_numbers_are_unique_and_increase_over_all_clients() -> None:
    server = FakeAcks()
    made = Stream(server, TARGET, "r", clients=3)
    writes = run_until(made, lambda: len(server.kept) > 200)
    assert [write.number for write in writes] == list(range(1, len(writes) + 1))
    assert all(write.acknowledged and write.sent <= write.done for write in writes)
    assert len(server.writers) == 3
    assert all(writer.closed for writer in server.writers)


def test_what_was_acknowledged_is_what_the_server_has() -> None:
    server = FakeAcks()
    writes = run_until(Stream(server, TARGET, "r", clients=2), lambda: len(server.kept) > 50)
    assert {write.number for write in writes if write.acknowledged} == server.kept


def test_a_writer_that_failed_is_replaced_and_its_number_is_not_tried_again() -> None:
    server = FakeAcks()
    tried: list[int] = []

    def behave(number: int) -> None:
        tried.append(number)
        if number == 3:
            raise NotWritten("readonly")
        if number == 5:
            raise Indeterminate("reset")
        if number == 7:
            raise ZeroDivisionError

    server.behave = behave
    writes = run_until(Stream(server, TARGET, "r"), lambda: len(server.kept) > 9)
    outcomes = {write.number: write.outcome for write in writes if not write.acknowledged}
    assert outcomes == {
        3: "not_written:readonly",
        5: "indeterminate:reset",
        7: "indeterminate:ZeroDivisionError",
    }
    assert len(server.writers) == 4
    assert len(tried) == len(set(tried))
    assert "ZeroDivisionError" not in KINDS


def test_a_server_that_is_not_there_is_not_hammered() -> None:
    server = FakeAcks()
    attempts = itertools.count()

    def refuse() -> None:
        next(attempts)
        raise NotWritten("refused")

    server.connect = refuse
    made = Stream(server, TARGET, "r")
    writes = run_until(made, lambda: len(made.snapshot()) > 5)
    begun = [write.sent for write in writes]
    assert min(later - earlier for earlier, later in itertools.pairwise(begun)) > 0.015
    assert ack_stream.errors(writes) == {"refused": len(writes)}


def test_the_rate_is_kept_by_the_clock() -> None:
    server = FakeAcks()
    made = Stream(server, TARGET, "r", rate_hz=100)
    writes = run_until(made, lambda: len(server.kept) > 20)
    assert writes[-1].sent - writes[0].sent > (len(writes) - 2) / 100


def test_a_stop_does_not_wait_for_a_server_that_hangs() -> None:
    server = FakeAcks()
    held = threading.Event()

    def behave(number: int) -> None:
        if number == 4:
            held.wait(LIMIT_S * 2)

    server.behave = behave
    made = Stream(server, TARGET, "r", timeout=0.05)
    made.start()
    wait_for(lambda: len(server.kept) == 3)
    before = time.monotonic()
    writes = made.stop(within=0.0)
    assert time.monotonic() - before < LIMIT_S
    assert [write.outcome for write in writes] == ["ok"] * 3 + ["indeterminate:abandoned"]
    held.set()
    wait_for(lambda: 4 in server.kept)
    assert made.stop() == writes, "what comes late changes nothing"


def test_a_snapshot_is_what_is_decided_so_far() -> None:
    server = FakeAcks()
    made = Stream(server, TARGET, "r")
    made.start()
    wait_for(lambda: len(made.snapshot()) > 3)
    seen = made.snapshot()
    assert set(seen) <= set(made.stop())


# -- what is computed ------------------------------------------------------------------------

BEFORE = [ok(n, n * 0.02) for n in range(50)]


def test_a_window_is_from_the_last_success_before_to_the_first_after() -> None:
    writes = [*BEFORE, bad(50, 1.0), bad(51, 1.4), ok(52, 2.5), ok(53, 2.52)]
    assert ack_stream.window(writes, fault=0.99) == pytest.approx(2.5 - 0.98)
    assert ack_stream.outage(writes, 0.99) == (0.98, 2.5)


def test_what_the_server_still_acknowledges_after_the_fault_does_not_end_the_window() -> None:
    writes = [*BEFORE, ok(50, 1.0), ok(51, 1.02), bad(52, 1.04), ok(53, 3.02)]
    assert ack_stream.window(writes, fault=0.99) == pytest.approx(2.0)


def test_a_gap_that_the_rate_explains_is_no_window() -> None:
    writes = [*BEFORE, ok(50, 1.0), ok(51, 1.05)]
    assert ack_stream.window(writes, fault=0.99) == 0.0
    assert ack_stream.window([], fault=0.0) == 0.0


def test_a_gap_before_the_fault_is_not_the_faults() -> None:
    writes = [ok(0, 0.0), *[ok(n, 5 + n * 0.02) for n in range(1, 50)]]
    assert ack_stream.window(writes, fault=5.5) == 0.0


def test_an_outage_that_never_ends_lasts_to_the_last_attempt() -> None:
    writes = [*BEFORE, bad(50, 1.0), bad(51, 4.98)]
    assert ack_stream.window(writes, fault=0.99) == pytest.approx(4.0)


def test_lost_are_the_acknowledged_ones_that_are_not_there() -> None:
    writes = [*BEFORE, bad(50, 1.0), bad(51, 1.1, "indeterminate:reset")]
    there = {write.number for write in BEFORE} - {40, 45, 49}
    count, seconds = ack_stream.lost(writes, there)
    assert count == 3
    assert seconds == pytest.approx(0.98 - 0.8 + 0.001)
    assert ack_stream.lost(writes, {write.number for write in BEFORE}) == (0, 0.0)


def test_indeterminate_writes_are_neither_lost_nor_resurrected() -> None:
    writes = [ok(1, 1.0), bad(2, 1.1, "indeterminate:reset"), bad(3, 1.2)]
    assert ack_stream.indeterminate(writes) == 1
    assert ack_stream.lost(writes, {1}) == (0, 0.0)
    assert ack_stream.resurrected(writes, {1, 2}) == 0
    assert ack_stream.resurrected(writes, {1, 2, 3}) == 1
    assert ack_stream.errors(writes) == {"reset": 1, "refused": 1}


# -- classes ---------------------------------------------------------------------------------


class WrapError(Exception):
    """As a driver's own."""


def _wrapped(error: BaseException) -> WrapError:
    outer = WrapError("no luck")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (TimeoutError(), "timeout"),
        (BrokenPipeError(), "reset"),
        (EOFError(), "reset"),
        (ssl.SSLEOFError(8, "EOF occurred"), "reset"),
        (ssl.SSLCertVerificationError(1, "unknown authority"), "untrusted"),
        (socket.gaierror(-2, "unknown"), "gaierror"),
        (WrapError("server closed the connection unexpectedly"), "reset"),
        (WrapError(ConnectionRefusedError(111, "x")), "refused"),
        (_wrapped(TimeoutError()), "timeout"),
        (WrapError("(2013, 'Lost connection: timed out')"), "timeout"),
        (WrapError("no word of it"), "WrapError"),
    ],
)
def test_a_failure_has_its_class_however_it_is_wrapped(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


@pytest.mark.parametrize("run", ["", "Ab", "a-b", "a" * 33, "x'; DROP TABLE y", "ä"])
def test_a_runs_name_that_would_not_be_a_name_is_refused(run: str) -> None:
    with pytest.raises(UsageError):
        checked(run)
    assert checked("run42") == "run42"
