"""The one writer of SVG. Sizes and places are in pixels; every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

Value = str | float
Points = Iterable[tuple[float, float]]


def document(
    width: float, height: float, parts: Iterable[str], title: str = "", **more: Value
) -> str:
    """A whole picture that needs nothing else. `title` is what a screen reader reads out."""
    wide, tall = math.ceil(width), math.ceil(height)
    inside = [element("title", escape(title))] if title else []
    frame = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {wide} {tall}"}
    return element(
        "svg", "\n".join(["", *inside, *parts, ""]), **frame, width=wide, height=tall, **more
    )


def element(tag: str, content: str = "", /, **attributes: Value) -> str:
    """One element. `content` is markup already; `stroke_width` becomes `stroke-width`, `look` the
    class."""
    named = "".join(
        f' {"class" if name == "look" else name.replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value != ""
    )
    return f"<{tag}{named}>{content}</{tag}>" if content else f"<{tag}{named}/>"


def _value(value: Value) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 2):g}"


def text(x: float, y: float, words: str, **more: Value) -> str:
    """`words` on the line `y`, from `x` on or as `text_anchor` has it."""
    return element("text", escape(words) or " ", x=x, y=y, **more)


def rect(x: float, y: float, width: float, height: float, title: str = "", **more: Value) -> str:
    """A rectangle; `title` is shown under the mouse."""
    inside = element("title", escape(title)) if title else ""
    return element("rect", inside, x=x, y=y, width=width, height=height, **more)


def line(start: tuple[float, float], end: tuple[float, float], **more: Value) -> str:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **more)


def polyline(points: Points, **more: Value) -> str:
    """A line through all the points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=places, fill="none", **more)


def circle(x: float, y: float, radius: float, **more: Value) -> str:
    """A dot."""
    return element("circle", cx=x, cy=y, r=radius, **more)
