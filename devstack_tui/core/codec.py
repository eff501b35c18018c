"""Typed JSON, in any number of threads: `msgspec.json.decode` and `msgspec.convert` made safe.

msgspec gathers what it knows of a type when the type is first used. Two threads that do so at the
same moment can crash the interpreter (msgspec 0.22: SIGSEGV, seen in `status` and `tune show`).
Here the first use of a type is alone; after it nothing waits.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

_T = TypeVar("_T")
_lock = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


@overload
def decode(raw: bytes | str, kind: type[_T]) -> _T: ...
@overload
def decode(raw: bytes | str, kind: Any) -> Any: ...
def decode(raw: bytes | str, kind: Any) -> Any:
    """The JSON document `raw` as a `kind`. Raises `msgspec.DecodeError`, of which
    `msgspec.ValidationError` is one."""
    return _decoder(kind).decode(raw)


@overload
def convert(data: object, kind: type[_T]) -> _T: ...
@overload
def convert(data: object, kind: Any) -> Any: ...
def convert(data: object, kind: Any) -> Any:
    """Plain objects, as TOML gives them, as a `kind`. Raises `msgspec.ValidationError`."""
    _decoder(kind)
    return msgspec.convert(data, kind)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    found = _decoders.get(kind)
    if found is None:
        with _lock:
            # Making it gathers what is known of the type, and of all types in it.
            found = _decoders.get(kind) or msgspec.json.Decoder(kind)
            _decoders[kind] = found
    return found
