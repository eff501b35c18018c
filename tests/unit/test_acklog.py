"""The journal of a drill's writes, and the verdicts that follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.ack_journal import AckJournal, Header, read
from devstack_tui.loadgen.acknowledged_writes import (
    ADD,
    FAILED,
    INDETERMINATE,
    OK,
    READ,
    REMOVE,
    RIVAL,
    Gap,
    Operation,
    outage,
    verdict,
)
from devstack_tui.services.redis.instrument.split_brain import OwnershipChange, split

MS = 1000
PERIOD = 20 * MS
HEADER = Header(
    run="r1", rate_hz=50.0, timeout_s=0.25, nodes=("a", "b"), tags={"shard 1": ("t1", "t2")}
)


def op(
    at: int,
    outcome: str = OK,
    *,
    kind: str = ADD,
    value: int = 0,
    tag: str = "t1",
    node: str = "a",
    why: str = "",
    took: int = 1,
    reply: int = 0,
    late: int = 0,
) -> Operation:
    """Due `at` milliseconds, sent `late` after that, and over after `took`."""
    return Operation(
        shard="shard 1",
        kind=kind,
        number=value,
        tag=tag,
        value=value,
        node=node,
        due=at * MS,
        sent=(at + late) * MS,
        done=(at + late + took) * MS,
        outcome=outcome,
        why=why,
        reply=reply,
    )


def course(*spans: tuple[int, int, str]) -> list[Operation]:
    """An operation each 20 ms from one time to another, with these outcomes."""
    return [op(at, outcome) for begin, end, outcome in spans for at in range(begin, end, 20)]


def window(operations: list[Operation], fault: int, end: int) -> Gap | None:
    return outage(operations, fault * MS, 0, end * MS, PERIOD)


# -- the journal -----------------------------------------------------------------------------


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    log = AckJournal(tmp_path / "log", HEADER)
    made = [op(20, value=1), op(40, FAILED, value=2, why="MOVED"), op(60, INDETERMINATE, value=3)]
    for operation in made:
        log.add(operation)
    log.close()
    assert read(tmp_path / "log") == (HEADER, made)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_what_was_flushed_is_there_while_the_writer_still_runs(tmp_path: Path) -> None:
    log = AckJournal(tmp_path / "log", HEADER)
    log.add(op(20, value=1))
    assert read(tmp_path / "log")[1] == []
    log.flush()
    assert len(read(tmp_path / "log")[1]) == 1
    log.close()


def test_a_last_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AckJournal(path, HEADER)
    log.add(op(20, value=1))
    log.add(op(40, value=2))
    log.close()
    path.write_bytes(path.read_bytes()[:-7])
    assert [o.value for o in read(path)[1]] == [1]


@pytest.mark.parametrize("damage", [b"{}", b"\xff\xfe", b'["shard 1","add"]', b"[]", b""])
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "log"
    log = AckJournal(path, HEADER)
    log.add(op(20, value=1))
    log.close()
    header, line, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join((header, line, damage, line, b"")))
    with pytest.raises(DevstackError, match="line 3 of the journal"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"garbage\n", b"[1,2,3]\n"])
def test_a_journal_without_a_header_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(DevstackError, match="line 1"):
        read(path)


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DevstackError, match="reading the drill's journal"):
        read(tmp_path / "log")


def test_a_full_disk_is_told() -> None:
    with pytest.raises(DevstackError, match="the disk is full"):
        AckJournal(Path("/dev/full"), HEADER)


# -- the window ------------------------------------------------------------------------------


def test_a_steady_course_has_no_outage() -> None:
    assert window(course((0, 2000, OK)), 1000, 2000) is None


def test_the_window_is_from_the_last_success_before_to_the_first_after() -> None:
    operations = course((0, 1000, OK), (1000, 3000, FAILED), (3000, 5000, OK))
    assert window(operations, 1000, 5000) == Gap(981 * MS, 3001 * MS)


def test_an_outage_before_the_fault_is_not_the_faults() -> None:
    operations = course((0, 500, OK), (500, 900, FAILED), (900, 3000, OK))
    assert window(operations, 1000, 3000) is None


def test_the_longest_of_several_outages_counts() -> None:
    operations = course(
        (0, 1000, OK),
        (1000, 1200, FAILED),
        (1200, 1400, OK),
        (1400, 2000, FAILED),
        (2000, 2600, OK),
    )
    found = window(operations, 1000, 2600)
    assert found is not None
    assert found.start == 1381 * MS


def test_an_outage_that_does_not_end_lasts_at_least_to_the_end_of_the_recording() -> None:
    found = window(course((0, 1000, OK), (1000, 3000, FAILED)), 1000, 3000)
    assert found == Gap(981 * MS, 3000 * MS, open=True)
    assert found.seconds == pytest.approx(2.019)


def test_a_lane_that_never_succeeded_was_unavailable_all_the_time() -> None:
    assert window(course((0, 1000, FAILED)), 500, 1000) == Gap(0, 1000 * MS, open=True)


def test_one_write_that_failed_is_an_outage_of_two_periods() -> None:
    operations = course((0, 1000, OK), (1000, 1020, FAILED), (1020, 2000, OK))
    found = window(operations, 900, 2000)
    assert found is not None
    assert found.seconds == pytest.approx(0.04)


def test_a_slow_answer_is_an_outage_once_two_periods_do_not_explain_it() -> None:
    operations = [*course((0, 1000, OK)), *(op(at, took=1100 - at) for at in range(1000, 1100, 20))]
    found = window([*operations, *course((1100, 2000, OK))], 900, 2000)
    assert found is not None
    assert found.seconds == pytest.approx(0.119)


def test_a_pause_of_our_own_process_is_not_the_servers() -> None:
    late = [op(at, late=1100 - at) for at in range(1000, 1100, 20)]
    assert window([*course((0, 1000, OK)), *late, *course((1100, 2000, OK))], 900, 2000) is None


def test_a_pause_of_our_own_process_does_not_hide_a_failure() -> None:
    late = [op(at, FAILED, late=1100 - at) for at in range(1000, 1100, 20)]
    assert window([*course((0, 1000, OK)), *late, *course((1100, 2000, OK))], 900, 2000)


# -- what became of the writes ---------------------------------------------------------------


def judged(operations: list[Operation], *present: int) -> dict[str, object]:
    found = verdict(operations, {"t1": present, "t2": ()}, PERIOD)
    return {
        name: value
        for name in ("lost", "resurrected", "out_of_order", "duplicated")
        if (value := getattr(found, name))
    }


def adds(*values: int, outcome: str = OK, node: str = "a") -> list[Operation]:
    return [op(20 * value, outcome, value=value, node=node) for value in values]


def test_all_that_was_acknowledged_and_is_there_is_well() -> None:
    assert judged(adds(1, 2, 3), 1, 2, 3) == {}


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    found = verdict(adds(1, 2, 3, 4), {"t1": (1, 4)}, PERIOD)
    assert found.lost == (2, 3)
    assert found.lost_s == pytest.approx(0.04)
    assert found.acknowledged == 4


def test_an_unanswered_write_is_indeterminate_whether_it_is_there_or_not() -> None:
    operations = adds(1) + adds(2, 3, outcome=INDETERMINATE)
    assert judged(operations, 1, 2) == {}
    assert verdict(operations, {"t1": (1, 2)}, PERIOD).indeterminate == 2


def test_a_refused_write_that_is_there_is_resurrected() -> None:
    assert judged(adds(1) + adds(2, outcome=FAILED), 1, 2) == {"resurrected": (2,)}


def test_a_removal_that_came_undone_is_a_resurrection() -> None:
    remove = op(2000, kind=REMOVE, value=1, reply=1)
    assert judged([*adds(1, 2), remove], 2) == {}
    assert judged([*adds(1, 2), remove], 1, 2) == {"resurrected": (1,)}


def test_a_removal_that_found_nothing_proves_the_loss() -> None:
    remove = op(2000, kind=REMOVE, value=1, reply=0)
    assert judged([*adds(1, 2), remove], 2) == {"lost": (1,)}


@pytest.mark.parametrize(("outcome", "lost"), [(FAILED, {"lost": (1,)}), (INDETERMINATE, {})])
def test_a_removal_without_success_explains_an_absence_only_if_it_may_have_happened(
    outcome: str, lost: dict[str, object]
) -> None:
    remove = op(2000, outcome, kind=REMOVE, value=1)
    assert judged([*adds(1, 2), remove], 2) == lost
    assert judged([*adds(1, 2), remove], 1, 2) == {}


def test_a_write_that_is_there_twice_is_duplicated() -> None:
    assert judged(adds(1, 2), 1, 2, 2) == {"duplicated": (2,)}


def test_an_acknowledged_write_behind_one_that_was_sent_later_is_out_of_order() -> None:
    assert judged(adds(1, 2, 3), 1, 3, 2) == {"out_of_order": (2,)}


def test_writes_that_were_under_way_together_may_stand_in_any_order() -> None:
    together = [op(20, value=1, took=100), op(40, value=2, took=100)]
    assert judged(together, 2, 1) == {}


def test_errors_are_counted_by_class_and_rivals_are_no_writes() -> None:
    operations = [
        op(20, FAILED, value=1, why="MOVED"),
        op(40, FAILED, value=2, why="MOVED"),
        op(60, INDETERMINATE, value=3, why="timeout"),
        op(80, FAILED, kind=RIVAL, why="MOVED"),
        op(80, kind=RIVAL),
    ]
    found = verdict(operations, {"t1": ()}, PERIOD)
    assert found.errors == {"MOVED": 2, "timeout": 1}
    assert found.acknowledged == 0


# -- split brain -----------------------------------------------------------------------------

HANDED_OVER = [
    OwnershipChange(0, "a", 1, True),
    OwnershipChange(0, "b", 1, False),
    OwnershipChange(1050 * MS, "b", 2, True),
    OwnershipChange(1050 * MS, "a", 1, False),
]


def test_a_switch_of_owners_is_no_split_brain() -> None:
    operations = [op(at, node="a") for at in range(0, 1000, 20)]
    operations += [op(at, node="b") for at in range(1000, 2000, 20)]
    assert split(operations, HANDED_OVER) == []


def test_a_write_that_the_old_owner_acknowledges_after_the_new_one_is_a_split_brain() -> None:
    operations = [op(900, node="a"), op(1000, node="b"), op(1010, node="a", value=7)]
    operations += [op(1020, node="b"), op(1500, kind=RIVAL, node="a", value=8)]
    assert [o.value for o in split(operations, HANDED_OVER)] == [7, 8]


def test_what_the_old_owner_was_sent_before_the_new_one_answered_is_not_held_against_it() -> None:
    operations = [op(900, node="a"), op(980, node="a", took=60), op(1000, node="b")]
    assert split(operations, HANDED_OVER) == []


def test_a_refusal_or_a_read_of_the_old_owner_is_no_split_brain() -> None:
    operations = [op(900, node="a"), op(1000, node="b")]
    operations += [op(1500, FAILED, kind=RIVAL, node="a"), op(1500, kind=READ, node="a")]
    assert split(operations, HANDED_OVER) == []


def test_an_owner_that_was_promoted_again_is_legitimate() -> None:
    back = [OwnershipChange(3050 * MS, "a", 3, True), OwnershipChange(3050 * MS, "b", 2, False)]
    operations = [op(900, node="a"), op(1000, node="b"), op(2900, node="b"), op(3000, node="a")]
    assert split(operations, [*HANDED_OVER, *back]) == []
    stale = op(1500, kind=RIVAL, node="a", value=9)
    assert [o.value for o in split([*operations, stale], [*HANDED_OVER, *back])] == [9]


def test_a_node_that_nobody_saw_claim_the_slots_is_passed_over() -> None:
    assert split([op(900, node="a"), op(1000, node="ghost")], HANDED_OVER[:1]) == []
