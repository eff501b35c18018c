"""One line about the job of a pane: how far it is, or how it ended."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from devstack_tui.core.plot import seconds_text
from devstack_tui.present import looks
from devstack_tui.present.cells import verdict
from devstack_tui.present.text import plain

GOOD, WARN, BAD, QUIET = "$text-success", "$text-warning", "$text-error", "$foreground 60%"
_STYLES = {looks.GOOD: GOOD, looks.WARN: WARN, looks.BAD: BAD}


def judged(status: str) -> tuple[str, str]:
    """`▲ WARN`, and its style: of a job that ended with a verdict."""
    cell = verdict(status)
    return cell.text, _STYLES.get(cell.look, "")


def is_bad(status: str) -> bool:
    """Whether it found something wrong; a WARN, or what decides nothing, did not."""
    return verdict(status).look == looks.BAD


class JobLine(Static):
    """Equal content is not drawn again."""

    _line: Content | None = None

    def show(self, line: Content) -> None:
        """Show `line`."""
        if self._line is None or not line.is_same(self._line):
            self._line = line
            self.update(line)


def bar(share: float, width: int = 10) -> Content:
    """How much of the whole is done."""
    full = min(int(share * width), width)
    return Content.assemble(
        Content.styled("█" * full, "$text-primary"),
        Content.styled("░" * (width - full), "$foreground 40%"),
    )


def clock(elapsed: float, expected: float) -> Content:
    """Seconds since the start, and of how many, where that is known."""
    if expected <= 0:
        return Content.styled(f" {seconds_text(elapsed)}", QUIET)
    of = f" {seconds_text(elapsed)} of ≈ {seconds_text(expected)}"
    return Content.assemble(" ", bar(elapsed / expected), of)


def with_remedy(message: str, remedy: str) -> str:
    """`the disk is full → free some space`."""
    return " → ".join(filter(None, [plain(message), plain(remedy)]))


def failed(title: str, message: str, remedy: str = "") -> Content:
    """How a job failed."""
    return Content.styled(f" ✗ {plain(title)}: {with_remedy(message, remedy)}", BAD)
