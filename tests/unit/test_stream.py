"""The stream of acknowledged writes, and what is computed from it."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Callable

import msgspec
import pytest

from devstack_tui.contracts.acks import KINDS, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.core.errors import UsageError
from devstack_tui.loadgen.ack_stream import Stream
from devstack_tui.loadgen.acknowledged_writes import (
    FAILED,
    INDETERMINATE,
    OK,
    Gap,
    Operation,
    Verdict,
    errors,
    stream_outage,
    verdict,
)
from tests.unit.fake_acks import TARGET, FakeAcks, wait_for, write


def run_until(made: Stream, condition: Callable[[], bool]) -> tuple[Operation, ...]:
    made.start()
    try:
        wait_for(condition)
    finally:
        writes = made.stop()
    return writes


def ok(number: int, at: float) -> Operation:
    return write(number, at - 0.001, at)


def bad(number: int, at: float, outcome: str = FAILED, why: str = "refused") -> Operation:
    return write(number, at - 0.001, at, outcome, why)


def window(writes: list[Operation], fault: float) -> float:
    found = stream_outage(writes, fault)
    return found.seconds if found else 0.0


def judged(writes: list[Operation], present: set[int]) -> Verdict:
    return verdict(writes, {"": sorted(present)}, 20_000)


# -- the stream ------------------------------------------------------------------------------


def test_numbers_are_unique_and_increase_over_all_clients() -> None:
    server = FakeAcks()
    made = Stream(server, TARGET, "r", clients=3)
    writes = run_until(made, lambda: len(server.kept) > 200)
    assert [write.number for write in writes] == list(range(1, len(writes) + 1))
    assert all(write.ok and write.sent <= write.done for write in writes)
    assert len(server.writers) == 3
    assert all(writer.closed for writer in server.writers)


def test_what_was_acknowledged_is_what_the_server_has() -> None:
    server = FakeAcks()
    writes = run_until(Stream(server, TARGET, "r", clients=2), lambda: len(server.kept) > 50)
    assert {write.number for write in writes if write.ok} == server.kept


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
    outcomes = {write.number: (write.outcome, write.why) for write in writes if not write.ok}
    assert outcomes == {
        3: (FAILED, "readonly"),
        5: (INDETERMINATE, "reset"),
        7: (INDETERMINATE, "ZeroDivisionError"),
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
    assert errors(writes) == {"refused": len(writes)}


def test_the_rate_is_kept_by_the_clock() -> None:
    server = FakeAcks()
    made = Stream(server, TARGET, "r", rate_hz=100)
    writes = run_until(made, lambda: len(server.kept) > 20)
    assert writes[-1].sent - writes[0].sent > (len(writes) - 2) / 100


def test_a_stop_does_not_wait_for_a_server_that_hangs() -> None:
    server = FakeAcks()
    held = threading.Event()
    ended: list[int] = []

    def behave(number: int) -> None:
        if number == 4:
            held.wait()
            ended.append(number)

    server.behave = behave
    made = Stream(server, TARGET, "r", timeout=0.05)
    made.start()
    wait_for(lambda: len(server.kept) == 3)
    writes = made.stop(within=0.0)
    assert not ended
    assert [(write.outcome, write.why) for write in writes] == [
        *[(OK, "")] * 3,
        (INDETERMINATE, "abandoned"),
    ]
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
    assert window(writes, fault=0.99) == pytest.approx(2.5 - 0.98)
    assert stream_outage(writes, 0.99) == Gap(980_000, 2_500_000)


def test_what_the_server_still_acknowledges_after_the_fault_does_not_end_the_window() -> None:
    writes = [*BEFORE, ok(50, 1.0), ok(51, 1.02), bad(52, 1.04), ok(53, 3.02)]
    assert window(writes, fault=0.99) == pytest.approx(2.0)


def test_a_gap_that_the_rate_explains_is_no_window() -> None:
    writes = [*BEFORE, ok(50, 1.0), ok(51, 1.039)]
    assert window(writes, fault=0.99) == 0.0
    assert window([], fault=0.0) == 0.0


def test_a_pause_of_our_own_process_is_no_window() -> None:
    late = msgspec.structs.replace(ok(51, 1.2), due=1_020_000)
    assert window([*BEFORE, ok(50, 1.0), late], fault=0.99) == 0.0
    assert window([*BEFORE, ok(50, 1.0), ok(51, 1.2)], fault=0.99) == pytest.approx(0.2)


def test_a_gap_before_the_fault_is_not_the_faults() -> None:
    writes = [ok(0, 0.0), *[ok(n, 5 + n * 0.02) for n in range(1, 50)]]
    assert window(writes, fault=5.5) == 0.0


def test_an_outage_that_never_ends_lasts_to_the_last_attempt() -> None:
    writes = [*BEFORE, bad(50, 1.0), bad(51, 4.98)]
    assert window(writes, fault=0.99) == pytest.approx(4.0)


def test_lost_are_the_acknowledged_ones_that_are_not_there() -> None:
    writes = [*BEFORE, bad(50, 1.0), bad(51, 1.1, INDETERMINATE, "reset")]
    there = {write.number for write in BEFORE} - {40, 45, 49}
    found = judged(writes, there)
    assert found.lost == (40, 45, 49)
    assert found.lost_s == pytest.approx(0.98 - 0.8 + 0.02)
    found = judged(writes, {write.number for write in BEFORE})
    assert (found.lost, found.lost_s) == ((), 0.0)
    found = verdict(writes, None, 20_000)
    assert (found.lost, found.resurrected) == ((), ()), "nothing was read back"


def test_indeterminate_writes_are_neither_lost_nor_resurrected() -> None:
    writes = [ok(1, 1.0), bad(2, 1.1, INDETERMINATE, "reset"), bad(3, 1.2)]
    assert judged(writes, {1}).indeterminate == 1
    assert judged(writes, {1}).lost == ()
    assert judged(writes, {1, 2}).resurrected == ()
    assert judged(writes, {1, 2, 3}).resurrected == (3,)
    assert errors(writes) == {"reset": 1, "refused": 1}


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
