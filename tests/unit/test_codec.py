"""Typed JSON in many threads at once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core import codec
from devstack_tui.core.process import ProcessId

# Threads that meet at the first use of a type, and a switch between them at every moment.
RACE = """
import sys, threading
sys.setswitchinterval(1e-6)
from devstack_tui.core import codec
from devstack_tui.engines.embedded.process_records import Record
raw = b'''{"unit": "u", "service": "s", "order": 0, "stop_signal": 2, "grace_s": 1.0,
"started": 1.0, "process": {"pid": 1, "start_ticks": 1, "boot_id": "b"}}'''
barrier = threading.Barrier(8)
found = []
def read():
    barrier.wait()
    found.append(codec.decode(raw, Record).process.pid)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [1] * 8, found
"""


def test_the_first_use_of_a_type_in_many_threads_does_not_crash(
    python: Callable[..., subprocess.Popen[str]],
) -> None:
    running = [python(RACE) for _ in range(12)]
    assert [one.wait(60) for one in running] == [0] * 12


def test_documents_and_objects_are_read_as_their_type() -> None:
    raw = b'{"pid": 1, "start_ticks": 2, "boot_id": "b"}'
    assert codec.decode(raw, ProcessId) == ProcessId(1, 2, "b")
    assert codec.decode(b"[" + raw + b"]", list[ProcessId]) == [ProcessId(1, 2, "b")]
    assert codec.convert(msgspec.json.decode(raw), ProcessId) == ProcessId(1, 2, "b")
    with pytest.raises(msgspec.ValidationError):
        codec.decode(b"{}", ProcessId)
    with pytest.raises(msgspec.ValidationError):
        codec.convert({"pid": "x"}, ProcessId)
    with pytest.raises(msgspec.DecodeError):
        codec.decode(b"{", ProcessId)


def test_nobody_else_decodes_typed_json() -> None:
    package = Path(sys.modules["devstack_tui"].__path__[0])
    typed = re.compile(r"msgspec\.json\.decode\([^)]*type=|msgspec\.convert\(")
    others = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if typed.search(path.read_text(encoding="utf-8"))
    ]
    assert others == ["core/codec.py"]
