"""How values read on the screen: short, of a known width, and free of control characters."""

from __future__ import annotations

import re
import time

BLANK = "–"
_BARS = "▁▂▃▄▅▆▇█"
# Escape sequences first, then what is left of C0, C1 and the signs that turn the writing direction.
_UNSAFE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    """`text` as one line that cannot steer the terminal: no escapes, tabs made spaces."""
    return _UNSAFE.sub("", text.replace("\n", " ")).expandtabs(4)


def duration(seconds: float | None) -> str:
    """At most six signs: `48 s`, `12 m`, `3h 05m`, `13 h`, `4d 11h`, `12 d`."""
    if seconds is None:
        return BLANK
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 60:
        return f"{whole} s"
    if minutes < 60:
        return f"{minutes} m"
    if hours < 24:
        return f"{hours}h {minutes % 60:02}m" if hours < 10 else f"{hours} h"
    return f"{days}d {hours % 24}h" if days < 10 else f"{days} d"


def ago(seconds: float) -> str:
    """`7 s ago`, `5 min ago`, `3 h ago`, `4 d ago`."""
    whole = max(int(seconds), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} ago"
    return f"{whole} s ago"


def memory(size: int | None) -> str:
    """Bytes in binary units with at most three digits: `512 K`, `87 M`, `1.4 G`."""
    if size is None:
        return BLANK
    value = float(size)
    for unit in ("B", "K", "M"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} G" if value < 99.5 else f"{value:.0f} G"


def millis(value: float | None) -> str:
    """Milliseconds with three significant digits, without the unit."""
    if value is None:
        return BLANK
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def percent(value: float | None) -> str:
    """Percent of one core, without the sign."""
    if value is None:
        return BLANK
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def clock_time(at: float) -> str:
    """The local time of day of Unix time `at`."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def when(at: float) -> str:
    """`11-02 12:00:00`, local time."""
    return time.strftime("%m-%d %H:%M:%S", time.localtime(at))


def date(at: float) -> str:
    """The local date of Unix time `at`."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def tls_version(tls: str) -> str:
    """`TLSv1.3` as `1.3`; other words as they are."""
    return tls.removeprefix("TLSv").removeprefix("TLS ").strip() or BLANK


def sparkline(values: tuple[float, ...], width: int) -> str:
    """The last `width` values as bars; half the height is their median, twice that the top.

    A steady probe is then a quiet line in the middle, however fast it is, and a slow one stands
    out of it.
    """
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return ""
    middle = sorted(shown)[len(shown) // 2]
    last = len(_BARS) - 1
    scale = last / (2 * middle) if middle > 0 else 0.0
    return "".join(_BARS[min(last, max(round(value * scale), 0))] for value in shown)


def shorten(text: str, width: int) -> str:
    """`text` cut to `width` signs, the cut marked."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
