"""A service's place: private files, a clean environment, and waiting that can be interrupted."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.model import (
    Account,
    Credentials,
    Endpoint,
    ServiceSettings,
    Target,
    Tls,
)
from devstack_tui.contracts.server_home import Cancelled, Site
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal

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
def site(room: Path, said: list[str], cancelled: threading.Event, words: list[str]) -> Site:
    nothing = room / "none"
    return Site(
        stack="work",
        instance="i-77",
        service="redis",
        settings=ServiceSettings(ports={"main": 16379, "tls": 16390}),
        data=room,
        account=Account(os.geteuid(), os.getegid(), ""),
        credentials=Credentials("devstack", CANARY),
        tls=Tls(nothing, nothing, nothing, nothing),
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


def test_files_and_directories_of_a_service_are_private(site: Site) -> None:
    before = os.umask(0)
    try:
        assert mode(site.write("x.conf", f"requirepass {CANARY}\n")) == 0o600
        assert mode(site.directory("db")) == 0o700
    finally:
        os.umask(before)


def test_a_directory_is_built_once(site: Site) -> None:
    made: list[Path] = []

    def make(staging: Path) -> None:
        made.append(staging)
        (staging / "whole").write_text("x")

    assert site.build("cluster", make) == site.build("cluster", make) == site.data / "cluster"
    assert len(made) == 1
    assert (site.data / "cluster" / "whole").exists()


def test_a_directory_whose_making_was_cut_short_is_made_anew(site: Site) -> None:
    def cut_short(staging: Path) -> None:
        (staging / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build("cluster", cut_short)
    assert not (site.data / "cluster").exists()
    site.build("cluster", lambda staging: (staging / "whole").write_text("x") and None)
    assert [path.name for path in (site.data / "cluster").iterdir()] == ["whole"]


def test_the_environment_has_nothing_of_the_callers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    assert CANARY not in site.environment().values()
    assert site.environment({"A": "1"})["A"] == "1"
    assert site.environment()["HOME"] == str(site.data)


def test_a_helper_is_marked_as_this_stacks_and_runs_in_its_place(site: Site) -> None:
    output = site.run(["sh", "-c", "env; pwd; umask"], {"A": "b"})
    assert "DEVSTACK_TUI_INSTANCE=i-77" in output
    assert "DEVSTACK_TUI_UNIT=helper:redis" in output
    assert "A=b" in output
    assert str(site.data) in output
    assert "0077" in output


def test_a_helper_that_fails_is_told_by_its_last_lines_without_secrets(site: Site) -> None:
    script = f"echo first; for i in 1 2 3; do echo line $i; done; echo password={CANARY}; exit 3"
    with pytest.raises(DevstackError) as caught:
        site.run(["sh", "-c", script])
    assert caught.value.message.startswith("sh failed (exit 3): line 1 · line 2 · line 3 · ")
    assert CANARY not in caught.value.message


def test_a_helper_that_does_not_end_is_killed_with_its_children(
    site: Site, until: Callable[..., None]
) -> None:
    with pytest.raises(DevstackError, match="sh did not end within 0 s"):
        site.run(["sh", "-c", "sleep 1000 & wait"], timeout=0.1)
    until(lambda: process.owned("i-77") == {}, "the death of all")


def test_a_helper_is_killed_when_the_verb_is_interrupted(
    site: Site, cancelled: threading.Event, until: Callable[..., None]
) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            site.run(["sh", "-c", f"touch {site.data}/began; sleep 1000"])
        except DevstackError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until((site.data / "began").exists, "its beginning")
    cancelled.set()
    thread.join(30)
    assert [type(error) for error in raised] == [Cancelled]
    until(lambda: process.owned("i-77") == {}, "the death of all")


def test_nothing_is_run_after_an_interrupt(site: Site, cancelled: threading.Event) -> None:
    cancelled.set()
    with pytest.raises(Cancelled) as caught:
        site.run(["touch", str(site.data / "ran")])
    assert caught.value.exit_code == 130
    assert not (site.data / "ran").exists()


def test_waiting_says_what_for_and_ends_when_it_holds(site: Site, said: list[str]) -> None:
    answers = iter([False, False, True])
    site.wait_for("Redis to answer", lambda: next(answers))
    assert said == ["waiting for Redis to answer"]
    assert next(answers, "all asked") == "all asked"


def test_a_server_that_refuses_meanwhile_is_waited_for(site: Site) -> None:
    answers = iter([ConnectionRefusedError(), ValueError("not yet"), True])

    def ask() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    site.wait_for("Redis to answer", ask)
    assert next(answers, "all asked") == "all asked"


def test_waiting_in_vain_ends_with_the_last_error_without_secrets(site: Site) -> None:
    def ask() -> bool:
        raise ConnectionError(f"refused: redis://:{CANARY}@127.0.0.1\nand more")

    with pytest.raises(DevstackError) as caught:
        site.wait_for("Redis to answer", ask, timeout=0.0)
    assert caught.value.message.startswith("Redis to answer did not happen within 0 s: refused")
    assert CANARY not in caught.value.message
    assert "and more" not in caught.value.message


def test_waiting_ends_at_once_when_the_server_has_died(site: Site, words: list[str]) -> None:
    words.append("redis-0 has ended: bad option")
    with pytest.raises(DevstackError) as caught:
        site.wait_for("Redis to answer", lambda: False, timeout=3600)
    assert caught.value.message == "redis-0 has ended: bad option"


def test_waiting_ends_at_once_when_the_verb_is_interrupted(
    site: Site, cancelled: threading.Event
) -> None:
    def ask() -> bool:
        cancelled.set()
        return False

    with pytest.raises(Cancelled):
        site.wait_for("Redis to answer", ask, timeout=3600)


def test_a_port_is_waited_for_until_something_accepts(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        site.wait_port(server.getsockname()[1], timeout=30)


def test_the_ports_are_those_of_the_settings_by_name(site: Site) -> None:
    assert (site.port("main"), site.port("tls")) == (16379, 16390)


def test_a_password_is_not_shown_where_a_value_is_printed(site: Site) -> None:
    assert CANARY not in repr(site)
    assert CANARY not in repr(site.credentials)
    assert CANARY not in str(msgspec.structs.replace(site.target, credentials=site.credentials))
