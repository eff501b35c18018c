"""The log of a service: follow, filter, search."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from devstack_tui.console.health.log_buffer import Line, LogBuffer, PatternError
from devstack_tui.console.health.log_lines import LogLines
from devstack_tui.console.keys import bindings
from devstack_tui.present.text import plain


class _Prompt(Input):
    """One line of input that leaves with escape."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Close")]

    def action_leave(self) -> None:
        """Close without a change."""
        view = self.parent
        assert isinstance(view, LogView)
        view.close_prompt()


class LogView(Vertical):
    """Shows the lines it is given."""

    BINDINGS = bindings("log")

    def __init__(self) -> None:
        super().__init__(id="log", classes="bottom")
        self.buffer = LogBuffer()
        self.service = ""
        self._asks = ""
        self._end = ""

    def compose(self) -> ComposeResult:
        yield LogLines(self.buffer)
        yield Static(id="log-message")
        yield _Prompt(id="log-prompt", compact=True)

    def on_mount(self) -> None:
        self.lines.focus()
        self._show_caption()

    @property
    def lines(self) -> LogLines:
        """The lines in view."""
        return self.query_one(LogLines)

    def open(self, service: str) -> None:
        """Begin the log of `service` with no line."""
        self.service = service
        self._end = ""
        self.buffer.clear()
        if self.is_mounted:
            self.lines.forget()
            self.lines.focus()
            self._show_caption()

    def add(self, lines: list[Line]) -> None:
        """More lines have come."""
        dropped = self.buffer.extend(lines)
        self.lines.added(lines, dropped)
        self._show_caption()

    def end(self, message: str) -> None:
        """No more lines will come."""
        self._end = plain(message)
        self._show_caption()

    def action_log_follow(self) -> None:
        """Keep the newest line in view, or stop doing so."""
        self.lines.follow = not self.lines.follow
        self.lines.changed()
        self._show_caption()

    def action_log_filter(self) -> None:
        """Ask for the filter."""
        self._ask("filter", self.buffer.filter.pattern if self.buffer.filter else "")

    def action_log_search(self) -> None:
        """Ask for the text to search."""
        self._ask("search", self.buffer.search.pattern if self.buffer.search else "")

    def action_log_next(self) -> None:
        """Go to the next match."""
        self._jump(1)

    def action_log_previous(self) -> None:
        """Go to the match before."""
        self._jump(-1)

    def close_prompt(self) -> None:
        """Back from the prompt to the lines."""
        prompt = self.query_one(_Prompt)
        prompt.display = False
        self._asks = ""
        self._message("")
        self.lines.focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        asked = self._asks
        try:
            if asked == "filter":
                self.buffer.set_filter(event.value)
                self.lines.current = None
            else:
                self.buffer.set_search(event.value)
        except PatternError as error:
            self._message(f"✗ {error}  (a \\ before a sign takes it as it is)")
            return
        self.close_prompt()
        self.lines.changed()
        if asked == "search" and event.value:
            # From the last line in view, backwards: the newest match is the likeliest wanted.
            self.lines.current = None
            self._jump(-1)
        self._show_caption()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._message("")

    def _ask(self, what: str, value: str) -> None:
        prompt = self.query_one(_Prompt)
        self._asks = what
        prompt.placeholder = (
            "show only lines that match (text or regular expression; empty: all)"
            if what == "filter"
            else "find (text or regular expression)"
        )
        prompt.value = value
        prompt.display = True
        prompt.focus()

    def _jump(self, step: int) -> None:
        lines = self.lines
        if self.buffer.search is None:
            self.action_log_search()
            return
        count = len(self.buffer.shown)
        start = lines.current if lines.current is not None else (count if step < 0 else -1)
        place = self.buffer.find(start, step)
        if place is None:
            self._message(f"no line matches {self.buffer.search.pattern}")
            return
        lines.follow = False
        lines.go_to(place)
        self._show_caption()

    def _message(self, text: str) -> None:
        message = self.query_one("#log-message", Static)
        message.update(Content(text))
        message.display = bool(text)

    def _show_caption(self) -> None:
        parts = [f"Log of {self.service}"]
        shown, kept = len(self.buffer.shown), len(self.buffer)
        if self.buffer.filter is not None:
            parts.append(f"{shown} of {kept} lines match {self.buffer.filter.pattern}")
        else:
            parts.append(f"{kept} lines")
        if self._end:
            parts.append(self._end)
        elif self.lines.follow:
            parts.append("following")
        self.border_title = Content(" · ".join(parts)).markup
        self.border_subtitle = "f follow  & filter  / search  n N next, previous  esc close"
