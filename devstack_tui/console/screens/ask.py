"""Small dialogs of one question: one of a list, a name, some settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.present.text import plain, shorten

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")


class ChooseScreen(Dialog[str]):
    """The chosen one of `options`, by name; each with a short explanation. Leaves with ""."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q", "refuse", "Cancel")]
    BOX, KEYS, REFUSED = "choose", "enter choose · esc cancel", ""

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._options = tuple(options)

    def body(self) -> ComposeResult:
        width = max((len(name) for name, _ in self._options), default=0)
        yield OptionList(
            *(
                Option(
                    Content.assemble(
                        f"{plain(name):<{width}}  ", Content.styled(plain(about), "$foreground 60%")
                    ),
                    id=f"option-{place}",
                )
                for place, (name, about) in enumerate(self._options)
            )
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._options[event.option_index][0])


class NameScreen(Dialog[str]):
    """A name that can be a file's; `taken` ones are refused. Leaves with ""."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "refuse", "Cancel")]
    BOX, KEYS, REFUSED = "name", "enter save · esc cancel", ""

    def __init__(self, title: str, help: str, taken: Sequence[str]) -> None:
        super().__init__(title)
        self._help = help
        self._taken = frozenset(taken)

    def body(self) -> ComposeResult:
        yield Static(Content(self._help), classes="quiet")
        yield Input(id="new-name", compact=True)
        yield Static(id="name-message")

    def _wrong(self, name: str) -> str:
        if name in self._taken:
            return f"✗ there is {name} already: choose another name"
        if not _NAME.fullmatch(name):
            return "✗ letters, digits, dots, dashes and underscores, at most 41"
        return ""

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        wrong = self._wrong(event.value) if event.value else ""
        self.say("#name-message", wrong, "bad" if wrong else "")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._wrong(event.value):
            self.dismiss(event.value)


class FileScreen(Dialog[str]):
    """The absolute path of a file that exists. Leaves with ""."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "refuse", "Cancel")]
    BOX, KEYS, REFUSED = "name", "enter read · esc cancel", ""

    def __init__(self, title: str, help: str) -> None:
        super().__init__(title)
        self._help = help

    def body(self) -> ComposeResult:
        yield Static(Content(self._help), classes="quiet")
        yield Input(id="save-path", compact=True)
        yield Static(id="save-message")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = Path(event.value.strip()).expanduser().absolute()
        if path.is_file():
            self.dismiss(str(path))
        elif event.value.strip():
            self.say("#save-message", f"✗ {plain(str(path))} is no file", "bad")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a form: `choices` from which `chosen` is one."""

    id: str
    label: str
    choices: tuple[str, ...]
    chosen: str


class FormScreen(Dialog[dict[str, str]]):
    """Settings with up and down, their values with left and right. Leaves with nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q", "refuse", "Cancel"),
        ("enter,g", "accept", "Start"),
        ("up,k", "move(-1)", "Up"),
        ("down,j,tab", "move(1)", "Down"),
        ("left,h,minus", "turn(-1)", "Before"),
        ("right,l,space,plus", "turn(1)", "Next"),
    ]
    BOX, KEYS = "form", "↑ ↓ setting · ← → value · enter start · esc cancel"

    def __init__(self, title: str, help: str, settings: Sequence[Setting]) -> None:
        super().__init__(title)
        self._help = help
        self._settings = tuple(settings)
        self._at = 0
        self.values = {setting.id: setting.chosen for setting in settings}

    def body(self) -> ComposeResult:
        yield Static(Content(self._help), classes="quiet")
        yield Static(id="form-body")

    def on_mount(self) -> None:
        self._draw()

    def action_refuse(self) -> None:
        """Cancel."""
        self.dismiss({})

    def action_accept(self) -> None:
        """Start with these."""
        self.dismiss(dict(self.values))

    def action_move(self, step: int) -> None:
        """To another setting."""
        self._at = (self._at + step) % len(self._settings)
        self._draw()

    def action_turn(self, step: int) -> None:
        """To another value."""
        setting = self._settings[self._at]
        place = setting.choices.index(self.values[setting.id])
        self.values[setting.id] = setting.choices[(place + step) % len(setting.choices)]
        self._draw()

    def _draw(self) -> None:
        lines = []
        for number, setting in enumerate(self._settings):
            here = number == self._at
            value = shorten(plain(self.values[setting.id]), 44)
            text = f"{'▸' if here else ' '} {setting.label:<10} ‹ {value} ›"
            place = setting.choices.index(self.values[setting.id]) + 1
            lines.append(
                Content.assemble(
                    Content.styled(text, "bold $text-accent" if here else ""),
                    Content.styled(f"  {place}/{len(setting.choices)}", "$foreground 60%"),
                )
            )
        self.say("#form-body", Content("\n").join(lines))
