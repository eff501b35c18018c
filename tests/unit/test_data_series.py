"""Whose data a directory holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.engines.embedded import data_series

NOW = Installation(Path("/usr/bin/redis-server"), "7.0.15", "Redis", "7")


def test_data_of_another_series_are_refused(room: Path) -> None:
    files = RootedFiles(room, None)
    (room / "series").write_text("Redis 6\n")
    with pytest.raises(DevstackError, match="made by Redis 6, this machine has Redis 7") as caught:
        data_series.check(files, "redis", NOW)
    assert str(room / "series") in caught.value.remedy


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe\x00", b"\n", b"7", b"Redis"])
def test_a_damaged_record_is_no_reason_to_give_the_data_up(damaged: bytes, room: Path) -> None:
    files = RootedFiles(room, None)
    (room / "series").write_bytes(damaged)
    data_series.check(files, "redis", NOW)
    data_series.note(files, NOW)
    assert (room / "series").read_text() == "Redis 7\n"
