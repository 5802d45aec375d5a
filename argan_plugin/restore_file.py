"""Restore one file of a batch, whatever may happen to it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import IO, Any

from argan_plugin.bands import part_of, restore_bands
from argan_plugin.batch import Job
from argan_plugin.coefficients import LumaCoefficients
from argan_plugin.consistency import restore_consistently
from argan_plugin.decoding import DamagedFileError
from argan_plugin.errors import ArganError, ImageFileError, NothingToRestore
from argan_plugin.files import read_picture
from argan_plugin.jpeg_sources import check_needed, stated_coefficients
from argan_plugin.model import RestorationModel
from argan_plugin.picture import Picture
from argan_plugin.resume import Stamp, Written
from argan_plugin.truncated import read_what_is_there
from argan_plugin.writing import check_writable, write_picture

# Settings that leave the pixels as they are, those of `tile_size` up to float32 rounding.
# `accept_truncated` and `skip_above_quality` decide which outputs there are, not what is in them.
_WITHOUT_EFFECT = {
    "skip_above_quality",
    "tile_size",
    "overwrite",
    "keep_times",
    "accept_truncated",
    "show_progress",
    "resume",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What holds for all files of one run."""

    strength: float = 1.0
    """As in `restore`."""

    chroma: bool = False
    """As in `restore`."""

    consistent: bool = False
    """As in `restore_jpeg`, for the files that it is for."""

    skip_above_quality: int | None = None
    """Whether pictures are left alone that were not compressed as JPEG of this quality, 1-100, or a
    lower one, by their file and by their pixels."""

    tile_size: int | None = None
    """As in `restore`."""

    overwrite: bool = False
    """Whether outputs that exist already are replaced."""

    quality: int = 95
    """Of the JPEG and AVIF files among the outputs, 1-100."""

    keep_times: bool = False
    """Whether outputs get the dates of their sources."""

    accept_truncated: bool = False
    """Whether what is left of damaged files is restored."""

    show_progress: bool = True
    """Whether there is a progress bar, if stderr is a terminal."""

    resume: bool = False
    """Whether outputs that are up to date are left alone, and those replaced that are not any more.
    The plan must have a folder."""

    def that_matter(self) -> dict[str, Any]:
        """Return what decides about the outputs, so that a change makes them stale."""
        names = {field.name for field in dataclasses.fields(self)} - _WITHOUT_EFFECT
        return {name: getattr(self, name) for name in sorted(names)}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of a file: it is restored if neither `skipped` nor `failed` says why not."""

    skipped: str | None = None
    """Why there was nothing to restore."""

    failed: str | None = None
    """What went wrong, beginning with a path."""

    note: str | None = None
    """What was lost, or left out, although the file was restored."""


def restore_file(
    job: Job,
    model: RestorationModel,
    settings: Settings,
    *,
    overwrite: bool,
    list_output: Callable[[Written], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Read, restore and write one file.

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
    try:
        note = _restore(
            job,
            model,
            settings,
            overwrite=overwrite,
            list_output=list_output,
            progress=progress,
        )
    except Exception as error:
        return result_of(error, job, settings)
    return Result(note=note)


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


def _restore(
    job: Job,
    model: RestorationModel,
    settings: Settings,
    *,
    overwrite: bool,
    list_output: Callable[[Written], None] | None,
    progress: Callable[[int, int], None] | None,
) -> str | None:
    """Restore a file, and return what its user may want to know."""
    before_naming = None
    if list_output:
        before_naming = functools.partial(_list, list_output, Stamp.of(job.source))
    read = read_what_is_there if settings.accept_truncated else read_picture
    status = job.source.stat()
    picture = read(job.source)
    check_writable(job.target, picture)  # before the work
    notes = [picture.note]
    if settings.skip_above_quality is not None:
        notes.append(check_needed(job.source, picture, settings.skip_above_quality))
    stated = None
    if settings.consistent:
        stated, note = stated_coefficients(job.source)
        notes.append(note)
    # Under the same name, so that the pixels as they were take no memory while writing.
    picture = _restored(picture, stated, model, settings, progress)
    note = write_picture(
        job.target,
        picture,
        overwrite=overwrite,
        quality=settings.quality,
        times_ns=(status.st_atime_ns, status.st_mtime_ns) if settings.keep_times else None,
        before_naming=before_naming,
    )
    return "; ".join(filter(None, (*notes, note))) or None


def _list(list_output: Callable[[Written], None], source: Stamp, file: IO[bytes]) -> None:
    list_output(Written.of(source, file))


def _restored(
    picture: Picture,
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
    }
    if stated is not None:
        restored = restore_consistently(picture.pixels, stated, progress=progress, **options)
        return picture.with_frames([restored])
    frames = []
    for number, (frame, mode) in enumerate(zip(picture.frames, picture.modes, strict=True)):
        part = part_of(progress, number, len(picture.frames))
        frames.append(restore_bands(frame, mode, progress=part, **options))
    return picture.with_frames(frames)
