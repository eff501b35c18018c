"""The environment of our processes, and of what they start: the user's settings for drivers and
tools (PG*, MYSQL*, VAULT_*, proxies, OPENSSL_CONF …) are about other servers than ours."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

# What is about the user, the terminal, the desktop, this Python, or ourselves. A list of what is
# to go would never be complete.
_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|TMPDIR|TZ|TZDIR|LANG|LANGUAGE|LOCPATH|COLUMNS|LINES"
    r"|NO_COLOR|COLORTERM|CLICOLOR|CLICOLOR_FORCE|FORCE_COLOR|TMUX|TMUX_PANE|STY|CI|VIRTUAL_ENV"
    r"|DISPLAY|WAYLAND_DISPLAY|BROWSER|EDITOR|VISUAL|PAGER|TERM.*|PYTHON.*"
    r"|(?:XDG|DEVSTACK_TUI|LC|LD|SSH|SUDO|DBUS|TEXTUAL|COVERAGE|COV|PYTEST)_.*"
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOWHERE = "/nonexistent"
_given: dict[str, str] = {}


def clean() -> None:
    """Take out of this process's environment what is not for us. To be called before anything is
    imported that reads it: OpenSSL does when it is loaded."""
    _given.update(os.environ)
    for name in _given:
        if not _KEPT.fullmatch(name):
            del os.environ[name]


def given() -> dict[str, str]:
    """What this process was started with, for a program that works for the user, such as pip."""
    return {**os.environ, **_given}


def of_child(more: Mapping[str, str], home: Path | str = _NOWHERE) -> dict[str, str]:
    """The whole environment of a server or tool: nothing of the user's but PATH, so that no secret
    and no setting of theirs reaches it. Their dot files are not found in `home`."""
    return {
        "PATH": os.environ.get("PATH", _PATH),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        **more,
    }
