"""A service's own directory: it belongs to the account of its server, with all that lies in it.

The directory above it is ours. What is in it may be changed by that account at any moment, while
we are root: nothing is done by a path, no link is followed, and what has a second name is left."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded.accounts import Account

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
Owner = tuple[int, int]


def make(data: Path, name: str, account: Account) -> Path:
    """The directory `name` of `data`, made if it is not there. Raises `DevstackError` for one that
    is no directory, and where `data` is not ours alone, and OSError."""
    with _Opened(data) as above:
        about = os.fstat(above)
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise DevstackError(
                f"others than we may change {data}: owner {about.st_uid}, "
                f"mode {stat.S_IMODE(about.st_mode):04o}",
                f"chmod 0711 {data}, and give it back to yourself",
            )
        try:
            os.mkdir(name, files.PRIVATE_DIR, dir_fd=above)
        except FileExistsError:
            new = False
        else:
            new = True
        with _Opened(data / name, name, above) as found:
            if new and account.owner:
                os.fchown(found, *account.owner)
            if os.fstat(found).st_uid in (account.uid, os.geteuid()):
                os.fchmod(found, files.PRIVATE_DIR)
    return data / name


def hand_over(data: Path, name: str, account: Account, *, whole: bool = False) -> bool:
    """Give the directory `name`, with all in it that belongs to its former owner, to `account`;
    `whole`: what we made in it, where the server has run as root. Whether there was something to
    give. None of its processes may run. Raises OSError."""
    if account.owner is None:
        return False
    with _Opened(data) as above, _Opened(data / name, name, above) as found:
        former = os.fstat(found).st_uid
        if former == account.uid and not whole:
            return False
        theirs = {os.geteuid() if whole else former}
        _give(found, theirs, account.owner, os.fstat(found).st_dev)
        # Last: one that was cut short begins again.
        os.fchown(found, *account.owner)
    return True


def _give(folder: int, former: set[int], owner: Owner, device: int) -> None:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if about.st_dev != device:
            continue
        if stat.S_ISDIR(about.st_mode):
            with _Opened(Path(name), name, folder) as found:
                _give(found, former, owner, device)
                if os.fstat(found).st_uid in former:
                    os.fchown(found, *owner)
        elif stat.S_ISREG(about.st_mode):
            _give_file(folder, name, former, owner)
        elif about.st_uid in former and about.st_nlink == 1:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)


def _give_file(folder: int, name: str, former: set[int], owner: Owner) -> None:
    found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        about = os.fstat(found)
        if about.st_uid in former and about.st_nlink == 1 and stat.S_ISREG(about.st_mode):
            os.fchown(found, *owner)
    finally:
        os.close(found)


class _Opened:
    """An open directory, not by a link."""

    def __init__(self, path: Path, name: str | None = None, above: int | None = None) -> None:
        try:
            self._fd = os.open(name or path, _FOLDER, dir_fd=above)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise DevstackError(
                    f"{path} is a link, or no directory", "move it away, then run it again"
                ) from None
            error.filename = str(path)
            raise

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
