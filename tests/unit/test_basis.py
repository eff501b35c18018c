"""What a result rests on, and when that is no longer so."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.history import History
from devstack_tui.core.units import moment
from devstack_tui.stack.basis import (
    NOTHING_RUNS,
    OLDER,
    RESTORED,
    Basis,
    Restored,
    ServiceBasis,
    carried,
    changed,
    of,
    only_started_again,
    restorations,
    rewound,
    stamped,
)

AT = 1_793_620_800.0
VAULT = ServiceBasis({"vault": ("1-1", AT)}, "p", "c", "x")
REDIS = ServiceBasis({"redis-1": ("2-2", AT), "redis-2": ("3-3", AT)}, "p", "c", "x")
THEN = Basis("i", {"vault": VAULT, "redis": REDIS})
BOTH = ("vault", "redis")


def now(**services: ServiceBasis) -> Basis:
    return Basis("i", {**THEN.services, **services})


def restarted(*units: str, at: float = AT + 60) -> ServiceBasis:
    """Redis after its `units` were started again."""
    other = {name: (f"9-{at}-{name}", at) for name in units}
    return msgspec.structs.replace(REDIS, units={**REDIS.units, **other})


def test_a_result_is_current_while_nothing_changed() -> None:
    assert changed(THEN, THEN, BOTH) == ()


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (restarted("redis-1"), f"redis-1 was restarted {moment(AT + 60)}"),
        (restarted("redis-1", "redis-2"), f"redis was restarted {moment(AT + 60)}"),
        (msgspec.structs.replace(REDIS, parameters="q"), "the parameters of redis were changed"),
        (msgspec.structs.replace(REDIS, certificate="d"), "redis has another certificate"),
        (msgspec.structs.replace(REDIS, program="y"), "the program of redis was replaced"),
        (ServiceBasis(), "redis does not run now"),
        (
            msgspec.structs.replace(REDIS, units={"redis-2": ("3-3", AT)}),
            "redis-1 does not run now",
        ),
    ],
)
def test_each_part_that_changed_is_named_and_touches_only_its_own_service(
    service: ServiceBasis, reason: str
) -> None:
    found = now(redis=service)
    assert changed(THEN, found, ("redis",)) == (reason,)
    assert changed(THEN, found, BOTH) == (reason,)
    assert changed(THEN, found, ()) == (reason,)
    assert changed(THEN, found, ("vault",)) == ()


def test_another_instance_no_basis_and_a_stack_that_is_down_are_stale() -> None:
    assert changed(None, THEN, BOTH) == (OLDER,)
    assert changed(THEN, None, BOTH) == (NOTHING_RUNS,)
    down = Basis("i", {"vault": ServiceBasis(), "redis": ServiceBasis()})
    assert changed(THEN, down, ("vault",)) == (NOTHING_RUNS,)
    (reason,) = changed(THEN, Basis("j", THEN.services), BOTH)
    assert "another one" in reason


def test_a_service_that_was_started_since_makes_what_is_about_it_stale() -> None:
    then = Basis("i", {"vault": VAULT})
    assert changed(then, THEN, ("redis",)) == (f"redis was restarted {moment(AT)}",)
    assert changed(then, THEN, ("vault",)) == ()


def test_runs_that_restored_everything_carry_a_result_along() -> None:
    first, second = restarted("redis-1"), restarted("redis-1", "redis-2", at=AT + 120)
    found = (
        (AT + 70, Restored("redis", REDIS, first)),
        (AT + 130, Restored("redis", first, second)),
    )
    assert changed(carried(THEN, found, AT), now(redis=second), BOTH) == ()
    assert changed(carried(THEN, found[:1], AT), now(redis=second), BOTH) != ()
    # Somebody else restarted it in between: the chain is broken.
    assert changed(carried(THEN, found[1:], AT), now(redis=second), BOTH) != ()
    # A run that was over before the result says nothing of it.
    assert changed(carried(THEN, found, AT + 71), now(redis=first), BOTH) != ()


def test_the_restart_that_counts_is_named_and_not_the_one_of_a_run_that_restored_all() -> None:
    first = restarted("redis-1")
    second = restarted("redis-1", at=AT + 180)
    found = ((AT + 190, Restored("redis", first, second)),)
    seen = now(redis=second)
    then = carried(THEN, found, AT)
    assert changed(then, rewound(seen, then, found, AT), BOTH) == (
        f"redis-1 was restarted {moment(AT + 60)}",
    )
    # Where the run carried the result along, nothing is taken back.
    whole = ((AT + 70, Restored("redis", REDIS, first)), *found)
    then = carried(THEN, whole, AT)
    assert changed(then, rewound(seen, then, whole, AT), BOTH) == ()


def test_only_another_start_of_every_unit_is_a_restoration() -> None:
    assert only_started_again(REDIS, restarted("redis-1"))
    assert not only_started_again(REDIS, REDIS)
    assert not only_started_again(REDIS, ServiceBasis({"redis-1": ("9-9", AT)}, "p", "c", "x"))
    again = restarted("redis-1")
    assert not only_started_again(REDIS, msgspec.structs.replace(again, parameters="q"))
    assert not only_started_again(REDIS, msgspec.structs.replace(again, certificate="d"))


@pytest.mark.parametrize("document", [b"{}", b'{"a": 1}', b'{"a": {"b": "}"}}\n'])
def test_a_document_keeps_what_it_rests_on(document: bytes) -> None:
    made = stamped(document, THEN)
    assert of(made) == THEN
    assert {**json.loads(document), "basis": json.loads(made)["basis"]} == json.loads(made)
    assert stamped(document, None) == document
    assert of(document) is None


def test_restorations_are_read_in_their_order_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    one = Restored("redis", REDIS, restarted("redis-1"))
    for number, document in enumerate((msgspec.json.encode(one), b"[]", msgspec.json.encode(one))):
        history.add(RESTORED, str(number), "drill run x", "", AT + number, "", document)
    assert restorations(history) == ((AT, one), (AT + 2, one))
