"""Which checks were seen to turn red on a real stack: `baselines/proven.json`.

It is written by `check prove --all --record` in the source tree and ships with us.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import shipped
from devstack_tui.security.events import Proof

FILE = "baselines/proven.json"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sabotages: dict[str, tuple[str, ...]] = {}


def turned_by() -> dict[str, tuple[str, ...]]:
    """The checks that each sabotage turned, by its id.

    Raises `DevstackError` for a file that cannot be used: what is proven is never guessed.
    """
    path = shipped(FILE)
    try:
        return codec.decode(path.read_bytes(), _Document).sabotages
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise files.explain(error, "reading what is proven") from None
    except ValueError as error:
        raise DevstackError(f"{path} is damaged: {error}") from None


def proven() -> frozenset[str]:
    """The ids of the checks that some sabotage was seen to turn."""
    return frozenset(check for turned in turned_by().values() for check in turned)


def record_path() -> Path:
    """Where to record. Raises `UsageError` for an installed package: its files are not ours."""
    path = shipped(FILE)
    if "_files" in path.parts or not (path.parent.parent / "pyproject.toml").exists():
        raise UsageError("what is proven is recorded in a checkout of the source only")
    return path


def record(path: Path, proofs: Iterable[Proof]) -> None:
    """Replace the file by these proofs; one that does not hold is left out.

    Raises `DevstackError` where it cannot be written.
    """
    held = {proof.sabotage: tuple(sorted(proof.turned)) for proof in proofs if proof.holds}
    document = _Document(dict(sorted(held.items())))
    try:
        files.write_private(path, msgspec.json.format(msgspec.json.encode(document)) + b"\n", 0o644)
    except OSError as error:
        raise files.explain(error, f"writing {path}") from None
