"""What a killed verb left: an undo that fails keeps nothing from working, and is tried again."""

from __future__ import annotations

import pytest

from devstack_tui.contracts.registry import service
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.identity import rotation
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli

LOOKS = (("status",), ("logs", "postgres", "-n", "1"), ("tune", "show", "postgres"))


def test_an_undo_that_fails_is_reported_kept_and_tried_again(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.enter(monkeypatch)
    paths = StackPaths.of(live.stack)
    rotation._save(Stack(live.stack).engine().files(service("postgres")))
    Journal(paths.journal).begin("certs.rotate", "postgres", run="0123456789ab")
    # Without the password the driver refuses, in a class of its own.
    password = paths.secrets / "credentials" / "postgres.json"
    away = password.with_name("away")
    password.rename(away)
    try:
        for words in LOOKS:
            looked = live.run(*words)
            assert "internal error" not in looked.stderr
            assert "needs healing: an interrupted `certs rotate` of postgres" in (
                looked.stderr + looked.stdout
            )
        kept = live.run("tune", "revert", "--pending")  # any change heals first
        assert "`certs rotate` of postgres is not undone, the next change" in kept.stderr
        assert "internal error" not in kept.stderr
        assert len(Journal(paths.journal).pending()) == 1
    finally:
        away.rename(password)
    healed = live.run("tune", "revert", "--pending")
    assert "taking back an interrupted `certs rotate` of postgres" in healed.stderr
    assert "not undone" not in healed.stderr
    assert not paths.journal.exists()
