"""Restore one file of a batch, whatever may happen to it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from argan_plugin.bands import part_of, restore_bands
from argan_plugin.batch import Job
from argan_plugin.coefficients import LumaCoefficients
from argan_plugin.consistency import restore_consistently
from argan_plugin.decoding import DamagedFileError
from argan_plugin.errors import ArganError, ImageFileError, NothingToRestore
from argan_plugin.files import read_picture
from argan_plugin.inspection import grid_of_earlier, steps_to_keep_to
from argan_plugin.jpeg_sources import check_needed, find_compressions, stated_coefficients
from argan_plugin.model import RestorationModel
from argan_plugin.picture import Picture
from argan_plugin.resume import Stamp, Written
from argan_plugin.settings import Settings
from argan_plugin.truncated import read_what_is_there
from argan_plugin.writing import check_writable, write_picture


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of a file: it is restored if neither `skipped` nor `failed` says why not."""

    skipped: str | None = None
    """Why there was nothing to restore."""

    failed: str | None = None
    """What went wrong, beginning with a path."""

    note: str | None = None
    """What was lost, or left out, although the file was restored."""


class FileSteps:
    """One file on its way, as `overlap.Steps`: what goes wrong ends it, and is in its result.

    Parameters
    ----------
    job, model, settings, overwrite, list_output, progress
        As in `restore_file`.
    """

    result: Result | None = None
    """What became of the file; None while there is something left to do."""

    def __init__(
        self,
        job: Job,
        model: RestorationModel,
        settings: Settings,
        *,
        overwrite: bool,
        list_output: Callable[[Written], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._job, self._model, self._settings = job, model, settings
        self._overwrite, self._list_output, self._progress = overwrite, list_output, progress
        self._picture: Picture | None = None
        self._quantization: Sequence[int] | None = None
        self._grid: tuple[int, int] | None = None
        self._coefficients: LumaCoefficients | None = None
        self._notes: list[str | None] = []
        self._write_options: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """How many bytes the pixels have; 0 if there are none, or not any more."""
        return sum(frame.nbytes for frame in self._picture.frames) if self._picture else 0

    def read(self) -> None:
        """Decode the file, and see whether it is to be restored and can be written."""
        with self._noting_failure():
            self._read()

    def restore(self) -> None:
        """Run the network, if the file could be read."""
        if self._picture is not None:
            with self._noting_failure():
                # Under the same name, so that the pixels as they were take no memory while writing.
                self._picture = _restored(
                    self._picture,
                    self._quantization,
                    self._grid,
                    self._coefficients,
                    self._model,
                    self._settings,
                    self._progress,
                )
                self._coefficients = None

    def write(self) -> None:
        """Write the result, if there is one."""
        if self._picture is not None:
            with self._noting_failure():
                note = write_picture(self._job.target, self._picture, **self._write_options)
                self._picture = None
                self.result = Result(note="; ".join(filter(None, (*self._notes, note))) or None)

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._picture = self._coefficients = None
            self.result = result_of(error, self._job, self._settings)

    def _read(self) -> None:
        job, settings = self._job, self._settings
        if self._list_output:
            self._write_options["before_naming"] = functools.partial(
                _list, self._list_output, Stamp.of(job.source)
            )
        read = read_what_is_there if settings.accept_truncated else read_picture
        status = job.source.stat()
        picture = read(job.source)
        check_writable(job.target, picture)  # before the work
        self._notes.append(picture.note)
        file, earlier = find_compressions(job.source, picture)
        above = settings.skip_above_quality
        if above is not None:
            self._notes.append(check_needed(job.source, file, earlier, above))
        self._quantization = steps_to_keep_to(file, earlier)
        self._grid = grid_of_earlier(file, earlier)
        if settings.consistent:
            self._coefficients, note = stated_coefficients(job.source)
            self._notes.append(note)
        self._write_options |= {
            "overwrite": self._overwrite,
            "quality": settings.quality,
            "times_ns": (status.st_atime_ns, status.st_mtime_ns) if settings.keep_times else None,
        }
        self._picture = picture


def restore_file(
    job: Job,
    model: RestorationModel,
    settings: Settings,
    *,
    overwrite: bool,
    list_output: Callable[[Written], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Read, restore and write one file, one step after the other.

    Parameters
    ----------
    job : Job
        Which file becomes which.
    model : RestorationModel
        Open.
    settings : Settings
        How.
    overwrite : bool
        Whether this output may replace a file, which `settings` do not decide alone.
    list_output : callable, optional
        Called with the facts of the output when it is whole, before it gets its name.
    progress : callable, optional
        As in `restore`.

    Returns
    -------
    Result
        What went wrong is in it: one file must not keep a thousand others from being done.
    """
    steps = FileSteps(
        job, model, settings, overwrite=overwrite, list_output=list_output, progress=progress
    )
    steps.read()
    steps.restore()
    steps.write()
    assert steps.result is not None
    return steps.result


def result_of(error: Exception, job: Job, settings: Settings) -> Result:
    """Return what to tell of a file that could not be restored."""
    if isinstance(error, NothingToRestore):
        return Result(skipped=str(error).removeprefix(f"{job.source}: ").removesuffix("."))
    if isinstance(error, DamagedFileError):
        accepts = settings.accept_truncated
        advice = "" if accepts else " --accept-truncated restores what is there."
        return Result(failed=f"{error}{advice}")
    if isinstance(error, ImageFileError):  # its message has the path
        return Result(failed=str(error))
    if isinstance(error, ArganError):
        return Result(failed=f"{job.source}: {error}")
    if isinstance(error, OSError):
        return Result(failed=f"{job.source}: cannot be read: {error.strerror or error}.")
    if isinstance(error, MemoryError):
        return Result(failed=f"{job.source}: there is not enough memory for a picture so large.")
    return Result(
        failed=f"{job.source}: could not be restored for a reason that is not foreseen: "
        f"{type(error).__name__}: {error}. Please report it."
    )


def _list(list_output: Callable[[Written], None], source: Stamp, file: IO[bytes]) -> None:
    list_output(Written.of(source, file))


def _restored(
    picture: Picture,
    steps: Sequence[int] | None,
    grid: tuple[int, int] | None,
    stated: LumaCoefficients | None,
    model: RestorationModel,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> Picture:
    """Restore all frames of a picture; the only one of a JPEG file can be kept consistent."""
    options: dict[str, Any] = {
        "model": model,
        "strength": settings.strength,
        "chroma": settings.chroma,
        "tile_size": settings.tile_size,
        "steps": steps,
        "grid": grid,
    }
    if stated is not None:
        restored = restore_consistently(picture.pixels, stated, progress=progress, **options)
        return picture.with_frames([restored])
    frames = []
    for number, (frame, mode) in enumerate(zip(picture.frames, picture.modes, strict=True)):
        part = part_of(progress, number, len(picture.frames))
        frames.append(restore_bands(frame, mode, progress=part, **options))
    return picture.with_frames(frames)
