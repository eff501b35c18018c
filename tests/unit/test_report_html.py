"""The report's page and its Markdown: well-formed, alone, and deaf to what its texts say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from devstack_tui.cli.verbs.report import _timelines
from devstack_tui.drill import timeline
from devstack_tui.report import charts
from devstack_tui.report.build import build
from devstack_tui.report.html import html
from devstack_tui.report.markdown import code, markdown, text
from devstack_tui.report.model import Counts, Interval, Report, Series

from .report_kit import AT, Filled

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = (
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>' | `x` | </td></svg> &amp;\x1b[31m\n"
    "# not a heading"
)
NO_TEXT = frozenset[str]()
CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report_of(path: Path, say: str = "tame") -> tuple[Report, dict[str, str]]:
    """A report with everything in it, and the pictures of its drills."""
    history = Filled(path / "history.db", say).everything()
    report = build(history, "default", now=lambda: AT + 60)
    return report, _timelines(report, history, NO_TEXT)


def test_the_page_is_well_formed_and_stands_alone(tmp_path: Path) -> None:
    page = html(*report_of(tmp_path))
    found = Page(page)
    assert page.startswith("<!doctype html>\n")
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(found.tags)
    assert not [name for name, _ in found.attributes if name in ("src", "href", "srcset")]
    assert re.findall(r"url\(|@import", page) == []
    addresses = set(re.findall(r"https?://[^\"'\s<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_nothing_that_a_text_says_becomes_part_of_the_page(tmp_path: Path) -> None:
    tame = Page(html(*report_of(tmp_path)))
    (tmp_path / "hostile").mkdir()
    page = html(*report_of(tmp_path / "hostile", HOSTILE))
    wild = Page(page)
    assert wild.tags == tame.tags
    assert [name for name, _ in wild.attributes] == [name for name, _ in tame.attributes]
    assert "<script" not in page
    assert any("<script>alert(1)</script>" in one for one in wild.texts)


def test_every_last_result_check_and_chart_is_in_the_page(tmp_path: Path) -> None:
    report, timelines = report_of(tmp_path)
    page = html(report, timelines)
    words = " ".join(Page(page).texts)
    for suite in report.suites:
        assert suite.figures in words
        assert suite.command in words
    for row in report.coverage.core:
        assert row.id in words
    assert timelines["d411"] in page
    # Two of coverage, one drill, one A/B, one benchmark.
    assert page.count("<svg") == 5


def test_the_page_of_a_drill_without_a_course_has_no_picture_of_it(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path)
    assert html(report, {}).count("<svg") == 4


def test_a_hostile_drill_cannot_break_its_picture(tmp_path: Path) -> None:
    _, timelines = report_of(tmp_path, HOSTILE.replace("\x1b", ""))
    root = ET.fromstring(timelines["d411"])
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "svg", "title", "rect", "text", "line",
    }  # fmt: skip
    assert int(root.attrib["width"]) == timeline.WIDTH


# -- Markdown --------------------------------------------------------------------------------


def cells(line: str) -> int:
    """How many cells a line of a table has; an escaped bar is none."""
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_hostile_texts_leave_every_table_of_the_markdown_whole(tmp_path: Path) -> None:
    tame = markdown(report_of(tmp_path)[0]).splitlines()
    (tmp_path / "hostile").mkdir()
    wild = markdown(report_of(tmp_path / "hostile", HOSTILE)[0]).splitlines()
    assert len(wild) == len(tame)
    for one, other in zip(tame, wild, strict=True):
        assert one.startswith("|") == other.startswith("|")
        if one.startswith("|"):
            assert cells(one) == cells(other)
    hostile = [line for line in wild if "alert" in line]
    assert len(hostile) > 40
    for line in hostile:
        # Outside of code, where everything is literal, no element begins.
        rest = CODE.sub("", line.replace(r"\`", ""))
        assert "<" not in rest.replace(r"\<", "")
    assert "\x1b" not in "".join(wild)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("one\ntwo", "one two"),
        ("[x](y)", r"\[x\](y)"),
        ("\x1b[2J", r" \[2J"),
    ],
)
def test_a_text_in_markdown_reads_as_it_is(value: str, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", ""), ("a b", "`a b`"), ("a`b", "`` a`b ``"), ("a|b", r"`a\|b`"), ("a\nb", "`a b`")],
)
def test_code_in_markdown_ends_where_it_ends(value: str, expected: str) -> None:
    assert code(value) == expected


# -- charts ----------------------------------------------------------------------------------


def elements(svg: str, tag: str, look: str) -> list[ET.Element]:
    """The elements of a chart with a class."""
    found = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}" + tag)
    return [one for one in found if look in one.attrib.get("class", "")]


def test_a_series_has_a_point_for_each_second_and_does_not_bridge_a_gap() -> None:
    series = Series("ops/s", (900.0, 450.0, 0.0, 900.0), (1.0, 2.0, None, 4.0))
    svg = charts.series_chart("redis.get", series)
    (rate,) = elements(svg, "polyline", "throughput")
    top, half, none, again = (
        float(point.partition(",")[2]) for point in rate.attrib["points"].split()
    )
    assert top == again
    assert half - top == pytest.approx(none - half, abs=0.2)
    lines = [line.attrib["points"].split() for line in elements(svg, "polyline", "p50")]
    assert [len(points) for points in lines] == [2]
    assert len(elements(svg, "circle", "p50")) == 1
    assert elements(svg, "polyline", "p99") == []


def test_a_series_without_any_answer_is_drawn_all_the_same() -> None:
    svg = charts.series_chart("x", Series("ops/s", (0.0, 0.0), (None, None)))
    (rate,) = elements(svg, "polyline", "throughput")
    assert len(rate.attrib["points"].split()) == 2
    assert elements(svg, "polyline", "p50") == []


def test_an_interval_lies_around_its_ratio_and_twice_is_as_far_as_half() -> None:
    rows = [
        ("double", "IMPROVED", Interval(2.0, 1.8, 2.2, 0.05, (1.9, 2.1))),
        ("half", "REGRESSED", Interval(0.5, None, None, 0.05)),
    ]
    svg = charts.interval_chart(rows)
    faster, slower = (float(one.attrib["cx"]) for one in elements(svg, "circle", "dot"))
    middle = float(elements(svg, "line", "axis")[0].attrib["x1"])
    assert faster - middle == pytest.approx(middle - slower, abs=0.2)
    bounds, *_ = elements(svg, "line", "bounds")
    assert float(bounds.attrib["x1"]) < faster < float(bounds.attrib["x2"])
    assert len(elements(svg, "line", "pair")) == 2


def test_a_status_bar_is_as_long_as_its_count() -> None:
    svg = charts.status_chart([Counts("tls", 4, 1, {"PASS": 3, "NOT RUN": 1})])
    passed, waiting = elements(svg, "rect", "status ")
    assert passed.attrib["class"] == "status status-pass"
    assert waiting.attrib["class"] == "status status-not-run"
    widths = [float(bar.attrib["width"]) + 1 for bar in (passed, waiting)]
    assert widths[0] == pytest.approx(3 * widths[1], abs=0.3)
    assert len(elements(svg, "rect", "proven")) == 1


def test_a_status_that_nobody_knows_makes_no_class_of_its_own_choosing() -> None:
    assert charts.status_class('x" onload="y') == "status-x--onload--y"
