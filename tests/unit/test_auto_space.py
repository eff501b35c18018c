"""What a search may try: candidates from profiles, advice and catalogue, and what is kept out."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core.machine import Machine
from devstack_tui.state import parameter_values
from devstack_tui.tuning.events import Row, Show
from devstack_tui.tuning.search_space import Space, admission, space_from

GIB = 1 << 30
MACHINE = Machine(4 * GIB, 2.0)
OPTIMIZED: dict[str, str | None] = {"shared_buffers": "512MB", "synchronous_commit": "off"}
BASE: dict[str, str | None] = {"shared_buffers": "256MB"}


def catalogue() -> tuple[Parameter, ...]:
    part = service("postgres").tunables()
    assert part is not None
    return part.parameters(Installation(Path("/bin/postgres"), "15.18", "PostgreSQL", "15"))


def shown() -> Show:
    part = service("postgres").tunables()
    assert part is not None
    parameters = catalogue()
    defaults = {p.name: p.default for p in parameters}
    return Show(
        stack="sim",
        parameters=tuple(
            Row(
                service="postgres",
                name=p.name,
                effective=p.default,
                source="default",
                pending=None,
                default=p.default,
                apply=p.apply.value,
                durability=p.durability,
            )
            for p in parameters
        ),
        catalogue=parameters,
        advice=part.advise(defaults, MACHINE, {}, False),
        memory_bytes=MACHINE.memory_bytes,
        cores=MACHINE.cores,
    )


def space(*, durable: bool = False) -> Space:
    return space_from(shown(), "postgres", BASE, {"optimized": OPTIMIZED}, durable)


def test_every_candidate_changes_parameters_that_the_baseline_has_a_value_for() -> None:
    found = space()
    for one in (*found.sets, *found.singles):
        assert one.changes.keys() <= found.base.keys()
    assert found.base["shared_buffers"] == "256MB"
    assert found.base["synchronous_commit"] is None


def test_the_shipped_optimized_is_among_the_sets() -> None:
    found = next(one for one in space().sets if one.why == "profile optimized")
    assert found.changes == {"shared_buffers": "512MB", "synchronous_commit": "off"}


def test_the_catalogue_gives_single_changes() -> None:
    assert len(space().singles) >= 20


def test_a_value_that_the_server_has_anyway_is_no_change() -> None:
    found = space()
    assert found.base["fsync"] is None
    assert {"fsync": "off"} in [one.changes for one in found.singles]
    assert {"fsync": None} not in [one.changes for one in found.singles]


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_search_has_nothing_relaxed_among_its_candidates(durable: bool) -> None:
    found = space(durable=durable)
    relaxed = [
        (name, text)
        for one in (*found.sets, *found.singles)
        for name, text in one.changes.items()
        if text is not None and parameter_values.relaxed(found.parameters[name], text)
    ]
    assert bool(relaxed) != durable


def test_what_does_not_fit_the_machine_is_not_admitted() -> None:
    found = space()
    refused = admission(found)(found.whole({"shared_buffers": "64GB"}))
    assert "would not start" in refused
    assert not admission(found)(found.whole({"shared_buffers": "512MB"}))


def test_a_value_beyond_the_limits_of_the_server_is_not_admitted() -> None:
    found = space()
    assert "work_mem" in admission(found)(found.whole({"work_mem": "1kB"}))


def test_parameters_that_need_a_restart_are_known() -> None:
    restarts = space().restarts
    assert "shared_buffers" in restarts
    assert "work_mem" not in restarts
