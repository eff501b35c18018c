"""JUnit by both common schemas, and the files that reports go to."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema

from devstack_tui.cli import exports as asking
from devstack_tui.cli import output
from devstack_tui.core import exports, junit
from devstack_tui.core.check import Result, Status
from devstack_tui.core.errors import UsageError

DATA = Path(__file__).resolve().parents[1] / "data"
SCHEMAS = ("junit-ant.xsd", "junit-jenkins-10.xsd")
RESULTS = [
    Result(str(n), "t", one, "why <&> \x1b[31m\x00", "mend it") for n, one in enumerate(Status)
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("results", [RESULTS, []])
def test_junit_is_valid_by_both_common_schemas(schema: str, results: list[Result]) -> None:
    text = junit.document("regress", results, 1234.5, {"1": 0.25})
    xmlschema.XMLSchema(str(DATA / schema)).validate(text)


def test_a_schema_refuses_what_it_should() -> None:
    text = junit.document("regress", RESULTS, 1.5).replace(' type="FAIL"', "")
    assert not xmlschema.XMLSchema(str(DATA / "junit-ant.xsd")).is_valid(text)
    text = text.replace(' name="regress"', "")
    assert not xmlschema.XMLSchema(str(DATA / "junit-jenkins-10.xsd")).is_valid(text)


def test_junit_counts_what_did_not_pass_and_says_when_and_where() -> None:
    suite = ElementTree.fromstring(junit.document("regress", RESULTS, 1.5, {"1": 0.25}))
    assert suite.attrib["tests"] == "6"
    assert suite.attrib["failures"] == "2"
    assert suite.attrib["errors"] == suite.attrib["skipped"] == "1"
    assert suite.attrib["hostname"]
    assert suite.attrib["timestamp"][:2] == "20"
    assert [case.attrib["time"] for case in suite.iter("testcase")][:2] == ["0.000", "0.250"]
    assert "PASS 0 t: why <&> " in (suite.findtext("system-out") or "")


# -- files -----------------------------------------------------------------------------------


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**given)


def test_the_last_directory_is_made_and_more_is_named_before_any_work(tmp_path: Path) -> None:
    last = tmp_path / "build" / "c.xml"
    assert asking.asked(options(junit=str(last)), "junit") == {"junit": last}
    assert not last.parent.exists()
    asking.write({last: "<x/>"})
    assert last.read_text() == "<x/>"
    path = tmp_path / "no such" / "deep" / "c.xml"
    with pytest.raises(UsageError, match="there is no directory") as refused:
        asking.asked(options(junit=str(path)), "junit")
    assert refused.value.remedy == f"make it: mkdir -p '{path.parent}'"
    assert not path.parent.parent.exists()
    with pytest.raises(UsageError, match="is no regular file"):
        asking.asked(options(junit=str(tmp_path)), "junit")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else_is_named_before_any_work() -> None:
    with pytest.raises(UsageError, match="no right"):
        asking.asked(options(junit="/etc/c.xml"), "junit")


@pytest.mark.parametrize(
    "given",
    [
        {"junit": "-", "sarif": "-"},
        {"junit": "-", "json": True},
        {"sarif": "-", "jsonl": True},
        {"junit": "c.x", "sarif": "./c.x"},
    ],
)
def test_one_place_takes_one_document(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="named twice"):
        asking.asked(options(**given), "junit", "sarif")


def test_a_dash_is_stdout_and_has_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.xml"
    try:
        found = asking.asked(options(junit=str(path), sarif="-"), "junit", "sarif")
        output.say("what a person reads")
        asking.write({found["junit"]: "<x/>", found["sarif"]: "{}"})
    finally:
        output.work_on("default")
    out, err = capsys.readouterr()
    assert (out, err, path.read_text()) == ("{}", "what a person reads\n", "<x/>")
    assert not Path("-").exists()
    assert Path("-") == exports.STDOUT
