"""The store of what a stack sets: whole or not at all, never guessed at."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import StackPaths
from devstack_tui.state import parameter_store
from devstack_tui.state.parameter_store import StoredParameters
from devstack_tui.tuning import plan


@pytest.fixture
def paths(room: Path) -> StackPaths:
    return StackPaths("default", room)


def _full() -> StoredParameters:
    store = StoredParameters(
        values={"postgres": {"work_mem": "16MB"}},
        set_by={"postgres.work_mem": "set"},
        pending={"redis": {"maxmemory": "512MB"}},
    )
    changed = {"postgres.work_mem": (None, "16MB")}
    return store.with_entry(parameter_store.entry(StoredParameters(), store, "set", changed, {}))


def test_what_was_never_set_is_an_empty_store(paths: StackPaths) -> None:
    assert parameter_store.read(paths) == StoredParameters()


def test_the_store_is_read_as_it_was_written_and_only_by_its_owner(paths: StackPaths) -> None:
    full = _full()
    parameter_store.write(paths, full)
    assert parameter_store.read(paths) == full
    assert parameter_store.path_of(paths).stat().st_mode & 0o777 == 0o600


def test_an_empty_store_leaves_no_file(paths: StackPaths) -> None:
    parameter_store.write(paths, _full())
    parameter_store.write(paths, StoredParameters(values={"postgres": {}}))
    assert not parameter_store.path_of(paths).exists()


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'{"values": {"postgres": {"work_mem": 1}}}', b"\xff"]
)
def test_a_damaged_store_is_told_with_its_file(paths: StackPaths, raw: bytes) -> None:
    parameter_store.path_of(paths).write_bytes(raw)
    with pytest.raises(DevstackError, match="is damaged") as caught:
        parameter_store.read(paths)
    assert str(parameter_store.path_of(paths)) in caught.value.message
    assert caught.value.remedy


def test_a_store_of_another_schema_is_not_read(paths: StackPaths) -> None:
    parameter_store.path_of(paths).write_bytes(b'{"schema": 99}')
    with pytest.raises(DevstackError, match="its schema is 99"):
        parameter_store.read(paths)


def test_the_journal_keeps_the_whole_store_on_one_line() -> None:
    full = _full()
    line = parameter_store.encode(full)
    assert "\n" not in line
    assert parameter_store.decode(line) == full


def test_the_history_counts_on_and_forgets_the_oldest() -> None:
    store = StoredParameters()
    for _ in range(parameter_store.KEPT + 3):
        store = store.with_entry(parameter_store.entry(store, store, "set", {}, {}))
    assert len(store.history) == parameter_store.KEPT
    assert store.history[0].number == 4
    assert store.next_number == parameter_store.KEPT + 4


def test_an_entry_remembers_who_had_set_what_is_set_by_another_now() -> None:
    before = StoredParameters(
        values={"redis": {"hz": "10", "save": "off", "timeout": "0"}},
        set_by={"redis.hz": "profile a", "redis.save": "profile a", "redis.timeout": "set"},
    )
    wanted: dict[str, dict[str, str | None]] = {"redis": {"hz": "50", "save": "off"}}
    changed = msgspec.structs.replace(
        before, values={"redis": {**before.values["redis"], "hz": "50"}}
    )
    after = plan.credited(changed, wanted, plan.Options("profile b"))
    assert after.set_by == {
        "redis.hz": "profile b",
        "redis.save": "profile b",
        "redis.timeout": "set",
    }
    entry = parameter_store.entry(before, after, "profile b", {"redis.hz": ("10", "50")}, {})
    assert entry.set_by == {"redis.hz": "profile a", "redis.save": "profile a"}


def test_a_measurement_takes_no_credit_and_neither_does_the_default() -> None:
    store = StoredParameters(values={"redis": {"hz": "10"}}, set_by={"redis.hz": "profile a"})
    same: dict[str, dict[str, str | None]] = {"redis": {"hz": "10"}}
    assert plan.credited(store, same, plan.Options("ab", record=False)) == store
    gone: dict[str, dict[str, str | None]] = {"redis": {"save": None}}
    assert plan.credited(store, gone, plan.Options("profile b")).set_by == store.set_by
