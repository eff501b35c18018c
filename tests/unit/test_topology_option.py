"""`up --topology M+R`: masters and replicas of a new Redis Cluster."""

from __future__ import annotations

import pytest

from devstack_tui.core.errors import UsageError
from devstack_tui.services.redis import masters_and_replicas
from devstack_tui.state import settings


@pytest.mark.parametrize(
    ("text", "masters", "replicas"),
    [("3+3", 3, 1), ("3+0", 3, 0), ("3+6", 3, 2), ("5+5", 5, 1), ("10+0", 10, 0)],
)
def test_replicas_are_shared_among_the_masters(text: str, masters: int, replicas: int) -> None:
    assert masters_and_replicas(text) == {"masters": masters, "replicas": replicas}


@pytest.mark.parametrize("text", ["3+3", "3+0", "3+6", "5+5"])
def test_what_the_option_accepts_the_settings_accept(text: str) -> None:
    options = settings.load({"redis": masters_and_replicas(text)}).services["redis"].options()
    assert masters_and_replicas(text).items() <= options.items()


@pytest.mark.parametrize(
    "text", ["", "3", "+", "3+", "+3", "3-3", "three+3", "3+3+3", " 3+3", "³+3"]
)
def test_what_is_no_topology_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        masters_and_replicas(text)
    assert caught.value.message == f"--topology {text!r} is not masters+replicas"
    assert "3+3" in caught.value.remedy


@pytest.mark.parametrize("text", ["0+0", "1+1", "2+2"])
def test_a_cluster_of_fewer_than_three_masters_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="at least 3 masters"):
        masters_and_replicas(text)


def test_replicas_that_cannot_be_shared_equally_are_refused_with_what_can() -> None:
    with pytest.raises(UsageError) as caught:
        masters_and_replicas("4+3")
    assert caught.value.message == "3 replicas cannot be shared equally by 4 masters"
    assert caught.value.remedy == "use 4+4 or 4+0"


@pytest.mark.parametrize("text", ["60+0", "3+9", "99+99"])
def test_a_topology_beyond_what_we_run_is_a_usage_error_about_the_option(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings.load({"redis": masters_and_replicas(text)})
    assert "stack.toml" not in caught.value.message
