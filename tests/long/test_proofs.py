"""Every step of the failover drill and every check of the gate is seen to turn red, alone, and to
be green again, on throwaway stacks: about half an hour. `PROVE=redis.failover.06`: that alone."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from devstack_tui.security.events import ProofDone
from tests.conftest import Cli

WORDS = tuple(os.environ.get("PROVE", "redis.failover,perf").split(","))
WITHIN_S = 7200.0


@pytest.mark.parametrize("word", WORDS)
def test_each_sabotage_turns_exactly_its_checks_red(word: str, state_home: Path) -> None:
    ended = Cli(state_home, "prove").run("check", "prove", word, "--jsonl", timeout=WITHIN_S)
    print(ended.stdout, flush=True)  # noqa: T201
    done = msgspec.json.decode(ended.stdout.splitlines()[-1], type=ProofDone)
    bad = [proof for proof in done.proofs if not proof.holds]
    assert (bad, done.message) == ([], "")
    assert ended.returncode == 0
