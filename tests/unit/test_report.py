"""The report: what it reads of the history, what it says of it, and what it must not say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devstack_tui.bench import regress, thresholds
from devstack_tui.core.check import Result, Status
from devstack_tui.core.history import History
from devstack_tui.report.build import build, exit_status, redacted
from devstack_tui.report.core_checks import checks, suites
from devstack_tui.report.coverage import CatalogueCheck
from devstack_tui.report.html import html
from devstack_tui.report.markdown import markdown
from devstack_tui.report.model import NOT_BUILT, NOT_RUN, CoverageRow, Published, Report, Suite
from devstack_tui.services.redis.drills import steps as drill_steps
from devstack_tui.stack.basis import OLDER
from devstack_tui.stack.stack import Stack

from .report_kit import AT, RESTS, Filled

NOW = AT + 3600
RECORDED = Path(__file__).with_name("report_recorded.json")


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    """An empty history to fill."""
    return Filled(tmp_path / "history.db")


def made(filled: Filled, known: tuple[CatalogueCheck, ...] = ()) -> Report:
    """The report an hour after the newest run."""
    return build(filled.history, "default", known=known, rests=RESTS, now=lambda: NOW)


def suite(report: Report, key: str) -> Suite:
    """The suite with this key."""
    return next(one for one in report.suites if one.key == key)


def row(report: Report, id: str) -> CoverageRow:
    """The core check with our id."""
    return next(one for one in report.coverage.core if one.id == id)


# -- the core checks -----------------------------------------------------------------------


def test_there_are_77_core_checks_with_ids_of_their_own() -> None:
    sizes = {suite.title: len(suite.titles) for suite in suites()}
    assert sizes == {"Failover": 16, "AppRole": 21, "TLS": 24, "Regression": 9, "Load": 7}
    assert len(checks()) == 77
    assert len({check.id for check in checks()}) == 77
    assert {"redis.failover.06", "approle.10", "tls.18", "perf.03", "load.02"} <= {
        check.id for check in checks()
    }


def test_the_ids_of_drill_and_gate_are_those_of_their_own_catalogues() -> None:
    ours = {check.id for check in checks()}
    steps = {f"{drill_steps.PREFIX}.{number}" for number in drill_steps.TITLES}
    gate = {check.id for check in thresholds.load().checks} | {"perf.09"}
    assert steps == {id for id in ours if id.startswith("redis.failover.")}
    assert gate == {id for id in ours if id.startswith("perf.")}


def test_the_ids_of_the_audit_are_those_of_its_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from devstack_tui.security.audit import StackAudit
    from devstack_tui.security.catalogue import Catalogue

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with StackAudit(Stack("default")) as audit:
        known = Catalogue.of(audit).checks
    ours = {check.id: check.core for check in checks() if check.suite in ("AppRole", "TLS")}
    assert len(ours) == 45
    assert ours == {id: known[id].core for id in ours}


# -- reading ---------------------------------------------------------------------------------


def test_every_kind_of_run_has_its_last_result_its_age_and_its_command(filled: Filled) -> None:
    filled.everything()
    report = made(filled)
    found = {one.key: (one.verdict, one.command) for one in report.suites}
    assert found == {
        "check approle": ("PASS", "devstack-tui check run approle"),
        "check tls": ("FAIL", "devstack-tui check run tls"),
        "regress gate (quick)": ("PASS", "devstack-tui regress --quick"),
        "drill redis.failover sigkill": (
            "PASS",
            "devstack-tui drill run redis.failover --fault sigkill --victim first,second",
        ),
        "bench redis.get (quick)": ("MEASURED", "devstack-tui bench run redis.get --quick"),
        "ab redis.get: optimized against baseline": ("IMPROVED", "tune ab "),
        "cost redis (optimized)": (
            "MEASURED",
            "devstack-tui tune cost redis --profile optimized",
        ),
        "auto redis.get": ("MEASURED", "tune auto "),
        "load users": ("PASS", "devstack-tui load run "),
    }
    drill = suite(report, "drill redis.failover sigkill")
    assert drill.age_s == 3720
    assert drill.fingerprint == "0123456789ab"
    assert "write window 2.100 s" in drill.figures
    assert "3 lost" in drill.figures


def test_the_documents_of_a_real_stack_are_read(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for one in json.loads(RECORDED.read_text(encoding="utf-8")):
        document = json.dumps(one.pop("document")).encode()
        history.add(**one, document=document)
    report = build(history, "default", rests=RESTS, now=lambda: NOW)
    assert report.notes == ()
    found = {one.key: (one.verdict, one.figures) for one in report.suites}
    window = found["drill redis.failover sigkill redis-1"][1]
    assert window.startswith("write window 2.319 s, read window 2.319 s, 0 lost")
    assert found["bench redis.get (quick)"][1].startswith("30,322 ops/s, p50 0.91")
    assert found["bench mysql.bulk_insert (quick)"][0] == "ERROR"
    assert found["regress gate (quick)"][0] == "FAIL"
    verdict, figures = found["ab redis.get (quick): optimized against baseline"]
    assert (verdict, figures) == ("INCONCLUSIVE", "B ÷ A 0.619 (not bounded at 95 %), 2 pairs")
    assert found["cost redis (current)"][1].startswith("7,687 of 7,687 acknowledged writes lost")
    assert found["check tls"][1].startswith("9 checks: ")
    old = row(report, "approle.01")
    assert (old.status, old.was, old.stale) == ("STALE", "PASS", OLDER)


def test_commands_name_the_stack_unless_it_is_the_default_one(filled: Filled) -> None:
    filled.bench()
    report = build(filled.history, "other", rests=RESTS, now=lambda: NOW)
    assert report.suites[0].command == "devstack-tui --stack other bench run redis.get --quick"


def test_the_newest_run_decides_and_the_older_ones_are_its_history(filled: Filled) -> None:
    filled.drill("FAIL", id="old", at=AT - 500)
    filled.drill("PASS", id="new", at=AT - 100)
    found = suite(made(filled), "drill redis.failover sigkill")
    assert found.verdict == "PASS"
    assert [(past.id, past.verdict) for past in found.history] == [("new", "PASS"), ("old", "FAIL")]


def test_a_pass_with_one_fault_does_not_hide_the_failure_with_another(filled: Filled) -> None:
    filled.drill("FAIL", "sigkill", id="one", at=AT - 500)
    filled.drill("PASS", "planned", id="two", at=AT)
    report = made(filled)
    assert suite(report, "drill redis.failover sigkill").verdict == "FAIL"
    assert suite(report, "drill redis.failover planned").verdict == "PASS"
    assert report.verdict == "FAIL"


def test_one_check_made_again_does_not_hide_the_others_of_its_suite(filled: Filled) -> None:
    filled.audit()
    filled.audit([filled.row("tls.19", "tls", Status.PASS, AT + 60)], id="b1", at=AT + 60)
    found = suite(made(filled), "check tls")
    assert found.counts == {"PASS": 2, "FAIL": 1}
    assert found.verdict == "FAIL"
    assert found.notes[-1] == "2 of the results are of earlier runs"


def test_a_run_that_was_no_measurement_is_an_error_with_its_reason(filled: Filled) -> None:
    filled.bench(problem="the server went away")
    found = made(filled).suites[0]
    assert (found.verdict, found.figures) == ("ERROR", "the server went away")


@pytest.mark.parametrize(
    ("samples", "figures", "runs"),
    [
        ((900.0,), "900 ops/s, p50", 1),
        ((900.0, 100.0, 1000.0), "900 ops/s (median of 3 runs, 100 to 1,000), p50", 3),
        ((900.0, 1000.0), "950 ops/s (median of 2 runs, 900 to 1,000), p50", 2),
        ((900.0, 0.0, 1000.0), "950 ops/s (median of 2 runs, 900 to 1,000, 1 failed), p50", 3),
    ],
)
def test_a_benchmark_shows_the_median_of_the_runs_that_one_command_made(
    filled: Filled, samples: tuple[float, ...], figures: str, runs: int
) -> None:
    filled.bench("before", AT - 500, throughput=5.0)
    for number, sample in enumerate(samples, 1):
        problem = "" if sample else "the server went away"
        filled.bench(f"r{number}", AT + number, problem, sample, run=number)
    found = suite(made(filled), "bench redis.get (quick)")
    assert found.figures.startswith(figures)
    assert (found.runs, len(found.history)) == (runs, runs + 1)


def test_the_published_throughputs_stand_beside_this_hosts_own(filled: Filled) -> None:
    shown = (Published("redis.get", "ops/s", 41600, 30000.0), Published("x.y", "rows/s", 1.0))
    text = markdown(build(filled.history, "default", rests=RESTS, published=shown))
    assert "| `redis.get` | 41,600 ops/s | 30,000 ops/s |" in text
    assert "| `x.y` | 1 rows/s | none |" in text
    assert "they decide nothing" in text


def test_a_run_that_cannot_be_read_is_told_and_the_others_are_reported(filled: Filled) -> None:
    filled.drill()
    filled.add("drill", "bad", "redis.failover", "x", AT, {"verdict": 1})
    filled.add("bench", "bad2", "redis.get", "full", AT, ["no object"])
    report = made(filled)
    assert [one.key for one in report.suites] == ["drill redis.failover sigkill"]
    assert report.notes == (
        "1 of the last runs of bench redis.get cannot be read: left out",
        "1 of the last runs of drill redis.failover cannot be read: left out",
    )


def test_a_kind_of_a_later_release_is_shown_by_its_checks(filled: Filled) -> None:
    filled.later()
    report = made(filled)
    assert suite(report, "load users").counts == {"PASS": 1}
    assert row(report, "load.01").status == "PASS"
    filled.add("dance", "d1", "tango", "", AT, {"steps": 3})
    assert suite(made(filled), "dance tango").verdict == "UNKNOWN"


def test_a_corrupt_history_is_told_and_leaves_an_empty_report(filled: Filled) -> None:
    filled.history.path.write_bytes(b"no database at all" * 100)
    report = made(filled)
    assert report.suites == ()
    assert "is corrupt" in report.notes[0]


def test_the_subjects_of_a_history_are_its_kinds_and_names(filled: Filled) -> None:
    assert filled.history.subjects() == []
    assert not filled.history.path.exists()
    filled.bench()
    filled.bench(id="again")
    filled.drill()
    assert filled.history.subjects() == [("bench", "redis.get"), ("drill", "redis.failover")]


# -- verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.PASS, 4), (Status.FAIL, 1), (Status.ERROR, 1), (Status.INCONCLUSIVE, 4)],
)
def test_the_exit_status_is_that_of_the_verdict(filled: Filled, status: Status, code: int) -> None:
    filled.drill("PASS")
    filled.regress(status, size="full")
    filled.bench(problem="only measured, never judged")
    assert exit_status(made(filled)) == code
    assert exit_status(made(filled), strict=True) == code


def test_an_empty_history_proves_nothing(filled: Filled) -> None:
    report = made(filled)
    assert report.verdict == "INCOMPLETE"
    assert exit_status(report) == 4
    assert sum(len(one.checks) for one in report.missing) == 77
    assert "`devstack-tui drill run redis.failover`" in markdown(report)
    assert "<code>devstack-tui drill run redis.failover</code>" in html(report, {})


# -- coverage --------------------------------------------------------------------------------


def test_what_has_not_run_and_what_is_not_built_are_told_apart(filled: Filled) -> None:
    filled.audit()
    known = (
        CatalogueCheck("tls.04", "a handshake", "tls", True),
        CatalogueCheck("tls.19", "HTTP", "tls", False),
    )
    report = made(filled, known)
    assert row(report, "tls.04").status == "FAIL"
    assert row(report, "tls.04").title == "a handshake"
    assert row(report, "tls.05").status == NOT_BUILT
    assert row(report, "tls.05").reason == "there is no check tls.05 yet"
    assert row(report, "redis.failover.01").status == NOT_RUN
    assert row(report, "load.01").status == NOT_BUILT
    assert row(report, "load.01").reason == "load tests are not built yet"


def test_a_skipped_check_keeps_its_reason_and_is_not_passed(filled: Filled) -> None:
    filled.audit()
    found = row(made(filled), "tls.19")
    assert found.status == "SKIPPED"
    assert found.reason.startswith("tls.19 evidence")
    counts = next(c for c in made(filled).coverage.core_counts if c.suite == "TLS")
    assert counts.total == 24
    assert counts.by_status == {"FAIL": 1, "SKIPPED": 1, NOT_RUN: 22}


def test_proven_is_what_the_catalogue_says_else_what_the_run_said(filled: Filled) -> None:
    filled.audit()
    assert row(made(filled), "tls.04").proven is True
    assert (
        row(made(filled, (CatalogueCheck("tls.04", "t", "tls", False),)), "tls.04").proven is False
    )
    assert row(made(filled), "redis.failover.01").proven is None


def test_the_self_test_of_the_gate_proves_the_check_that_it_slowed_down(filled: Filled) -> None:
    checks = [{"id": "selftest.caught", "title": "caught", "status": "PASS", "evidence": "e"}]
    filled.add("regress", "s1", "self-test", "full", AT, {"verdict": "PASS", "checks": checks})
    report = made(filled)
    assert row(report, "perf.04").proven is True
    assert row(report, "perf.01").proven is None
    command = suite(report, "regress self-test").command
    assert command == "devstack-tui regress --self-test"


def test_the_end_of_a_gate_is_kept_for_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    stack = Stack("default")
    check = Result("perf.04", "Redis cluster ops/s", Status.FAIL, "too slow", "find it")
    done = regress.RegressDone(Status.FAIL, (check,), 1, 20.0, at=AT)
    regress.keep(stack, regress.GATE, "full", done)
    regress.keep(stack, regress.SELF_TEST, "quick", done)
    report = build(History.of(stack.paths), "default", rests=RESTS, now=lambda: NOW)
    assert [one.key for one in report.suites] == [
        "regress gate",
        "regress self-test (quick)",
    ]
    assert report.suites[0].at == AT - 20
    assert report.suites[0].results[0].remedy == "find it"


def test_a_check_of_another_release_counts_no_more(filled: Filled) -> None:
    filled.audit()
    known = (
        CatalogueCheck("tls.04", "t", "tls", True),
        CatalogueCheck("approle.01", "t", "approle", True),
    )
    assert made(filled).coverage.beyond[0].total == 1
    assert made(filled, known).coverage.beyond == ()


def test_a_failure_that_was_mended_stays_known_as_seen(filled: Filled) -> None:
    filled.drill("FAIL", id="old", at=AT - 500)
    filled.drill("PASS", id="new", at=AT)
    found = row(made(filled), "redis.failover.12")
    assert (found.status, found.seen_red) == ("PASS", AT - 500)


def test_checks_beyond_the_core_checks_are_counted_by_suite_run_or_not(filled: Filled) -> None:
    filled.audit()
    known = (
        CatalogueCheck("tls.04", "t", "tls", True),
        CatalogueCheck("tls.postgres.tls1_3", "t", "tls", True),
        CatalogueCheck("tls.mysql.tls1_3", "t", "tls", False),
    )
    (found,) = made(filled, known).coverage.beyond
    assert (found.suite, found.total, found.proven) == ("tls", 2, 1)
    assert found.by_status == {"PASS": 1, NOT_RUN: 1}


# -- no secret -------------------------------------------------------------------------------

SECRETS = {
    "token": "hvs.CAESIJ8wVaLq0cFakeFakeFakeFakeFake",
    "password": "password=Tr0ub4dor&3horse",
    "json": '{"secret_id": "8f3c1a2e-55d1-4b9e-a2a0-0c4f1d2e3b4a"}',
    "url": "postgres://app:S3cretInUrl@127.0.0.1/x",
    "known": "qwertzuiopasdfgh",
}
BARE = ("CAESIJ8wVaLq0c", "Tr0ub4dor", "8f3c1a2e-55d1", "S3cretInUrl", "qwertzuiop")


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_of_any_document_comes_out_of_any_form(tmp_path: Path, name: str) -> None:
    from devstack_tui.cli.verbs.report import _json, _timelines
    from devstack_tui.drill import timeline
    from devstack_tui.drill.events import DrillReport

    say = SECRETS[name]
    history = Filled(tmp_path / "history.db", say).everything()
    kept = " ".join(
        row.document.decode() for k, n in history.subjects() for row in history.list(k, n)
    )
    bare = next(one for one in BARE if one in say)
    assert kept.count(bare) > 60
    secrets = frozenset({SECRETS["known"]})
    report = build(history, "default", secrets=secrets, rests=RESTS, now=lambda: NOW)
    timelines = _timelines(report, history, secrets)
    assert timelines.keys() == {"d411"}
    texts = [markdown(report), html(report, timelines), _json(report, history, secrets)]
    for text in texts:
        assert "redis.failover" in text
        assert bare not in text
    drill = redacted(
        DrillReport(
            id="", drill=say, fault="", victim="", verdict="", write_window_s=0, read_window_s=0,
            lost=0, resurrected=0, indeterminate=0, split_brain=0, steps=(), repeats=(),
        ),
        secrets,
    )  # fmt: skip
    assert bare not in timeline.svg(drill)
