"""The events: one JSON object each, the same again when it is read back."""

from __future__ import annotations

import json

import msgspec
import pytest

from devstack_tui.core import codec
from devstack_tui.core.events import Done, Event, Note, Phase, Planned, Progress

EVENTS: tuple[Event, ...] = (
    Planned("up", "default", ("vault", "redis"), at=1.5),
    Progress("redis", Phase.WAITING, "for vault", since=1.0, at=2.0),
    Progress("redis", Phase.FAILED, "grüße\nzwei", "try again", since=1.0, at=2.0),
    Note("waiting for `up` (pid 1, since 3 s) to end", at=1.0),
    Done("up", 1, 12.25, "redis: no", "look", at=3.0),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was_written(event: Event) -> None:
    assert codec.decode(msgspec.json.encode(event), Event) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line(event: Event) -> None:
    assert b"\n" not in msgspec.json.encode(event)


def test_an_event_names_its_kind_and_its_time() -> None:
    kinds = [json.loads(msgspec.json.encode(event))["event"] for event in EVENTS]
    assert kinds == ["planned", "progress", "progress", "note", "done"]
    assert all("at" in json.loads(msgspec.json.encode(event)) for event in EVENTS)


def test_an_event_is_given_the_time_at_which_it_is_made() -> None:
    first, second = Note("one"), Note("two")
    assert 1_700_000_000 < first.at <= second.at


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"event":"other"}', b'{"event":"note"}', b"nonsense"]
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(line, Event)


def test_only_the_last_phases_of_a_service_are_final() -> None:
    assert {phase for phase in Phase if phase.final} == {
        Phase.READY,
        Phase.STOPPED,
        Phase.SKIPPED,
        Phase.FAILED,
    }
