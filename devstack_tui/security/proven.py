"""What was seen to turn red on a real stack, and by which code of ours: `baselines/proven.json`.

It is written by `check prove --record` in the source tree and ships with us. A proof counts
while the files are what they were that ran for it; without the record nothing is proven.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import shipped
from devstack_tui.security.events import Proof
from devstack_tui.security.traced import digest, written

FILE = "baselines/proven.json"


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ran`: indices into `files` of the document."""

    turned: tuple[str, ...]
    ran: tuple[int, ...]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    files: tuple[tuple[str, str], ...] = ()
    sabotages: dict[str, _Seen] = {}


@dataclass(frozen=True, slots=True)
class Record:
    """`turned`: the checks that each sabotage turned red, by its id; `changed`: which of the files
    that ran for it differ now. What is in `changed` has to be proven again."""

    turned: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, tuple[str, ...]]

    def by(self, check: str) -> tuple[str, ...]:
        """The sabotages that were seen to turn the check, and count."""
        return tuple(
            id for id, turned in self.turned.items() if check in turned and id not in self.changed
        )


NOTHING = Record({}, {})


def read() -> Record:
    """Raises `DevstackError` for a file that cannot be used: what is proven is never guessed."""
    path = shipped(FILE)
    known = _decoded(path)
    stale = {at for at, (name, was) in enumerate(known.files) if digest(name) != was}
    try:
        changed = {
            id: tuple(known.files[at][0] for at in seen.ran if at in stale)
            for id, seen in known.sabotages.items()
            if stale & set(seen.ran)
        }
    except IndexError as error:
        raise DevstackError(f"{path} is damaged: {error}") from None
    return Record({id: seen.turned for id, seen in known.sabotages.items()}, changed)


def record_path() -> Path:
    """Where to record. Raises `UsageError` for an installed package: its files are not ours."""
    path = shipped(FILE)
    if "_files" in path.parts or not (path.parent.parent / "pyproject.toml").exists():
        raise UsageError("what is proven is recorded in a checkout of the source only")
    return path


def record(
    path: Path, proofs: Iterable[Proof], since: float = math.inf, *, whole: bool = True
) -> None:
    """Write these proofs into the file: in place of all that is in it, or, unless `whole`, of what
    it has of the same sabotages. One that does not hold is left out, and so is one with a file of
    ours that was written after `since` (Unix time): other code ran than is there now.

    Raises `DevstackError` where it cannot be written, or what it has cannot be read.
    """
    proofs = tuple(proofs)
    known = _Document() if whole else _decoded(path)
    again = {proof.sabotage for proof in proofs}
    # With the digests of then: what has changed since is not proven by being written again.
    ran = {
        id: (seen.turned, tuple(known.files[at] for at in seen.ran))
        for id, seen in known.sabotages.items()
        if id not in again
    }
    ran |= {
        one.sabotage: (one.turned, tuple((name, digest(name)) for name in one.ran))
        for one in proofs
        if one.holds and not any(written(name) > since for name in one.ran)
    }
    kept = sorted({file for _, read in ran.values() for file in read})
    place = {file: at for at, file in enumerate(kept)}
    document = _Document(
        tuple(kept),
        {
            id: _Seen(turned, tuple(place[file] for file in read))
            for id, (turned, read) in sorted(ran.items())
        },
    )
    text = msgspec.json.encode(document).replace(b'},"', b'},\n"').replace(b"],[", b"],\n[")
    try:
        files.write_private(path, text + b"\n", 0o644)
    except OSError as error:
        raise files.explain(error, f"writing {path}") from None


def _decoded(path: Path) -> _Document:
    """Raises `DevstackError` for a file that cannot be used; one that is not there has nothing."""
    try:
        return codec.decode(path.read_bytes(), _Document)
    except FileNotFoundError:
        return _Document()
    except OSError as error:
        raise files.explain(error, "reading what is proven") from None
    except ValueError as error:
        raise DevstackError(f"{path} is damaged: {error}") from None
