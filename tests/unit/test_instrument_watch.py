"""What the instrument understands of what the nodes say, and the story that it makes of it."""

from __future__ import annotations

import random

import pytest

from devstack_tui.services.redis.instrument.connection import REFUSED, TIMEOUT
from devstack_tui.services.redis.instrument.failover_timeline import ABSENT_S
from devstack_tui.services.redis.instrument.node_view import Reader, parse_nodes
from devstack_tui.services.redis.instrument.resp import ProtocolError, Refusal, Reply
from tests.unit.cluster_story import Stage, lines


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "garbage",
        lines(0)[:40],
        lines(0).replace("myself,", ""),
        lines(0) + lines(0),
        lines(0).replace("0-8191", "0-99999999999999999"),
        lines(0).replace("0-8191", "9-1"),
        lines(0).replace("0-8191", "a-b"),
        lines(0).replace(" 1 connected", " " + "9" * 5000 + " connected"),
    ],
)
def test_a_view_that_cannot_be_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_nodes(text)


def test_any_damage_to_a_view_ends_in_a_view_or_in_a_protocol_error() -> None:
    chance = random.Random(7)
    whole = lines(0)
    for _ in range(2000):
        text = list(whole)
        for _ in range(chance.randrange(1, 8)):
            text[chance.randrange(len(text))] = chance.choice("\n @:,-0159af\x00")
        try:
            parse_nodes("".join(text[: chance.randrange(1, len(text) + 1)]))
        except ProtocolError:
            continue


@pytest.mark.parametrize("broken", [0, 1, 2])
@pytest.mark.parametrize("reply", [None, 7, b"", b"nonsense", Refusal("ERR no")])
def test_answers_that_are_none_of_a_node_are_a_protocol_error(broken: int, reply: Reply) -> None:
    replies: list[Reply] = [
        lines(0).encode(),
        b"cluster_state:ok\r\ncluster_slots_ok:1\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0",
        b"role:master\r\nmaster_repl_offset:5\r\n",
    ]
    replies[broken] = reply
    with pytest.raises(ProtocolError):
        Reader().read(*replies)


def test_pings_alone_do_not_make_a_new_view() -> None:
    reader = Reader()
    rest = (
        b"cluster_state:ok\r\ncluster_slots_ok:1\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0",
        b"role:master\r\nmaster_repl_offset:5\r\n",
    )
    first = reader.read(lines(0).encode(), *rest).nodes
    later = lines(0).replace(" 1 2 ", " 1700000 1700001 ")
    assert reader.read(later.encode(), *rest).nodes is first
    assert reader.read(lines(0, flags={1: ",fail?"}).encode(), *rest).nodes is not first


# -- what happened ---------------------------------------------------------------------------

FLAGGED = {"flags": {0: ",fail"}}
PROMOTED = {"owners": {2: "0-8191", 1: "8192-16383"}, "epochs": {2: 9}}
REPLACED = {**PROMOTED, "masters": {0: 2, 3: 1}}


def test_the_story_of_a_killed_master_is_told_in_order() -> None:
    stage = Stage()
    stage.watch.expect(0)
    stage.watch.fault(stage.at)
    assert stage.silent(0, REFUSED) == []
    assert stage.state(0) == "down"
    assert stage.play(1, flags={0: ",fail?"}, ok=8192) == ["suspected"]
    assert stage.state(0) == "suspected"
    assert stage.play(1, 2, 3, **FLAGGED, ok=8192) == ["failed"]
    assert stage.state(0) == "failed"
    masters = {3: 1}
    assert stage.play(2, **PROMOTED, **FLAGGED, masters=masters) == ["promoted"]
    assert stage.play(1, 3, **PROMOTED, **FLAGGED, masters=masters) == ["agreed", "covered"]
    assert stage.play(0, ok=16384) == []
    assert stage.state(0) == "cut off"
    assert stage.play(1, 2, 3, **REPLACED, offset=500) == []
    assert stage.play(0, **REPLACED, link="down", offset=100) == ["rejoined"]
    assert stage.play(0, **REPLACED, offset=100) == []
    assert stage.play(0, **REPLACED, offset=500) == ["resynced", "healed"]
    by_kind = {mark.kind: mark for mark in stage.marks}
    assert (by_kind["promoted"].node, by_kind["promoted"].text) == ("redis-3", "epoch 9")
    assert by_kind["suspected"].text == "by redis-2"
    views = stage.cluster.views()
    assert [view.role for view in views] == ["replica", "master", "master", "replica"]
    assert (views[2].slots, views[0].master, views[0].link) == ("0-8191", "redis-3", "up")


def test_a_late_answer_of_a_well_node_is_neither_its_end_nor_its_return() -> None:
    stage = Stage()
    stage.watch.expect(0)
    stage.watch.fault(stage.at)
    stage.silent(0, TIMEOUT)
    assert stage.state(0) == "frozen"
    assert stage.play(0, 1, 2, 3) == []
    stage.silent(0, TIMEOUT)
    stage.at += ABSENT_S
    assert stage.silent(0, TIMEOUT) == []
    assert stage.play(0, 1, 2, 3) == ["rejoined", "resynced", "healed"]


def test_what_was_seen_before_the_fault_is_seen_again_after_it() -> None:
    stage = Stage()
    stage.watch.expect(0)
    assert stage.play(1, flags={0: ",fail?"}) == ["suspected"]
    stage.play(1)
    stage.watch.fault(stage.at + 0.001)
    assert stage.play(1, flags={0: ",fail?"}) == ["suspected"]


def test_a_master_without_a_replica_that_comes_back_covers_its_slots_again() -> None:
    alone: dict[str, object] = {"masters": {3: 1}, "owners": {0: "0-8191", 1: "8192-16383"}}
    stage = Stage()
    stage.play(0, 1, 2, 3, **alone)
    stage.watch.expect(0)
    stage.watch.fault(stage.at)
    stage.silent(0, REFUSED)
    assert stage.play(1, 2, 3, **alone, **FLAGGED, ok=8192) == ["suspected", "failed"]
    assert stage.play(1, 2, 3, **alone, ok=16384) == []
    assert stage.play(0, **alone, state="fail") == ["rejoined", "resynced"]
    assert stage.play(0, **alone) == ["covered", "healed"]


def test_of_two_nodes_that_claim_a_slot_the_newer_is_the_owner() -> None:
    stage = Stage()
    assert stage.cluster.claimant(5) == (0, 1)
    stage.play(2, **PROMOTED, masters={3: 1})
    assert stage.cluster.claimant(5) == (2, 9)
    stage.silent(2, REFUSED)
    assert stage.cluster.claimant(5) == (0, 1)
