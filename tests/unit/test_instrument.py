"""The parts of the instrument that need no server: protocol, views, marks, lanes, clockwork."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from devstack_tui.contracts.peer import Peer
from devstack_tui.loadgen.acknowledged_writes import (
    ADD,
    FAILED,
    INDETERMINATE,
    OK,
    REMOVE,
    Operation,
)
from devstack_tui.loadgen.lane_cells import LaneCells
from devstack_tui.services.redis.instrument import hash_tags
from devstack_tui.services.redis.instrument.clock_loop import Loop
from devstack_tui.services.redis.instrument.connection import (
    FOREIGN,
    REFUSED,
    TIMEOUT,
    Address,
    Answer,
    Wire,
)
from devstack_tui.services.redis.instrument.lanes import Lane, LaneContext
from devstack_tui.services.redis.instrument.messages import InstrumentOrder, ShardOrder
from devstack_tui.services.redis.instrument.observers import Observer, ReplacedNodeWrites
from devstack_tui.services.redis.instrument.operations import (
    SETTLED_US,
    ReadOperations,
    WriteOperations,
)
from devstack_tui.services.redis.instrument.resp import Parser, ProtocolError, Refusal, Reply
from tests.unit.cluster_story import Stage

STREAM = b"$5\r\nhello\r\n:42\r\n+OK\r\n-MOVED 7 127.0.0.1:7001\r\n$-1\r\n$0\r\n\r\n:-3\r\n"
REPLIES: list[Reply] = [b"hello", 42, b"OK", "MOVED 7 127.0.0.1:7001", None, b"", -3]


# -- the protocol ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_replies_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    parser = Parser()
    pieces = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]
    found = [reply for piece in pieces for reply in parser.feed(piece)]
    assert found == REPLIES
    assert isinstance(found[3], Refusal)
    assert found[3].kind == "MOVED"


@pytest.mark.parametrize(
    "garbage",
    [
        b"*1\r\n:1\r\n",
        b"hello\r\n",
        b"\r\n",
        b":\r\n",
        b":12a\r\n",
        b":" + b"9" * 40 + b"\r\n",
        b"$99999999999999999999999\r\n",
        b"$2000000\r\n",
        b"$-2\r\n",
        b"$x\r\n",
        b"$1\r\nabc\r\n",
        b"+" + b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_a_protocol_error(garbage: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Parser().feed(garbage))


def test_any_bytes_end_in_replies_or_in_a_protocol_error() -> None:
    chance = random.Random(5)
    for _ in range(2000):
        data = bytearray(STREAM * 2)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        del data[chance.randrange(len(data)) :]
        try:
            assert len(list(Parser().feed(bytes(data)))) <= 2 * len(STREAM)
        except ProtocolError:
            continue


# -- keys and cells --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ranges", [[[0, 5460]], [[5461, 10922]], [[3, 3]], [[0, 9], [16000, 16383]]]
)
def test_tags_spread_over_the_slots_of_a_shard(ranges: list[list[int]]) -> None:
    slots = [hash_tags.slot(tag) for tag in hash_tags.spread(ranges)]
    assert all(any(first <= slot <= last for first, last in ranges) for slot in slots)
    assert len(set(slots)) == len(slots) == min(4, sum(b - a + 1 for a, b in ranges))


def test_cells_show_a_success_before_an_error_and_silence_as_such() -> None:
    strip = LaneCells(10.0)
    strip.put(10.01, True)
    strip.put(10.02, False)
    strip.put(10.06, False)
    strip.put(10.16, False)
    strip.put(10.17, True)
    assert strip.take(3) == "ox."
    strip.put(10.01, False)
    assert strip.take(5) == "o."
    assert strip.take(5) == ""


# -- what is written -------------------------------------------------------------------------

SHARD = ShardOrder("shard 1", 0, ("t1", "t2"))


def test_every_write_has_its_own_number_and_old_ones_are_taken_out_again() -> None:
    writes = WriteOperations("r1", SHARD)
    asked = []
    for number in range(1, 200):
        now = number * 20_000
        ask = writes.next(number, now)
        asked.append(ask)
        done = Operation("shard 1", ask.kind, number, ask.tag, ask.value, "a", 0, 0, now, OK)
        writes.record(done)
    added = [ask.value for ask in asked if ask.kind == ADD]
    assert added == sorted(set(added))
    removed = [(number, ask.value) for number, ask in enumerate(asked, 1) if ask.kind == REMOVE]
    assert removed
    assert len({value for _, value in removed}) == len(removed)
    assert all(number * 20_000 - value * 20_000 > SETTLED_US for number, value in removed)
    assert all(b"devstack-tui:drill:r1:{t" in ask.command for ask in asked)
    assert {ask.tag for ask in asked} == {"t1", "t2"}


def test_an_order_never_shows_the_password() -> None:
    order = InstrumentOrder(
        run="r",
        journal="j",
        host="h",
        port=1,
        nodes=("redis-1",),
        user="u",
        password="hunter2",
        peer=Peer("redis"),
        shards=(),
        rate_hz=50.0,
        observe_hz=20.0,
        timeout_s=0.25,
    )
    assert "hunter2" not in repr(order)
    assert "hunter2" not in repr(Address("h", 1, "u", "hunter2"))


# -- the clockwork ---------------------------------------------------------------------------


def test_the_clock_tells_how_late_it_was_and_misses_no_tick() -> None:
    loop = Loop()
    seen: list[float] = []
    start = loop.clock()

    def tick(due: float) -> None:
        seen.append(due)
        if len(seen) == 1:
            time.sleep(0.06)  # what the measurement must notice is that nothing ran
        if len(seen) == 5:
            loop.stop()

    loop.every(0.01, start, tick)
    loop.run()
    loop.close()
    assert [round((due - start) * 100) for due in seen] == [0, 1, 2, 3, 4]
    assert loop.late >= 0.04


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def until(loop: Loop, condition: Callable[[], bool]) -> None:
    """Run the loop until the condition holds."""
    deadline = time.monotonic() + 60

    def look(due: float) -> None:
        assert time.monotonic() < deadline
        if condition():
            loop.stop()
        else:
            loop.at(due + 0.002, look)

    loop.at(loop.clock(), look)
    loop.run()


def test_a_refused_connection_answers_at_once_and_nothing_was_sent(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answers: list[Answer] = []
    wire = Wire(loop, Address("127.0.0.1", port, "", ""))
    wire.ask(b"PING\r\n", loop.clock() + 5, answers.append)
    until(loop, lambda: bool(answers))
    assert answers[0].why == REFUSED
    assert answers[0].sent == 0.0
    assert wire.broken


def test_a_node_that_accepts_and_never_answers_is_given_up_at_the_deadline(loop: Loop) -> None:
    answers: list[Answer] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = Wire(loop, Address("127.0.0.1", server.getsockname()[1], "u", "p"))
        wire.ask(b"first", loop.clock() + 0.05, answers.append)
        wire.ask(b"second", loop.clock() + 9, answers.append)
        loop.every(0.01, loop.clock(), lambda _: wire.expire(loop.clock()))
        until(loop, lambda: bool(answers))
    assert [answer.why for answer in answers] == [TIMEOUT, TIMEOUT]
    # It would have to prove itself first: neither was sent, nor the password.
    assert not any(answer.sent for answer in answers)


def test_what_answers_in_the_place_of_a_node_is_sent_no_password(loop: Loop) -> None:
    answers: list[Answer] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = Wire(loop, Address("127.0.0.1", server.getsockname()[1], "u", "hunter2"))
        wire.ask(b"first", loop.clock() + 60, answers.append)
        thief, _ = server.accept()
        with thief:
            seen = bytearray()

            def answered() -> bool:
                if not seen and (data := _received(thief)):
                    seen.extend(data)
                    thief.sendall(b"-NOAUTH Authentication required.\r\n")
                return bool(answers)

            until(loop, answered)
            seen += _received(thief)
    assert (answers[0].why, answers[0].sent) == (FOREIGN, 0.0)
    assert bytes(seen) == b"*1\r\n$4\r\nPING\r\n"


def test_an_observer_that_is_closed_says_nothing_about_its_node(loop: Loop) -> None:
    stage = Stage()
    looked: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1], "", "")
        means = LaneContext(loop, stage.cluster, [address], 50.0, 0.25, _never, stage.marks.append)
        observer = Observer(means, 0, ReplacedNodeWrites("r", means, ()), looked.append)
        observer.tick(loop.clock())
        peer, _ = server.accept()
        with peer:
            until(loop, lambda: bool(_received(peer)))
            observer.close()
            assert (stage.state(0), looked) == ("up", [])
            # The same silence without our doing is the node's.
            observer.tick(loop.clock())
            again, _ = server.accept()
            again.close()
            until(loop, lambda: bool(looked))
    assert stage.state(0) == "down"
    observer.close()


def _never(operation: Operation) -> None:
    raise AssertionError(operation)


def test_a_lane_goes_on_where_the_shard_lives_and_never_repeats_an_operation() -> None:
    loop = Loop()
    stage = Stage()
    recorded: list[Operation] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as gone,
        socket.create_server(("127.0.0.1", 0)) as here,
    ):
        ports = [gone.getsockname()[1], 0, here.getsockname()[1], 0]
        gone.close()
        addresses = [Address("127.0.0.1", port or 1, "", "") for port in ports]
        means = LaneContext(
            loop, stage.cluster, addresses, 50.0, 0.25, recorded.append, stage.marks.append
        )
        lane = Lane(
            means,
            ShardOrder("shard 1", 0, hash_tags.spread([[0, 8191]])),
            ReadOperations("r", SHARD),
        )
        lane.begin(loop.clock())
        lane.fault = 0.0
        lane.tick(loop.clock())
        until(loop, lambda: len(recorded) == 1)
        assert (recorded[0].node, recorded[0].outcome, recorded[0].why) == (
            "redis-1",
            FAILED,
            REFUSED,
        )
        stage.silent(0, REFUSED)
        lane.tick(loop.clock())
        peer, _ = here.accept()
        with peer:
            until(loop, lambda: bool(recorded[1:]) or bool(_received(peer)))
            peer.sendall(b"$2\r\n17\r\n")
            until(loop, lambda: len(recorded) == 2)
        assert (recorded[1].node, recorded[1].outcome, recorded[1].value) == ("redis-3", OK, 17)
        assert [o.number for o in recorded] == [1, 2]
        assert stage.marks[-1].kind == "back"
        lane.tick(loop.clock())
        until(loop, lambda: len(recorded) == 3)
        assert recorded[2].outcome in (FAILED, INDETERMINATE)
        lane.close()
    loop.close()


def _received(peer: socket.socket) -> bytes:
    peer.setblocking(False)
    try:
        return peer.recv(4096)
    except BlockingIOError:
        return b""
