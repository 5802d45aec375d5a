"""A folder that is written piece by piece, can be gone on with, and gets its name when it is whole.

Until then it is called ``NAME.unfinished`` and holds a journal, ``.argan-progress.jsonl``: a line
that says what is being done, and a line for each piece that is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from argan_plugin.errors import ImageFileError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_SUFFIX = ".unfinished"
_JOURNAL = ".argan-progress.jsonl"
_SECONDS = 10.0
"""So often the disk is made to hold what the journal says."""


class UnfinishedFolder:
    """What has been written so far.

    Parameters
    ----------
    target : Path
        What the folder is called when it is whole.
    work : dict
        What is being done, as JSON can hold it: a folder that was begun with other work is not
        gone on with.

    Raises
    ------
    ImageFileError
        If `target` exists, another process is at it, other work has been begun there, or it cannot
        be written.
    """

    path: Path
    """The folder as long as it is not whole."""

    def __init__(self, target: Path, work: dict[str, Any]) -> None:
        self._target = target
        self._refuse_existing()
        self.path = target.with_name(target.name + _SUFFIX)
        self._pending: list[str] = []
        self._written = time.monotonic()
        journal = self.path / _JOURNAL
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._file = journal.open("a+", encoding="utf-8")
        except OSError as error:
            raise ImageFileError(f"{self.path}: cannot be written: {error.strerror}.") from error
        try:
            self._lock()
            self._done = self._read(work)
        except BaseException:
            self._file.close()
            raise

    def has(self, piece: str) -> bool:
        """Tell whether a piece has been written, by this process or one before."""
        return piece in self._done

    def note(self, piece: str) -> None:
        """Note that a piece has been written."""
        self._done.add(piece)
        self._pending.append(piece)
        if time.monotonic() - self._written > _SECONDS:
            self.save()

    def save(self) -> None:
        """Put what has been noted into the journal, after the pieces themselves are on the disk."""
        _sync()
        self._file.writelines(json.dumps(piece) + "\n" for piece in self._pending)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._pending.clear()
        self._written = time.monotonic()

    def finish(self) -> None:
        """Give the folder its name.

        Raises
        ------
        ImageFileError
            If something of that name has come meanwhile.
        """
        self._refuse_existing()
        self._file.close()
        (self.path / _JOURNAL).unlink()
        _sync()
        self.path.rename(self._target)

    @contextlib.contextmanager
    def open(self) -> Iterator[UnfinishedFolder]:
        """Within it pieces are written; what has been noted is in the journal at the end."""
        try:
            yield self
        finally:
            if not self._file.closed:
                with self._file:
                    self.save()

    def _refuse_existing(self) -> None:
        if os.path.lexists(self._target):
            raise ImageFileError(f"{self._target}: exists already; delete it or choose another.")

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ImageFileError(f"{self.path}: another process is writing it.") from error
        except OSError:  # a file system without locks
            return

    def _read(self, work: dict[str, Any]) -> set[str]:
        """Return the pieces in the journal, which begins with the work; begin it if it is empty."""
        self._file.seek(0)
        begun, *pieces = list(_lines(self._file.read())) or [None]
        if begun is None:
            self._file.write("\n" + json.dumps(work) + "\n")
            self._file.flush()
            return set()
        if begun != json.loads(json.dumps(work)):
            changed = sorted(key for key in work if begun.get(key) != work[key])
            raise ImageFileError(
                f"{self.path}: was begun with another {' and '.join(changed)}. Go on with the "
                "same, or delete the folder."
            )
        # The end may be a part of a line, of a process that was killed.
        self._file.write("\n")
        return {piece for piece in pieces if isinstance(piece, str)}


def _lines(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _sync() -> None:
    if hasattr(os, "sync"):  # not on Windows
        os.sync()
