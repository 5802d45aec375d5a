"""What ``argan --resume`` remembers: which outputs it wrote, from which files, and how.

It is a hidden file in the output folder, with a line of JSON for each output. Dates alone could not
tell a change of the model or the strength, and metadata in the outputs themselves would be kept by
other programs that change the pixels. The file is only ever appended to: two runs at once need no
lock, and of a run that is killed at worst the last line is broken, which is ignored.

A line is written before its output gets its name. So no output is there without its line; and a
line without its output says nothing, for an output is recognized by its contents alone.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from argan_plugin.errors import ImageFileError
from argan_plugin.weights import CHROMA, model_path

LIST_NAME = ".argan-resume.jsonl"
"""What the file is called in an output folder."""


class State(enum.Enum):
    """What is to be thought of an output."""

    MISSING = enum.auto()
    """There is none."""

    CURRENT = enum.auto()
    """It is what would be written now."""

    STALE = enum.auto()
    """It was written from what the source was before, or with another model or other settings, and
    nobody else has changed it since."""

    NEWER = enum.auto()
    """It is not on the list as it is now, and no older than its source."""

    OLDER = enum.auto()
    """It is not on the list as it is now, and older than its source."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a source is still the same."""

    name: str
    """The file's name without its folders, which may be mounted elsewhere today."""

    size: int
    """In bytes."""

    mtime_ns: int
    """When it was changed last, in ns since 1970."""

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return a file's stamp.

        Raises
        ------
        OSError
            If it cannot be reached.
        """
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's contents, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums_of(model: Path, *, chroma: bool) -> dict[str, str]:
    """Return the SHA-256 of all models that decide about an output: of luma, and of chroma."""
    sums = {"model": sha256_of(model)}
    return sums | {"chroma_model": sha256_of(model_path(CHROMA))} if chroma else sums


@dataclass(frozen=True, slots=True)
class Written:
    """What tells that an output is still what was written."""

    source: Stamp
    """From before it was read."""

    size: int
    """In bytes."""

    mtime_ns: int
    """When it was changed last, in ns since 1970."""

    sha256: str
    """Of its contents."""

    @classmethod
    def of(cls, source: Stamp, file: IO[bytes]) -> Written:
        """Return the facts of an output; `file` has all of it and is open for reading too."""
        file.flush()
        status = os.fstat(file.fileno())
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        return cls(source, status.st_size, status.st_mtime_ns, digest)


@dataclass(frozen=True, slots=True)
class _Line:
    output: str
    """Relative to the output folder, with slashes."""

    source: Stamp
    settings: Mapping[str, Any]
    size: int
    mtime_ns: int
    sha256: str

    def describes(self, path: Path, status: os.stat_result) -> bool:
        """Tell whether this is what a file holds now; where its date differs, by reading it."""
        if status.st_size != self.size:
            return False
        return status.st_mtime_ns == self.mtime_ns or sha256_of(path) == self.sha256


class OutputList:
    """The outputs that runs with ``--resume`` have written into one folder.

    Parameters
    ----------
    folder : Path
        The output folder; it need not exist yet.
    settings : mapping
        All that decides about an output beside its source, as JSON can hold it.

    Raises
    ------
    ImageFileError
        If the list of earlier runs cannot be read.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._path = folder / LIST_NAME
        self._settings = json.loads(json.dumps(settings))
        self._lines: dict[str, list[_Line]] = {}
        for line in _read(self._path):
            self._lines.setdefault(line.output, []).append(line)

    def state(self, output: Path, source: Path) -> State:
        """Say what is to be thought of an output in the folder, given its source.

        Raises
        ------
        OSError
            If the source, or an output that is there, cannot be reached.
        """
        try:
            status = output.lstat()
        except FileNotFoundError:
            return State.MISSING
        known = [
            line
            for line in self._lines.get(self._name(output), ())
            if stat.S_ISREG(status.st_mode) and line.describes(output, status)
        ]
        stamp = Stamp.of(source)
        if any(line.source == stamp and line.settings == self._settings for line in known):
            return State.CURRENT
        if known:
            return State.STALE
        return State.NEWER if status.st_mtime_ns >= stamp.mtime_ns else State.OLDER

    def add(self, output: Path, written: Written) -> None:
        """Add an output in the folder, before it gets its name.

        Raises
        ------
        ImageFileError
            If the list cannot be written.
        """
        line = _Line(
            self._name(output),
            written.source,
            self._settings,
            written.size,
            written.mtime_ns,
            written.sha256,
        )
        try:
            _append(self._path, json.dumps(asdict(line)))
        except OSError as error:
            raise ImageFileError(f"{self._path}: cannot be written: {error.strerror}.") from error

    def _name(self, output: Path) -> str:
        return output.relative_to(self._folder).as_posix()


def _read(path: Path) -> Iterator[_Line]:
    """Yield the lines that are whole; no file is an empty one."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ImageFileError(
                f"{path}: expected a list of outputs, but this is no regular file."
            )
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be read: {error.strerror}.") from error
    for text in data.splitlines():
        # Whatever else a line may hold, it is not one of ours.
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            fields = json.loads(text)
            yield _Line(**fields | {"source": Stamp(**fields["source"])})


def _append(path: Path, text: str) -> None:
    """Append a line, safely on the disk, in one go, so that lines of two runs do not mix."""
    no_follow = getattr(os, "O_NOFOLLOW", 0)  # a link could lead to any file of the user
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | no_follow, 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":  # the end of a line that a run was killed in
                text = "\n" + text
        file.write(text.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
