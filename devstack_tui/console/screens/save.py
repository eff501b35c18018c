"""Where to save something: a path is asked for, and its ending chooses the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain


class SaveScreen(ModalScreen[Path | None]):
    """The path that was written. `forms` names what each ending means; `write` may refuse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "refuse", "Cancel"),
        ("up", "turn(-1)", "Form before"),
        ("down", "turn(1)", "Next form"),
    ]

    def __init__(
        self,
        title: str,
        forms: Mapping[str, str],
        stem: str,
        write: Callable[[Path], None],
        about: str = "The last result of every check, into the file",
    ) -> None:
        super().__init__()
        self._title = title
        self._forms = dict(forms)
        self._stem = stem
        self._write = write
        self._about = about

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="save") as box:
            box.border_title = Content(self._title).markup
            box.border_subtitle = "enter save · ↑ ↓ form · esc cancel"
            yield Static(self._about, classes="quiet")
            yield Input(f"{self._stem}{next(iter(self._forms))}", id="save-path", compact=True)
            yield Static(id="save-message")

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.focus()
        self._judge(field.value)

    def action_refuse(self) -> None:
        """Leave without a file."""
        self.dismiss(None)

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
            self._tell(f"✗ end it in {' or '.join(self._forms)}", "bad")
        elif path.exists():
            self._tell(f"▲ {form} · the file exists: enter replaces it", "")
        else:
            self._tell(f"● {form}", "")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = self._path(event.value)
        if path.suffix not in self._forms:
            return
        try:
            self._write(path)
        except DevstackError as error:
            self._tell(f"✗ {plain(str(error))}", "bad")
        else:
            self.dismiss(path)

    def _path(self, text: str) -> Path:
        return Path.cwd() / Path(text.strip()).expanduser()

    def _tell(self, text: str, look: str) -> None:
        message = self.query_one("#save-message", Static)
        message.update(Content(text))
        message.set_classes(look)
