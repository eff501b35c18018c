"""Where to save something: a path is asked for, and its ending chooses the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain


class SaveScreen(Dialog[Path | None]):
    """The path that was written. `forms` names what each ending means; `write` may refuse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "refuse", "Cancel"),
        ("up", "turn(-1)", "Form before"),
        ("down", "turn(1)", "Next form"),
    ]
    BOX, KEYS = "save", "enter save · ↑ ↓ form · esc cancel"

    def __init__(
        self,
        title: str,
        forms: Mapping[str, str],
        stem: str,
        write: Callable[[Path], None],
        about: str = "The last result of every check, into the file",
    ) -> None:
        super().__init__(title)
        self._forms = dict(forms)
        self._stem = stem
        self._write = write
        self._about = about

    def body(self) -> ComposeResult:
        yield Static(self._about, classes="quiet")
        yield Input(f"{self._stem}{next(iter(self._forms))}", id="save-path", compact=True)
        yield Static(id="save-message")

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.focus()
        self._judge(field.value)

    def action_turn(self, step: int) -> None:
        """Another form: the path gets its ending."""
        field = self.query_one(Input)
        path = Path(field.value)
        endings = list(self._forms)
        if path.suffix in endings:
            place = (endings.index(path.suffix) + step) % len(endings)
            field.value = str(path.with_suffix(endings[place]))
        elif field.value:
            field.value += endings[0]
        field.action_end()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge(event.value)

    def _judge(self, text: str) -> None:
        path = self._path(text)
        form = self._forms.get(path.suffix)
        if form is None:
            self.say("#save-message", f"✗ end it in {' or '.join(self._forms)}", "bad")
        elif path.exists():
            self.say("#save-message", f"▲ {form} · the file exists: enter replaces it")
        else:
            self.say("#save-message", f"● {form}")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = self._path(event.value)
        if path.suffix not in self._forms:
            return
        try:
            self._write(path)
        except DevstackError as error:
            self.say("#save-message", f"✗ {plain(str(error))}", "bad")
        else:
            self.dismiss(path)

    def _path(self, text: str) -> Path:
        return Path.cwd() / Path(text.strip()).expanduser()
