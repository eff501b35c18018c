"""How RabbitMQ's node is started, without a node."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pika
import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.services.rabbitmq import accounts, erlang, server
from devstack_tui.services.rabbitmq.launch import START


def application(folder: Path, name: str, needs: str) -> None:
    place = folder / f"{name}-1.0" / "ebin"
    place.mkdir(parents=True)
    (place / f"{name}.app").write_text(
        f"{{application, {name}, [{{applications,\n [{needs}]}}, {{env, []}}]}}."
    )


def test_the_code_path_has_what_rabbit_needs_and_nothing_else(tmp_path: Path) -> None:
    plugins, own = tmp_path / "plugins", tmp_path / "lib"
    application(plugins, "rabbit", "kernel,stdlib, ra,\n  not_here")
    application(plugins, "ra", "kernel, rabbit")
    application(plugins, "rabbitmq_mqtt", "rabbit")
    application(own, "kernel", "")
    application(own, "stdlib", "kernel")
    application(own, "mnesia", "stdlib")
    application(own, "wx", "stdlib")
    names = {path.parent.name for path in erlang.code_path([plugins, own])}
    assert names == {f"{name}-1.0" for name in ("rabbit", "ra", "kernel", "stdlib", "mnesia")}


@pytest.mark.parametrize(
    ("runtimes", "argument"),
    [
        (["erts-13.1.5"], "+IOs false\n"),
        (["erts-9.3", "erts-15.0"], "+IOs false\n"),
        (["erts-12.2.1"], ""),
        (["erts-of-mine"], ""),
        ([], ""),
    ],
)
def test_schedulers_poll_no_sockets_where_erlang_can_be_told_so(
    tmp_path: Path, runtimes: list[str], argument: str
) -> None:
    for name in runtimes:
        (tmp_path / name).mkdir()
    assert erlang.polling(tmp_path) == argument
    assert not erlang.polling(None)


def completed(patch: pytest.MonkeyPatch, *answers: Exception | None) -> None:
    """Complete a start, in which the broker answers so, one login after the other. A fake: how far
    a login comes before a connection breaks cannot be chosen."""
    left = list(answers)

    @contextlib.contextmanager
    def connect(*_: Any) -> Iterator[None]:
        if answer := left.pop(0):
            raise answer
        yield

    def wait_for(_: str, condition: Callable[[], bool]) -> None:
        while not condition():
            pass

    patch.setattr(server, "connect", connect)
    there = SimpleNamespace(stat=lambda _: object())
    home: Any = SimpleNamespace(
        target=None, wait_for=wait_for, files=there, credentials=SimpleNamespace(user="app")
    )
    server.RabbitmqServer().complete(home, None)  # type: ignore[arg-type]
    assert not left


def guess(said: Exception) -> Exception:
    return pika.exceptions.ProbableAuthenticationError(repr(said))


def test_a_login_that_broke_off_is_tried_again_and_one_that_was_refused_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = pika.exceptions.StreamLostError("Stream connection lost: ConnectionResetError(104)")
    completed(monkeypatch, guess(broken), None)
    refused = pika.exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED - Login was refused")
    with pytest.raises(DevstackError, match="refuses the password"):
        completed(monkeypatch, guess(broken), guess(refused))


def test_a_password_is_kept_as_rabbitmq_does() -> None:
    # The example of RabbitMQ's own documentation.
    kept = accounts.hashed("test12", bytes.fromhex("908DC60A"))
    assert kept == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def start(home: Path) -> None:
    subprocess.run(
        ["/bin/sh", "-c", START, "true", "true"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=True,
        timeout=10,
    )


def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "mnesia" / "rabbit@localhost"
    half.mkdir(parents=True)
    start(tmp_path)
    assert not half.exists()


def test_a_node_that_was_complete_once_keeps_its_data(tmp_path: Path) -> None:
    data = tmp_path / "mnesia" / "rabbit@localhost"
    data.mkdir(parents=True)
    (tmp_path / "complete").touch()
    start(tmp_path)
    assert data.exists()
