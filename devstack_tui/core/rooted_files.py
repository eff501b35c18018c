"""The files below one directory: by descriptors, so that no link on the way is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@dataclass(frozen=True, slots=True)
class FileStat:
    """What is known of a file without opening it: `mode` are its permission bits, `uid` its owner,
    `own` whether that is the account it belongs to, `size` bytes, `mtime_ns` Unix time."""

    mode: int
    uid: int
    own: bool
    size: int
    mtime_ns: int
    is_directory: bool = False
    is_link: bool = False


def parts_of(name: str) -> list[str]:
    """The parts of a relative name; none for the directory itself. Raises `DevstackError` for an
    absolute name and for one that leads out of the directory."""
    if name.startswith("/") or "\0" in name or ".." in name.split("/"):
        raise DevstackError(f"{name!r} is not the name of a file below a service's directory")
    return [part for part in name.split("/") if part not in ("", ".")]


class RootedFiles:
    """See `devstack_tui.contracts.service_files.ServiceFiles`. `owner` (uid, gid) is given to
    every file and directory that is made; None: whoever makes it.

    Another account than ours may put anything below its directory, while we may be root: no link
    is followed, nothing is done by a path that it can change meanwhile, and a file that has a
    second name, which may lie in /etc, is neither read nor changed."""

    def __init__(self, root: Path, owner: tuple[int, int] | None = None) -> None:
        self._root = root
        self._owner = owner

    def path(self, name: str = "") -> str:
        """See the Protocol."""
        return str(self._root.joinpath(*parts_of(name)))

    def read(self, name: str, last: int | None = None) -> bytes:
        """See the Protocol."""
        with (
            self._opened(name, os.O_RDONLY | os.O_NONBLOCK) as found,
            open(found, "rb", closefd=False) as file,
        ):
            if last is not None:
                file.seek(max(0, os.fstat(found).st_size - last))
            return file.read()

    def write(
        self,
        name: str,
        data: str | bytes,
        *,
        mode: int = files.PRIVATE_FILE,
        mtime_ns: int | None = None,
    ) -> str:
        """See the Protocol."""
        with self._within(name) as (folder, leaf):
            files.write_private(
                Path(leaf), data, mode, self._owner, folder=folder, mtime_ns=mtime_ns
            )
        return self.path(name)

    def edit(self, name: str, change: Callable[[str], str], *, keep_mtime: bool = False) -> str:
        """See the Protocol."""
        before, found = self.read(name).decode(), self.stat(name)
        after = change(before)
        if found is not None and after != before:
            self.write(
                name, after, mode=found.mode, mtime_ns=found.mtime_ns if keep_mtime else None
            )
        return before

    def stat(self, name: str = "") -> FileStat | None:
        """See the Protocol."""
        try:
            with self._within(name) as (folder, leaf):
                found = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileStat(
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            own=found.st_uid == (self._owner[0] if self._owner else os.geteuid()),
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            is_directory=stat.S_ISDIR(found.st_mode),
            is_link=stat.S_ISLNK(found.st_mode),
        )

    def list(self, name: str = "") -> tuple[str, ...]:
        """See the Protocol."""
        try:
            with self._opened(name, _FOLDER) as folder:
                return tuple(sorted(os.listdir(folder)))  # noqa: PTH208
        except FileNotFoundError:
            return ()

    def directory(self, name: str) -> str:
        """See the Protocol."""
        made = ""
        for part in parts_of(name):
            made = f"{made}/{part}".lstrip("/")
            with self._within(made) as (folder, leaf), contextlib.suppress(FileExistsError):
                os.mkdir(leaf, files.PRIVATE_DIR, dir_fd=folder)
            with self._opened(made, _FOLDER) as folder:
                self._give(folder, files.PRIVATE_DIR)
        return self.path(name)

    def chmod(self, name: str, mode: int) -> None:
        """See the Protocol."""
        with self._opened(name, os.O_RDONLY | os.O_NONBLOCK) as found:
            os.fchmod(found, mode)

    def copy(self, name: str, new: str) -> None:
        """See the Protocol."""
        with (
            self._opened(name, os.O_RDONLY | os.O_NONBLOCK) as source,
            self._within(new) as (folder, leaf),
        ):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(leaf, dir_fd=folder)
            fresh = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            target = os.open(leaf, fresh, files.PRIVATE_FILE, dir_fd=folder)
            with open(source, "rb", closefd=False) as reader, os.fdopen(target, "wb") as writer:
                shutil.copyfileobj(reader, writer)
                self._give(target, files.PRIVATE_FILE)

    def rename(self, name: str, new: str) -> None:
        """See the Protocol."""
        with self._within(name) as (folder, leaf), self._within(new) as (other, last):
            os.replace(leaf, last, src_dir_fd=folder, dst_dir_fd=other)

    def link(self, name: str, target: str) -> None:
        """See the Protocol."""
        with self._within(name) as (folder, leaf):
            os.symlink(target, leaf, dir_fd=folder)

    def remove(self, name: str) -> None:
        """See the Protocol."""
        found = self.stat(name)
        if found is None:
            return
        with self._within(name) as (folder, leaf):
            if found.is_directory:
                shutil.rmtree(leaf, dir_fd=folder)
            else:
                os.unlink(leaf, dir_fd=folder)

    def connect(self, name: str, timeout: float) -> socket.socket:
        """See the Protocol. A socket's path has at most 107 bytes: it is reached through an open
        descriptor, however long the directory's path is."""
        with self._opened(name, os.O_PATH) as found:
            if self._owner and os.fstat(found).st_uid not in (os.geteuid(), self._owner[0]):
                raise PermissionError(errno.EPERM, "belongs to another account", self.path(name))
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(timeout)
                made.connect(f"/proc/self/fd/{found}")
            except BaseException:
                made.close()
                raise
            return made

    def _give(self, opened: int, mode: int) -> None:
        os.fchmod(opened, mode)
        if self._owner is not None:
            os.fchown(opened, *self._owner)

    @contextlib.contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        """A file or directory, not through a link."""
        with self._within(name) as (folder, leaf):
            found = os.open(leaf, flags | os.O_NOFOLLOW, files.PRIVATE_FILE, dir_fd=folder)
            try:
                self._refuse_linked(found)
                yield found
            finally:
                os.close(found)

    def _refuse_linked(self, found: int) -> None:
        """A server's account may give any file another name, among its own."""
        about = os.fstat(found)
        if self._owner and about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode):
            raise OSError(errno.EMLINK, "It has a second name somewhere else (a hard link)")

    @contextlib.contextmanager
    def _within(self, name: str) -> Iterator[tuple[int, str]]:
        """The open directory that `name` lies in, and its last part; errors say the whole path."""
        *folders, leaf = parts_of(name) or ["."]
        try:
            with contextlib.ExitStack() as opened:
                own = os.O_NOFOLLOW if self._owner else 0
                folder = os.open(self._root, _FOLDER | own)
                opened.callback(os.close, folder)
                for part in folders:
                    folder = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                    opened.callback(os.close, folder)
                yield folder, leaf
        except OSError as error:
            error.filename, error.filename2 = self.path(name), None
            raise
