"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from argan_plugin.errors import ImageFileError

_LEFTOVER_NAME = re.compile(r"\.argan-[0-9a-f]{16}")
_LEFTOVER_SECONDS = 3600.0  # a file to which nothing was written for so long has lost its process

# Where Linux has links to the open files of this process, also to those without a name.
_OPEN_FILES = "/proc/self/fd"


@contextlib.contextmanager
def written_whole(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give a file to write to that appears at `path` only when all of it is safely on the disk.

    Until then it has no name on Linux, so that a process that is killed leaves nothing. It is a
    hidden file beside `path` on other systems and on file systems that know no such files, and for
    the moment between two system calls when it replaces another; `remove_leftovers` is for these.

    Raises
    ------
    ImageFileError
        If there is a file already and `overwrite` is false.
    OSError
        If the file cannot be written. Nothing is left behind then, nor after any other exception.
    """
    # In the same folder, for a rename cannot go to another disk. The name is short, so that it is
    # not too long where the real one is not.
    temporary = path.with_name(f".argan-{secrets.token_hex(8)}")
    nameless = _open_nameless(path.parent)
    try:
        with nameless or temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            in_place = nameless is not None and not overwrite and _give_name(file, path)
            if nameless and not in_place and not _give_name(file, temporary):
                _copy(file, temporary)
        if overwrite:
            temporary.replace(path)
        elif not in_place:
            _move_without_overwriting(temporary, path)
    except FileExistsError as error:
        raise ImageFileError(f"{path}: exists already; pass --overwrite to replace it.") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder, but not what others are still writing to."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFTOVER_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age > _LEFTOVER_SECONDS:
                    Path(entry).unlink()


def _open_nameless(folder: Path) -> IO[bytes] | None:
    """Open a new file without a name in a folder; None where that cannot be had (open(2))."""
    if not hasattr(os, "O_TMPFILE") or not Path(_OPEN_FILES).is_dir():
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    except OSError:  # what really is amiss shows when a file with a name is opened
        return None


def _give_name(file: IO[bytes], path: Path) -> bool:
    """Put a nameless file into its folder; say whether the system allows that.

    Raises
    ------
    FileExistsError
        If there is a file of that name.
    """
    try:
        open_files = os.open(_OPEN_FILES, os.O_RDONLY)
        try:
            # With a folder's descriptor Python calls linkat(2), and has it follow the link.
            os.link(str(file.fileno()), path, src_dir_fd=open_files, follow_symlinks=True)
        finally:
            os.close(open_files)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _copy(file: IO[bytes], path: Path) -> None:
    """Write what a nameless file holds to a new file, as safely."""
    file.seek(0)
    with path.open("xb") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _move_without_overwriting(temporary: Path, path: Path) -> None:
    """Rename, but fail with FileExistsError if there is a file, even one made this very moment."""
    try:
        path.hardlink_to(temporary)  # unlike a rename it never replaces; the caller removes the old
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        temporary.rename(path)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where that can be had.

    Windows cannot open a folder and some network file systems cannot sync one; the file is in place
    and its contents are on the disk all the same.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
