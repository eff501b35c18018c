"""drills.toml, the names of drills and victims, the command line, and the packet filter."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.cli.options.drill import drill_options
from devstack_tui.cli.text.drill import plan_lines
from devstack_tui.console.drill.sheets import plan_text
from devstack_tui.contracts.drill import (
    PUBLISHED_WINDOW_S,
    NodeTraffic,
    PartitionDrill,
    Plan,
    SequenceDrill,
    Sweepable,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import ConfigError, DevstackError, UsageError
from devstack_tui.drill.catalogue import Catalogue
from devstack_tui.engines.embedded import firewall, nftables
from devstack_tui.services.redis.drills.limits import limits_of
from devstack_tui.stack.stack import Stack


@pytest.fixture
def target() -> Target:
    return Stack("t").engine().target(service("redis"))


@pytest.fixture
def own(homes: Path) -> Callable[[str], None]:
    """The user's own drills.toml."""

    def write(text: str) -> None:
        path = homes / "config" / "devstack-tui" / "drills.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return write


def test_the_drills_of_redis_come_first_and_each_service_has_its_restart() -> None:
    names = list(Catalogue().entries)
    assert names[:2] == ["redis.failover", "redis.rolling"]
    assert "postgres.restart" in names
    assert "redis.restart" not in names


def test_the_shipped_thresholds_are_the_published_and_ours() -> None:
    limits = Catalogue().choose("redis.failover").thresholds
    assert (PUBLISHED_WINDOW_S, limits.other_pause_s, limits.lost) == (5.0, 0.25, 0)
    assert limits.of("planned").rate_hz == 200
    assert limits.of("sigkill").rate_hz == 50


@pytest.mark.parametrize("key", ["published_window_s", "seed_window_s", "window_s"])
def test_the_published_window_is_no_setting_and_a_copy_that_sets_one_is_noted(
    own: Callable[[str], None], key: str
) -> None:
    own(f"[thresholds]\n{key} = 99\n[drills.'redis.failover'.thresholds]\n{key} = 98\n")
    entry = Catalogue().choose("redis.failover")
    for fault in entry.drill.faults:
        limits = limits_of(fault, entry.thresholds, 60_000, replicas=1, master=True)
        assert (limits.window_s, limits.published_s) <= (5.0, 5.0)
    notes = entry.notes
    assert len(notes) == 2
    assert f"thresholds.{key} is not read" in notes[0]
    plan = Plan(
        drill="d",
        fault="f",
        victim="v",
        actions=(),
        steps=(),
        touches=(),
        expected_s=1,
        notes=notes,
    )
    assert f"note: {notes[0]}" in list(plan_lines("default", plan))
    assert notes[0] in plan_text(plan, lambda _: "").plain


def test_the_shipped_file_needs_no_note() -> None:
    assert not any(entry.notes for entry in Catalogue().entries.values())


FAILOVER = "[drills.'redis.failover']"
SIGKILL = "[drills.'redis.failover'.faults.sigkill]"
OWN = "[drills.'redis.failover'.thresholds]"


@pytest.mark.parametrize("table", ["[thresholds]", OWN])
@pytest.mark.parametrize(
    ("key", "highest"),
    [
        ("planned_window_s", 3600),
        ("planned_median_s", 3600),
        ("planned_repeats", 1000),
        ("other_pause_s", 3600),
        ("restart_s", 3600),
        ("lost", 1_000_000),
    ],
)
def test_a_threshold_is_a_number_within_its_bounds(
    own: Callable[[str], None], table: str, key: str, highest: int
) -> None:
    own(f"{table}\n{key} = {highest}\n")
    assert getattr(Catalogue().choose("redis.failover").thresholds, key) == highest
    _refused(own, table, key, (str(highest + 1), "-1", "inf", "nan", "1e308", "9" * 400))


@pytest.mark.parametrize(
    ("table", "key", "highest"),
    [
        (SIGKILL, "lost_node_timeouts", 100),
        (SIGKILL, "lost_s", 3600),
        (SIGKILL, "split_brain_node_timeouts", 100),
        (SIGKILL, "rate_hz", 1000),
        (FAILOVER, "warm_s", 3600),
        (FAILOVER, "frozen_s", 3600),
    ],
)
def test_a_drills_own_number_is_within_its_bounds(
    own: Callable[[str], None], table: str, key: str, highest: int
) -> None:
    own(f"{table}\n{key} = {highest}\n")
    Catalogue()
    _refused(own, table, key, (str(highest + 1), "-1", "inf", "-inf", "nan", "'1'", "1e308"))


def _refused(own: Callable[[str], None], table: str, key: str, values: tuple[str, ...]) -> None:
    """Each with the file's line and the whole key."""
    for value in values:
        own(f"# mine\n{table}\n{key} = {value}\n")
        with pytest.raises(ConfigError) as error:
            Catalogue()
        path = table.strip("[]").replace("'", "")
        assert f"drills.toml:3: {path}.{key}: expected" in error.value.message


def test_a_drill_may_have_thresholds_of_its_own(own: Callable[[str], None]) -> None:
    own('[thresholds]\nlost = 2\n[drills."redis.rolling".thresholds]\nlost = 3\n')
    catalogue = Catalogue()
    assert catalogue.choose("redis.failover").thresholds.lost == 2
    assert catalogue.choose("redis.rolling").thresholds.lost == 3
    assert catalogue.choose("redis.rolling").thresholds.planned_window_s == 0.5


def test_a_users_copy_of_an_earlier_release_is_read_and_has_the_limits_of_this_one(
    own: Callable[[str], None],
) -> None:
    own(
        "[thresholds]\nwindow_s = 3.0\n"
        '[drills."redis.failover"]\nlost_s = 0.5\nlost_partition_s = 3.0\nother_pause_s = 0.4\n'
    )
    limits = Catalogue().choose("redis.failover").thresholds
    assert limits.other_pause_s == 0.4
    assert limits.of("partition").lost_node_timeouts == 1.5


