"""The stub's every line is one that the console decodes, with no key that the types have not.

That the real command line prints these shapes is seen on a real stack, in tests/stack.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from .contract import CALLS, Call, Shapes, joined, shapes
from .kit import STUB

PLACES = {"{run}": "h0-redis.get-1", "{drill}": "a1b2c3", "{other}": "d4e5f6"}


def printed(call: Call, state: Path) -> str:
    """What the stub prints."""
    words = call.words
    for place, name in PLACES.items():
        words = words.replace(place, name)
    ended = subprocess.run(
        [sys.executable, str(STUB), "--stack", "default", *words.split()],
        env={**os.environ, "STUB_TUNE_STATE": str(state)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    return ended.stdout


def stub_shapes(state: Path) -> Shapes:
    """All that the stub prints."""
    return joined([shapes(printed(call, state), call) for call in CALLS])


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_every_line_of_the_stub_is_decoded(call: Call, tmp_path: Path) -> None:
    assert shapes(printed(call, tmp_path / "state"), call)


def test_a_line_that_is_no_event_fails() -> None:
    with pytest.raises(msgspec.ValidationError):
        shapes('{"event": "bench_dun"}', next(c for c in CALLS if c.words.startswith("bench run")))


def test_a_key_that_its_type_has_not_fails_wherever_it_stands() -> None:
    call = next(c for c in CALLS if c.words == "check list --json")
    names = ["id", "suite", "group", "title", "severity", "service", "stake", "remedy", "sabotage"]
    row = dict.fromkeys(names, "x") | {"proven": True, "seed": "TLS 4"}
    with pytest.raises(msgspec.ValidationError, match="unknown keys"):
        shapes(msgspec.json.encode({"checks": [row]}).decode(), call)
