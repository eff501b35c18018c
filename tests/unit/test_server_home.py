"""A service's place: private files, a clean environment, and waiting that can be interrupted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings, Target
from devstack_tui.contracts.server_home import Cancelled, ServerHome
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.engines.embedded.accounts import Account
from devstack_tui.engines.embedded.server_home import ProcessHome

CANARY = "Zq8xKp2vW7mN4tRy"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cancelled() -> threading.Event:
    return threading.Event()


@pytest.fixture
def words() -> list[str]:
    """What the engine says about a dead unit; empty while all run."""
    return []


@pytest.fixture
def home(room: Path, said: list[str], cancelled: threading.Event, words: list[str]) -> ProcessHome:
    nothing = room / "none"
    return ProcessHome(
        stack="work",
        instance="i-77",
        service="redis",
        settings=ServiceSettings(ports={"main": 16379, "tls": 16390}),
        data=room,
        account=Account(os.geteuid(), os.getegid()),
        credentials=Credentials("devstack", CANARY),
        target=Target(
            "redis", Endpoint("tcp", "127.0.0.1", 1), {}, Credentials(), nothing, nothing
        ),
        journal=Journal(room / "journal.jsonl"),
        cancelled=cancelled,
        say=said.append,
        died=lambda: "".join(words),
    )


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_files_and_directories_of_a_service_are_private(home: ProcessHome) -> None:
    before = os.umask(0)
    try:
        assert mode(Path(home.files.write("x.conf", f"requirepass {CANARY}\n"))) == 0o600
        assert mode(Path(home.files.directory("db"))) == 0o700
    finally:
        os.umask(before)


def test_a_directory_is_built_once(home: ProcessHome) -> None:
    made: list[str] = []

    def make(staging: str) -> None:
        made.append(staging)
        (Path(staging) / "whole").write_text("x")

    cluster = str(home.data / "cluster")
    assert home.build("cluster", make) == home.build("cluster", make) == cluster
    assert len(made) == 1
    assert (home.data / "cluster" / "whole").exists()


def test_a_directory_whose_making_was_cut_short_is_made_anew(home: ProcessHome) -> None:
    def cut_short(staging: str) -> None:
        (Path(staging) / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        home.build("cluster", cut_short)
    assert not (home.data / "cluster").exists()
    home.build("cluster", lambda staging: (Path(staging) / "whole").write_text("x") and None)
    assert [path.name for path in (home.data / "cluster").iterdir()] == ["whole"]


def test_the_environment_has_nothing_of_the_callers(
    home: ProcessHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    assert CANARY not in home.environment().values()
    assert home.environment({"A": "1"})["A"] == "1"
    assert home.environment()["HOME"] == str(home.data)


def test_a_helper_is_marked_as_this_stacks_and_runs_in_its_place(home: ProcessHome) -> None:
    output = home.run(["sh", "-c", "env; pwd; umask"], {"A": "b"})
    assert "DEVSTACK_TUI_INSTANCE=i-77" in output
    assert "DEVSTACK_TUI_UNIT=helper:redis" in output
    assert "A=b" in output
    assert str(home.data) in output
    assert "0077" in output


def test_a_helper_that_fails_is_told_by_its_last_lines_without_secrets(home: ProcessHome) -> None:
    script = f"echo first; for i in 1 2 3; do echo line $i; done; echo password={CANARY}; exit 3"
    with pytest.raises(DevstackError) as caught:
        home.run(["sh", "-c", script])
    assert caught.value.message.startswith("sh failed (exit 3): line 1 · line 2 · line 3 · ")
    assert CANARY not in caught.value.message


def test_a_helper_that_does_not_end_is_killed_with_its_children(
    home: ProcessHome, until: Callable[..., None]
) -> None:
    with pytest.raises(DevstackError, match="sh did not end within 0 s"):
        home.run(["sh", "-c", "sleep 1000 & wait"], timeout=0.1)
    until(lambda: process.owned("i-77") == {}, "the death of all")


def test_a_helper_is_killed_when_the_verb_is_interrupted(
    home: ProcessHome, cancelled: threading.Event, until: Callable[..., None]
) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            home.run(["sh", "-c", f"touch {home.data}/began; sleep 1000"])
        except DevstackError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until((home.data / "began").exists, "its beginning")
    cancelled.set()
    thread.join(30)
    assert [type(error) for error in raised] == [Cancelled]
    until(lambda: process.owned("i-77") == {}, "the death of all")


def test_nothing_is_run_after_an_interrupt(home: ProcessHome, cancelled: threading.Event) -> None:
    cancelled.set()
    with pytest.raises(Cancelled) as caught:
        home.run(["touch", str(home.data / "ran")])
    assert caught.value.exit_code == 130
    assert not (home.data / "ran").exists()


def test_waiting_says_what_for_and_ends_when_it_holds(home: ProcessHome, said: list[str]) -> None:
    answers = iter([False, False, True])
    home.wait_for("Redis to answer", lambda: next(answers))
    assert said == ["waiting for Redis to answer"]
    assert next(answers, "all asked") == "all asked"


def test_a_server_that_refuses_meanwhile_is_waited_for(home: ProcessHome) -> None:
    answers = iter([ConnectionRefusedError(), ValueError("not yet"), True])

    def ask() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    home.wait_for("Redis to answer", ask)
    assert next(answers, "all asked") == "all asked"


def test_waiting_in_vain_ends_with_the_last_error_without_secrets(home: ProcessHome) -> None:
    def ask() -> bool:
        raise ConnectionError(f"refused: redis://:{CANARY}@127.0.0.1\nand more")

    with pytest.raises(DevstackError) as caught:
        home.wait_for("Redis to answer", ask, timeout=0.0)
    assert caught.value.message.startswith("Redis to answer did not happen within 0 s: refused")
    assert CANARY not in caught.value.message
    assert "and more" not in caught.value.message


def test_waiting_ends_at_once_when_the_server_has_died(home: ProcessHome, words: list[str]) -> None:
    words.append("redis-0 has ended: bad option")
    with pytest.raises(DevstackError) as caught:
        home.wait_for("Redis to answer", lambda: False, timeout=3600)
    assert caught.value.message == "redis-0 has ended: bad option"


def test_waiting_ends_at_once_when_the_verb_is_interrupted(
    home: ProcessHome, cancelled: threading.Event
) -> None:
    def ask() -> bool:
        cancelled.set()
        return False

    with pytest.raises(Cancelled):
        home.wait_for("Redis to answer", ask, timeout=3600)


def test_a_root_certificate_is_published_for_clients(room: Path, home: ProcessHome) -> None:
    parts: ServerHome = home
    for root in (b"one", b"two", b"two"):
        parts.trust(root)
        assert (room / "none").read_bytes() == root
    assert mode(room / "none") == 0o600


def test_the_ports_are_those_of_the_settings_by_name(home: ProcessHome) -> None:
    assert (home.port("main"), home.port("tls")) == (16379, 16390)


def test_a_password_is_not_shown_where_a_value_is_printed(home: ProcessHome) -> None:
    assert CANARY not in repr(home)
    assert CANARY not in repr(home.credentials)
    assert CANARY not in str(msgspec.structs.replace(home.target, credentials=home.credentials))
