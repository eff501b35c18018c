"""A stack's identity card: never guessed at."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.stack import Stack
from devstack_tui.state import instance as instances


@pytest.fixture
def paths() -> StackPaths:
    found = StackPaths.of("work")
    found.root.mkdir(parents=True)
    return found


def test_a_stack_that_was_never_started_has_no_identity(paths: StackPaths) -> None:
    assert instances.read(paths) is None


def test_an_identity_comes_back_as_it_was_written(paths: StackPaths) -> None:
    made = instances.new(paths, "embedded", 300, {"redis": {"masters": 3, "replicas": 0}})
    made = msgspec.structs.replace(made, selected=("vault", "redis"))
    assert instances.write(paths, made) == made
    assert instances.read(paths) == made
    assert (made.stack, made.engine, made.port_offset) == ("work", "embedded", 300)


def test_every_new_stack_has_an_id_of_its_own(paths: StackPaths) -> None:
    ids = {instances.new(paths, "embedded", 0, {}).id for _ in range(20)}
    assert len(ids) == 20


def test_the_identity_is_a_private_file_that_a_person_can_read(paths: StackPaths) -> None:
    made = instances.write(paths, instances.new(paths, "embedded", 0, {}))
    assert paths.instance.stat().st_mode & 0o777 == 0o600
    text = paths.instance.read_text()
    assert json.loads(text)["id"] == made.id
    assert len(text.splitlines()) > 5


def shown(paths: StackPaths, raw: bytes) -> DevstackError:
    paths.instance.write_bytes(raw)
    with pytest.raises(DevstackError) as caught:
        instances.read(paths)
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"{}", b"[]", b'{"id": 3}', b'{"id": "\xff"}', b"\0" * 40],
)
def test_a_damaged_identity_is_refused_with_the_next_step(raw: bytes, paths: StackPaths) -> None:
    error = shown(paths, raw)
    assert f"{paths.instance} is damaged" in error.message
    assert "--stack work down --wipe" in error.remedy


def test_the_identity_of_another_version_is_refused(paths: StackPaths) -> None:
    made = instances.new(paths, "embedded", 0, {})
    raw = msgspec.json.encode(msgspec.structs.replace(made, schema=instances.SCHEMA + 1))
    error = shown(paths, raw)
    assert "another version" in error.message
    assert "down --wipe" in error.remedy


def test_an_identity_that_cannot_be_read_is_one_sentence(paths: StackPaths) -> None:
    paths.instance.mkdir()
    with pytest.raises(DevstackError) as caught:
        instances.read(paths)
    assert str(paths.instance) in caught.value.message
    assert "'work'" in caught.value.message


def test_a_write_over_an_old_identity_replaces_it_whole(paths: StackPaths) -> None:
    one = instances.write(paths, instances.new(paths, "embedded", 0, {}))
    two = instances.write(paths, msgspec.structs.replace(one, selected=("vault",)))
    assert instances.read(paths) == two
    assert sorted(p.name for p in Path(paths.root).iterdir()) == ["instance.json"]


def test_a_stack_of_an_engine_that_is_not_here_is_refused_in_words(paths: StackPaths) -> None:
    instances.write(paths, instances.new(paths, "zeppelin", 0, {}))
    with pytest.raises(DevstackError) as caught:
        Stack("work").engine()
    assert "was made by the engine 'zeppelin'" in caught.value.message
    assert "embedded" in caught.value.message
    assert caught.value.remedy
