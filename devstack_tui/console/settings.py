"""What the console remembers from one session to the next."""

from __future__ import annotations

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.files import make_dir, write_private
from devstack_tui.core.paths import config_home

DEFAULT_THEME = "textual-dark"


class Settings(msgspec.Struct, frozen=True):
    """The contents of `console.json`."""

    theme: str = DEFAULT_THEME


def load() -> Settings:
    """What was saved; the defaults if nothing was, or if the file cannot be used."""
    try:
        return codec.decode((config_home() / "console.json").read_bytes(), Settings)
    except (OSError, ValueError):
        return Settings()


def save(settings: Settings) -> None:
    """Replace `console.json`. Errors: `OSError` when the directory cannot be written."""
    path = make_dir(config_home()) / "console.json"
    write_private(path, msgspec.json.encode(settings) + b"\n")
