"""What drivers raise, as sentences and as classes that can be counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.redact import brief, redact


class WrongAnswer(Exception):
    """The server answered, but not with what was asked for."""


@contextlib.contextmanager
def driver_errors(what: str) -> Iterator[None]:
    """Turn a driver's exception into a `DevstackError` that begins with `what`."""
    try:
        yield
    except DevstackError:
        raise
    except Exception as error:
        raise DevstackError(f"{what}: {sentence(error)}") from error


def class_of(error: Exception) -> str:
    """`OperationalError 2013`: the class, and the number that databases give as the first word."""
    name = type(error).__name__
    number = error.args[0] if error.args else None
    return f"{name} {number}" if type(number) is int and not isinstance(error, OSError) else name


def sentence(error: Exception) -> str:
    """Its first line, without secrets."""
    return brief(redact(str(error).strip().partition("\n")[0])) or type(error).__name__
