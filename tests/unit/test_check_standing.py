"""How far checks are proven, and which of our files a proof is about. The checks are fakes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from devstack_tui.contracts.registry import BUILT_IN
from devstack_tui.core import units
from devstack_tui.core.config import read_toml
from devstack_tui.core.paths import shipped
from devstack_tui.security import not_audited, results, traced
from devstack_tui.security.proven import Record
from devstack_tui.security.standing import Standing, Standings, headline
from devstack_tui.security.traced import Tracer, digest
from tests.unit.audit_kit import check

CHECKS = (
    check("a.1", kind="a"),
    check("a.2", kind="a"),
    check("b.1", kind="b"),
    check("b.2", kind="b"),
    check("c.1", kind="c"),
)


def of(turned: dict[str, tuple[str, ...]], *changed: str) -> Standings:
    return Standings(CHECKS, Record(turned, dict.fromkeys(changed, ("devstack_tui/x.py",))))


def test_a_kind_is_proven_by_what_turned_one_instance_of_it_alone() -> None:
    found = of({"one": ("a.1", "c.1"), "two": ("b.1", "b.2")})
    assert found.kinds == {"a", "c"}
    assert [found.of(one.id) for one in CHECKS] == [
        Standing.PROVEN,
        Standing.KIND,
        Standing.PROVEN,
        Standing.PROVEN,
        Standing.PROVEN,
    ]
    assert found.why("a.2") == "its kind is: one turned a.1 red, and no other of a"
    whole = headline(results.listed(CHECKS, {}, found))
    assert str(whole) == "3 kinds, 5 instances, 2 kinds proven"
    assert whole.instances_proven == 4


def test_what_changed_since_is_not_proven_and_is_named() -> None:
    found = of({"one": ("a.1",)}, "one")
    assert found.of("a.1") is Standing.CHANGED
    assert found.of("a.2") is Standing.CHANGED
    assert found.of("c.1") is Standing.UNPROVEN
    assert "devstack_tui/x.py changed" in found.why("a.1")
    whole = headline(results.listed(CHECKS, {}, found))
    assert (whole.kinds_proven, whole.kinds_changed) == (0, 1)
    assert "(1 were, before their code changed)" in str(whole)


def test_what_is_proven_in_two_ways_is_as_long_as_one_of_them_counts() -> None:
    found = of({"one": ("a.1",), "two": ("a.1",)}, "one")
    assert found.of("a.1") is Standing.PROVEN
    assert found.why("a.1") == "turned red by two"


def test_what_nobody_knows_any_more_counts_for_nothing() -> None:
    assert of({"one": ("gone.1",)}).kinds == set()


# -- what ran ----------------------------------------------------------------------------------


def work() -> None:
    units.age(60.0)


def test_our_files_are_seen_in_the_thread_that_ran_them_and_in_no_other() -> None:
    seen, other = Tracer(), Tracer()
    thread = threading.Thread(target=other.of(lambda: read_toml(shipped("configs/stack.toml"))))
    with seen.running():
        work()
    thread.start()
    thread.join()
    assert seen.files() == ("devstack_tui/core/units.py",)
    assert "configs/stack.toml" in other.files()
    assert "devstack_tui/core/units.py" not in other.files()


def test_what_a_module_names_of_our_configuration_is_a_part_of_it() -> None:
    from devstack_tui.services.vault.matrix import Matrix

    seen = Tracer()
    seen.of(lambda: Matrix({}).readers("postgres"))()
    assert set(seen.files()) == {
        "configs/vault/matrix.toml",
        "devstack_tui/services/vault/matrix.py",
    }


def test_another_text_has_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "_PACKAGE", tmp_path / "devstack_tui")
    path = tmp_path / "devstack_tui" / "x.py"
    path.parent.mkdir()
    assert digest("devstack_tui/x.py") == ""
    path.write_text("a")
    before = digest("devstack_tui/x.py")
    path.write_text("b")
    assert len(before) == 16
    assert digest("devstack_tui/x.py") != before


# -- what is not covered -----------------------------------------------------------------------


def test_every_service_of_ours_says_what_is_not_audited_of_it() -> None:
    found = not_audited.gaps(name for name in BUILT_IN)
    assert next(iter(found)) == not_audited.EVERYWHERE
    assert len(found) == len(BUILT_IN) + 1
    assert all(found.values())
    assert not [whose for whose, texts in found.items() if "nobody has" in texts[0]]
