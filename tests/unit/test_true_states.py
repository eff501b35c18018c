"""How a fault is told from another one, where no server says it in words."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.tunable import Apply, Effective, Kind, Parameter, Reading
from devstack_tui.core.errors import SaturatedError
from devstack_tui.stack.probing import probe_once
from devstack_tui.state.parameter_values import in_effect, overruled, with_open_files
from tests.unit.tls_kit import make

MAXCLIENTS = Parameter(
    service="redis",
    name="maxclients",
    kind=Kind.INTEGER,
    help="",
    apply=Apply.LIVE,
    default="10000",
    open_files=32,
)


def reading(
    parameter: Parameter, value: str, source: str, nodes: dict[str, str] | None = None
) -> Reading:
    found = Effective(name=parameter.name, value=value, source=source, nodes=nodes or {})
    return Reading((parameter,), {parameter.name: found})


@pytest.mark.parametrize(
    ("value", "source", "by_the_limit"),
    [("992", "set at run time", True), ("500", "set at run time", False)],
)
def test_what_the_limit_of_open_files_lowered_is_nobodys_change(
    value: str, source: str, by_the_limit: bool
) -> None:
    found = with_open_files(reading(MAXCLIENTS, value, source), 1024).effective["maxclients"]
    assert ("may open 1024 files" in found.source) is by_the_limit
    assert (overruled(MAXCLIENTS, None, found, "/home") == "") is by_the_limit
    assert (overruled(MAXCLIENTS, "5000", found, "/home") == "") is by_the_limit
    assert in_effect(MAXCLIENTS, None, found) is by_the_limit
    assert not in_effect(MAXCLIENTS, "5000", found)


def test_what_is_configured_as_the_limit_allows_stays_what_it_is() -> None:
    one = reading(MAXCLIENTS, "992", "configuration file")
    assert with_open_files(one, 1024) == one
    assert with_open_files(one, None) == one


def test_a_server_says_itself_that_it_lowered_a_value() -> None:
    tables = msgspec.structs.replace(
        MAXCLIENTS, service="mysql", name="table_open_cache", default="2000", open_files=0
    )
    found = with_open_files(reading(tables, "421", "set by the server"), 1024)
    assert overruled(tables, "2000", found.effective["table_open_cache"], "/home") == ""


def test_nodes_of_which_some_were_lowered_are_nobodys_change() -> None:
    differ = reading(
        MAXCLIENTS, "10000", "the nodes differ", nodes={"redis-1": "10000", "redis-2": "992"}
    )
    found = with_open_files(differ, 1024).effective["maxclients"]
    assert overruled(MAXCLIENTS, None, found, "/home") == ""


def test_a_mongod_that_closes_each_connection_at_once_is_saturated(tmp_path: Path) -> None:
    # A fake: a real one cannot be given a limit of connections without being restarted.
    ca = tmp_path / "ca.crt"
    ca.write_bytes(make("root", ca=True).pem)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_each() -> None:
            with server.accept()[0] as accepted:
                accepted.recv(1)

        threading.Thread(target=close_each, daemon=True).start()
        port = server.getsockname()[1]
        target = Target(
            "mongodb", Endpoint("mongodb", "127.0.0.1", port), {}, Credentials(), ca, tmp_path
        )
        with pytest.raises(SaturatedError, match="takes no more connections"):
            probe_once(service("mongodb"), target, 5)
