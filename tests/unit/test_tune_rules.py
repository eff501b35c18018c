"""What a value may be: every refusal names the parameter, the limit and who sets it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Share
from devstack_tui.core.errors import UnreachableError, UsageError
from devstack_tui.state.parameter_store import StoredParameters
from devstack_tui.tuning import plan, rules
from devstack_tui.tuning.catalogue import tunable
from devstack_tui.tuning.events import Budget, Row, Show

GB = 1 << 30
INSTALLED = {
    "postgres": Installation(Path("/postgres"), "15.18", "PostgreSQL", "15"),
    "redis": Installation(Path("/redis-server"), "7.0.15", "Redis", "7"),
}
OPTIONS: dict[str, int | str | bool] = {"masters": 3, "replicas": 1, "node_timeout_ms": 1000}


def show(memory: int = 16 * GB, measured: int = GB) -> Show:
    """A stack on a machine of that memory, whose other services take `measured`."""
    catalogue = []
    for name, installation in INSTALLED.items():
        part = tunable(name).tunables()
        assert part is not None
        catalogue += part.parameters(installation)
    rows = [
        Row(
            service=p.service,
            name=p.name,
            effective=p.default,
            source="default",
            pending=None,
            default=p.default,
            apply=p.apply.value,
            durability=p.durability,
        )
        for p in catalogue
    ]
    return Show(
        stack="default",
        parameters=tuple(rows),
        catalogue=tuple(catalogue),
        options={"postgres": {}, "redis": OPTIONS},
        memory_bytes=memory,
        cores=2,
        budget=Budget(memory, "this machine", 0, 0, (Share("vault", "measured", measured),)),
    )


@pytest.mark.parametrize("text", ["512MB", "512M", "512MiB", "65536", " 524288kB "])
def test_units_are_understood_and_lead_to_one_text(text: str) -> None:
    assert rules.validate(show(), "postgres", "shared_buffers", text) == "512MB"


def test_default_is_a_value_of_every_parameter() -> None:
    assert rules.validate(show(), "redis", "maxmemory-policy", "Default") == "default"


def test_a_special_value_lies_outside_of_the_range() -> None:
    assert rules.validate(show(), "redis", "maxmemory", "0") == "0"


@pytest.mark.parametrize(
    ("service", "name", "text", "told"),
    [
        ("postgres", "work_mem", "16 parsecs", r"postgres\.work_mem: unknown unit"),
        ("postgres", "work_mem", "abc", r"postgres\.work_mem: expected a size"),
        ("postgres", "max_connections", "5.5", r"max_connections: expected a whole number"),
        ("redis", "maxmemory", "1kb", r"redis\.maxmemory: 1kB is below 16MB, the limit of .+"),
        ("redis", "appendonly", "maybe", r"redis\.appendonly: expected on or off"),
        ("redis", "maxmemory-policy", "lru", r"redis\.maxmemory-policy: 'lru' is none"),
        (
            "postgres",
            "work_mem",
            "900TB",
            r"postgres\.work_mem: 900TB is above .+, the limit of .+",
        ),
    ],
)
def test_a_wrong_value_names_parameter_limit_and_source(
    service: str, name: str, text: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        rules.validate(show(), service, name, text)


def test_a_wrong_name_lists_the_close_matches() -> None:
    with pytest.raises(UsageError) as caught:
        rules.validate(show(), "postgres", "shared_bufers", "1GB")
    assert "shared_buffers" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        rules.validate(show(), "postgre", "work_mem", "1GB")
    assert "postgres" in caught.value.remedy


def test_the_budget_counts_every_service_of_the_stack() -> None:
    budget, problems = rules.judge(show(), {})
    assert {share.service for share in budget.shares} == {"postgres", "redis", "vault"}
    assert GB < budget.sure < budget.worst
    assert not [problem for problem in problems if problem.fatal]


def test_more_than_the_machine_has_is_fatal_and_names_who_asks_for_it() -> None:
    wanted = {"postgres": {"shared_buffers": "7GB", "work_mem": "8MB"}}
    budget, problems = rules.judge(show(memory=6 * GB), wanted)
    assert budget.sure > budget.limit
    (over,) = [p for p in problems if p.fatal and "the stack takes" in p.message]
    assert (over.service, over.parameter) == ("postgres", "shared_buffers")
    assert "6 GB (this machine)" in over.message


def test_services_that_cannot_be_tuned_take_their_measured_share() -> None:
    _, fits = rules.judge(show(memory=8 * GB, measured=GB), {"postgres": {"shared_buffers": "4GB"}})
    _, over = rules.judge(
        show(memory=8 * GB, measured=5 * GB), {"postgres": {"shared_buffers": "4GB"}}
    )
    assert not [p for p in fits if p.fatal]
    assert [p for p in over if p.fatal]


def test_what_fits_but_not_at_its_worst_is_a_warning() -> None:
    wanted = {"postgres": {"work_mem": "1GB", "max_connections": "1000"}}
    budget, problems = rules.judge(show(), wanted)
    assert budget.sure < budget.limit < budget.worst
    (over,) = [p for p in problems if "could take" in p.message]
    assert not over.fatal
    assert "with every connection busy" in over.message


def test_every_service_that_is_judged_uses_what_is_effective() -> None:
    stack = show()
    tuned, _ = rules.judge(stack, {"redis": {"maxmemory": "1GB"}})
    untouched, _ = rules.judge(stack, {"redis": {"maxmemory": "default"}})
    assert tuned.worst > untouched.worst
    assert untouched == rules.judge(stack, {})[0]


def test_a_server_that_runs_and_does_not_answer_is_not_changed_behind_its_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With faked looks: a frozen server costs every verb its full time limit."""
    silent = Show(stack="x", parameters=(), down={"postgres": "no answer"})
    monkeypatch.setattr(plan, "look", lambda *_: silent)
    monkeypatch.setattr(plan, "any_runs", lambda *_: True)
    monkeypatch.setattr(plan, "_require_right", lambda _: None)
    monkeypatch.setattr(plan, "require_none", lambda *_: None)
    monkeypatch.setattr(plan.parameter_store, "read", lambda _: StoredParameters())
    stack: Any = SimpleNamespace(paths=None)
    with pytest.raises(UnreachableError, match="nothing was changed: no answer") as refused:
        plan.prepare(stack, {"postgres": {"work_mem": "8MB"}}, plan.Options(by="set"))
    assert "`devstack-tui restart postgres`" in refused.value.remedy
    # A measurement does not go on with a server that has ended.
    monkeypatch.setattr(plan, "any_runs", lambda *_: False)
    measuring = plan.Options(by="ab", record=False)
    with pytest.raises(UnreachableError):
        plan.prepare(stack, {"postgres": {"work_mem": "8MB"}}, measuring)
