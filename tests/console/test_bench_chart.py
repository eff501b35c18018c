"""The chart: which cells have dots, what a gap is, the scales, the band, the SVG file."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from textual.app import App, ComposeResult

from devstack_tui.console.widgets.raster import Row, frame, raster
from devstack_tui.console.widgets.time_chart import FIRST, SECOND, TimeChart
from devstack_tui.core.plot import (
    LOG,
    ZOOM,
    Axis,
    Band,
    Mark,
    Plot,
    Point,
    Series,
    figure,
    nice,
    tick_texts,
)
from devstack_tui.core.plot_svg import svg

LOOKS = """
.chart--first, .chart--second, .chart--third, .chart--axis, .chart--mark { color: red; }
.chart--band { background: green; }
"""


def plot(*points: Point, **more: object) -> Plot:
    """One line."""
    return Plot(series=(Series("rate", FIRST, points),), **more)  # type: ignore[arg-type]


def texts(rows: list[Row]) -> list[str]:
    """The signs row by row."""
    return ["".join(cell.sign for cell in row) for row in rows]


def columns(shown: Plot, width: int, height: int, look: str = FIRST) -> set[int]:
    """The columns of the plot that have dots of `look`."""
    gutter = frame(shown, width, height).gutter
    rows = raster(shown, width, height)[: height - 1]
    return {n - gutter for row in rows for n, cell in enumerate(row) if cell.look == look}


def row_of(shown: Plot, value: float, width: int = 40, height: int = 21) -> int:
    """The row in which a level line of `value` is drawn."""
    rows = raster(shown, width, height)[: height - 1]
    found = {n for n, row in enumerate(rows) if any(cell.look == FIRST for cell in row)}
    assert len(found) == 1, value
    return found.pop()


def test_a_line_is_drawn_dot_by_dot() -> None:
    shown = plot((0, 0), (10, 10), gap=10, band=Band("", 0, 9.8))
    assert shown.y_axis().high == 12
    rows = texts(raster(plot((0, 0), (10, 9.8), gap=10), 3 + 8, 5))
    assert [row[3:] for row in rows[:4]] == ["      ⡠⠊", "    ⡠⠊  ", "  ⡠⠊    ", "⡠⠊      "]
    assert [row[:3] for row in rows[:4]] == ["10┤", "  │", "  │", " 0┤"]
    assert rows[4] == "   0   10 s"


def test_a_second_without_a_value_is_a_gap() -> None:
    whole = plot(*((float(x), 5.0) for x in range(11)))
    assert columns(whole, 44, 10) == set(range(42))
    missing = plot(*((float(x), 5.0) for x in range(11) if x not in (4, 5, 6)))
    none = plot(*((float(x), None if x in (4, 5, 6) else 5.0) for x in range(11)))
    for broken in (missing, none):
        seen = columns(broken, 44, 10)
        assert {0, 12} <= seen
        assert not seen & set(range(14, 29))
        assert {30, 41} <= seen


def test_a_lone_value_is_seen() -> None:
    assert columns(plot((5.0, 3.0)), 44, 10) == {round(0.5 * 83) // 2}


def test_a_run_boundary_is_a_vertical_line_that_values_do_not_cross() -> None:
    points = tuple((float(x), 5.0) for x in range(21))
    shown = plot(*points, marks=(Mark(9.5, "run 2", breaks=True),))
    rows = raster(shown, 82, 10)
    gutter = frame(shown, 82, 10).gutter
    middle = gutter + round(9.5 / 20 * (82 - gutter - 1))
    marked = [row[middle].sign for row in rows[:9]]
    assert marked.count("┊") == 9
    assert "┊run 2" in texts(rows)[0]
    assert middle - gutter not in columns(shown, 82, 10)
    through = plot(*points, marks=(Mark(9.5, "changed"),))
    assert middle - gutter in columns(through, 82, 10)


def test_the_text_of_a_mark_at_the_right_edge_stands_left_of_it() -> None:
    shown = plot((0, 1), (1, 2), names=("a", "b"), marks=(Mark(1.0, "selected"),))
    assert texts(raster(shown, 40, 10))[0].endswith("selected┊")


def test_the_band_colours_the_rows_between_its_edges_and_no_other() -> None:
    shown = plot((0, 50), (10, 98), band=Band("baseline", 40, 60))
    rows = raster(shown, 40, 12)
    gutter = frame(shown, 40, 12).gutter
    assert [row[gutter].band for row in rows] == [4 <= n <= 6 for n in range(12)]
    assert not any(row[gutter - 1].band for row in rows)
    narrow = plot((0, 50), (10, 98), band=Band("baseline", 50, 50))
    assert sum(row[gutter].band for row in raster(narrow, 40, 12)) == 1


def test_on_a_log_scale_equal_ratios_are_equal_distances() -> None:
    rows = []
    for value in (1.0, 10.0, 100.0):
        level = plot((0, value), (10, value), gap=10, scale=LOG, band=Band("", 1.0, 100.0))
        rows.append(row_of(level, value))
    assert rows[0] - rows[1] == pytest.approx(rows[1] - rows[2], abs=1)
    assert rows in ([19, 10, 0], [19, 9, 0])
    linear = plot((0, 10), (10, 10), gap=10, band=Band("", 1.0, 98.0))
    assert row_of(linear, 10.0) > 15


def test_zero_has_no_place_on_a_log_scale() -> None:
    shown = plot(*((float(x), 0.0 if x == 5 else 10.0) for x in range(11)), scale=LOG)
    assert [len(piece) for piece in shown.segments(shown.series[0])] == [5, 5]


def test_without_unicode_only_ascii_is_drawn() -> None:
    shown = plot((0, 1), (10, 5), band=Band("b", 2, 3), marks=(Mark(5, "run 2", breaks=True),))
    rows = texts(raster(shown, 40, 10, plain=True))
    assert all(row.isascii() for row in rows)
    assert any("*" in row for row in rows)
    assert any("." in row for row in rows)
    assert any("|run 2" in row for row in rows)


def test_lines_of_plain_signs_differ_without_colour() -> None:
    lines = (Series("a", FIRST, ((0, 1), (10, 1))), Series("b", SECOND, ((0, 9), (10, 9))))
    rows = texts(raster(Plot(series=lines, gap=10), 40, 10, plain=True))
    assert any("***" in row for row in rows)
    assert any("+++" in row for row in rows)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (10, 3), (200, 60)])
def test_every_size_is_filled_exactly(size: tuple[int, int]) -> None:
    rows = raster(plot((0, 1), (10, 5), marks=(Mark(10, "run 2"),)), *size)
    assert [len(row) for row in rows] == [size[0]] * size[1]


def test_the_axes_have_round_ticks() -> None:
    assert Axis(0, 6000).ticks(4) == [0, 2000, 4000, 6000]
    assert Axis(0, 20).ticks(4) == [0, 10, 20]
    assert Axis(0, 180).seconds(8) == [0, 30, 60, 90, 120, 150, 180]
    assert Axis(1, 1000, log=True).ticks(4) == [1, 10, 100, 1000]
    assert [nice(4812), nice(0.13), nice(4812, up=False)] == [5000, pytest.approx(0.15), 2000]
    assert tick_texts([0, 2500, 5000]) == ["0", "2.5k", "5k"]
    assert tick_texts([0, 0.05, 0.1]) == ["0", "0.05", "0.1"]
    assert tick_texts([152_400, 152_600]) == ["152.4k", "152.6k"]


def test_zoomed_the_values_and_the_band_fill_the_height() -> None:
    shown = plot((0, 4700), (1, 4900), scale=ZOOM, band=Band("baseline", 4650, 5000))
    axis = shown.y_axis()
    assert 4500 <= axis.low <= 4650
    assert 5000 <= axis.high <= 5200
    level = plot((0, 5.0), (1, 5.0), scale=ZOOM).y_axis()
    assert level.low <= 5.0 < level.high


def test_figures_have_three_digits_and_a_unit() -> None:
    shown = [figure(v) for v in (None, 0.0123, 0.42, 48.1, 999.6, 4812, 120_000, 1.2e6)]
    assert shown == ["–", "0.012", "0.42", "48.1", "1.00k", "4.81k", "120k", "1.20M"]


class ChartApp(App[None]):
    """Only a chart."""

    CSS = LOOKS

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.chart = TimeChart("chart", plain=plain)

    def compose(self) -> ComposeResult:
        yield self.chart


@pytest.mark.parametrize("plain", [False, True], ids=["braille", "ascii"])
async def test_the_legend_tells_the_current_values_and_the_band(plain: bool) -> None:
    app = ChartApp(plain)
    shown = Plot(
        title="x",
        unit="ms",
        series=(Series("p50", FIRST, ((0, 1.0), (1, 2.0))), Series("p99", SECOND, ((0, 9.5),))),
        band=Band("baseline", 1, 1.5),
    )
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart.show(shown)
        await pilot.pause()
        legend = app.chart.render_line(0).text
        assert "p50 2.00" in legend
        assert "p99 9.50 ms" in legend
        assert "baseline 1.00" in legend
        assert legend.isascii() is plain


async def test_an_equal_plot_is_not_drawn_again() -> None:
    app = ChartApp(plain=False)
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart.show(plot((0, 1), (1, 2)))
        await pilot.pause()
        frames = app.chart.frames
        app.chart.show(plot((0, 1), (1, 2)))
        await pilot.pause()
        assert app.chart.frames == frames
        app.chart.show(plot((0, 1), (1, 2), (2, 3)))
        await pilot.pause()
        assert app.chart.frames == frames + 1


async def test_without_values_it_says_why() -> None:
    app = ChartApp(plain=False)
    async with app.run_test(size=(60, 12)) as pilot:
        app.chart.show(Plot(title="x", empty="no run yet"))
        await pilot.pause()
        assert any("no run yet" in app.chart.render_line(y).text for y in range(12))


def test_the_svg_file_has_a_polyline_for_each_piece_and_a_band() -> None:
    points = tuple((float(x), None if x == 5 else 5.0) for x in range(11))
    shown = plot(*points, title="a < b", unit="tps", band=Band("baseline", 4, 6),
                 marks=(Mark(8.5, "run 2", breaks=True),))  # fmt: skip
    root = ET.fromstring(svg([shown, shown]))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}polyline")) == 2 * 3
    assert len(root.findall(f".//{space}rect[@class='band']")) == 2
    said = [text.text for text in root.iter(f"{space}text")]
    assert "a < b" in said
    assert "run 2" in said