def test_a_fault_may_have_limits_of_its_own(own: Callable[[str], None]) -> None:
    own('[drills."redis.failover".faults.partition]\nlost_node_timeouts = 1.0\n')
    limits = Catalogue().choose("redis.failover").thresholds
    assert limits.of("partition").lost_node_timeouts == 1.0
    assert limits.of("partition").lost_lag


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[measuring]\nrate_hz = 10\n", "rate_hz"),
        ("[thresholds]\nwindows_s = 1.0\n", "windows_s"),
        ('[drills."redis.failovr"]\nwarm_s = 1.0\n', "redis.failovr"),
        ('[drills."redis.failover".faults.sigkil]\nlost_s = 1.0\n', "sigkill"),
        ('[drills."redis.failover".faults.sigkill]\nlost_ss = 1.0\n', "lost_ss"),
        ('[drills."redis.failover"]\nfaults = 3\n', "faults"),
        ('[drills."redis.failover"]\nthresholds = 3\n', "thresholds"),
        ("[measuring\n", "line"),
    ],
)
def test_a_fault_in_the_file_names_it(own: Callable[[str], None], text: str, what: str) -> None:
    own(text)
    with pytest.raises(ConfigError, match=what):
        Catalogue()


def test_an_unknown_drill_lists_the_close_ones() -> None:
    with pytest.raises(UsageError) as error:
        Catalogue().choose("redis.failovr")
    assert "redis.failover" in error.value.remedy


def test_the_default_victim_is_the_sequence_of_the_core_checks(target: Target) -> None:
    entry = Catalogue().choose("redis.failover")
    assert entry.victim(target, None) == "first,second"
    assert entry.victims(target, "first,second") == ("first", "second")


def test_all_is_every_master_one_after_the_other(target: Target) -> None:
    entry = Catalogue().choose("redis.failover")
    assert entry.victims(target, "all") == ("master-1", "master-2", "master-3")


def test_any_list_of_nodes_is_a_victim(target: Target) -> None:
    entry = Catalogue().choose("redis.failover")
    assert entry.victim(target, "redis-6, first") == "redis-6, first"
    assert entry.victims(target, "redis-6, first") == ("redis-6", "first")


@pytest.mark.parametrize("victim", ["redis-7", "frist", "first,,second", "master-4", ""])
def test_an_unknown_victim_is_refused(target: Target, victim: str) -> None:
    with pytest.raises(UsageError, match="unknown victim"):
        Catalogue().choose("redis.failover").victim(target, victim)


def test_the_failover_drill_can_do_all_that_the_engine_asks_for() -> None:
    drill = Catalogue().choose("redis.failover").drill
    assert isinstance(drill, PartitionDrill)
    assert isinstance(drill, SequenceDrill)
    assert isinstance(drill, Sweepable)
    rolling = Catalogue().choose("redis.rolling").drill
    assert not isinstance(rolling, Sweepable)


# -- the command line ------------------------------------------------------------------------


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    drill_options(parser, argparse.ArgumentParser(add_help=False))
    return parser.parse_args(list(words))


def test_the_values_of_a_sweep_are_whole_milliseconds() -> None:
    assert parse("sweep", "--node-timeout", "500,1000,500").values == (500, 1000)
    assert parse("sweep").values == (500, 1000, 2000, 5000)


@pytest.mark.parametrize(
    "words",
    [
        ("sweep", "--node-timeout", "50"),
        ("sweep", "--node-timeout", "1000,x"),
        ("run", "redis.failover", "--repeat", "0"),
        ("sweep", "--watch", "0"),
        ("run",),
    ],
)
def test_nonsense_on_the_command_line_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse(*words)


# -- the packet filter -----------------------------------------------------------------------

CUT = NodeTraffic("127.0.1.2", "127.0.1.0/24", (7002, 17002), (7001, 17001, 7003, 17003))


def test_the_table_is_named_after_the_stack_that_it_belongs_to() -> None:
    assert firewall.table_of("0123456789abcdef" * 2) == "devstack_tui_0123456789ab"


def test_the_rules_cut_both_directions_and_name_no_client() -> None:
    text = firewall.rules("devstack_tui_x", CUT)
    for rule in (
        "ip saddr 127.0.1.2 tcp dport { 7001, 17001, 7003, 17003 } drop",
        "ip daddr 127.0.1.2 tcp sport { 7001, 17001, 7003, 17003 } drop",
        "ip saddr 127.0.1.0/24 ip saddr != 127.0.1.2 tcp dport { 7002, 17002 } drop",
        "ip daddr 127.0.1.0/24 ip daddr != 127.0.1.2 tcp sport { 7002, 17002 } drop",
    ):
        assert rule in text
    assert text.count("drop") == 4
    assert "127.0.0.1" not in text


def test_a_partition_without_root_is_refused_with_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UsageError) as error:
        firewall.require("0" * 32)
    assert "root" in error.value.message
    assert "sigstop" in error.value.remedy


def test_a_partition_without_nft_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(nftables, "find_program", lambda name: None)
    with pytest.raises(DevstackError) as error:
        firewall.require("0" * 32)
    assert "nftables" in error.value.remedy


def test_an_nft_that_fails_is_told_in_one_sentence(
    homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = homes / "nft"
    program.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{homes}:/bin:/usr/bin")
    with pytest.raises(DevstackError, match="nft refused: Operation not permitted"):
        nftables.remove("devstack_tui_x")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(DevstackError, match="cannot be filtered here") as error:
        firewall.require("0" * 32)
    assert "NET_ADMIN" in error.value.remedy
