"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from argan_plugin.errors import ImageFileError


@contextlib.contextmanager
def written_whole(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give a file to write to that appears at `path` only when all of it is safely on the disk.

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
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _move_without_overwriting(temporary, path)
    except FileExistsError as error:
        raise ImageFileError(f"{path}: exists already; pass --overwrite to replace it.") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


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
