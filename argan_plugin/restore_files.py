"""Carry out a plan: restore one file after the other, whatever happens to some of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tqdm import tqdm

from argan_plugin.batch import Job, Plan
from argan_plugin.errors import ArganError, ImageFileError
from argan_plugin.files import read_picture, write_picture
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What holds for all files of one run."""

    strength: float = 1.0
    """As in `restore`."""

    chroma: bool = False
    """As in `restore`."""

    tile_size: int | None = None
    """As in `restore`."""

    overwrite: bool = False
    """Whether outputs that exist already are replaced."""

    quality: int = 95
    """Of the JPEG files among the outputs, 1-100."""

    show_progress: bool = True
    """Whether there is a progress bar, if stderr is a terminal."""


@dataclasses.dataclass(kw_only=True, slots=True)
class Report:
    """What became of the files, each of which is in exactly one of the first four."""

    done: list[Path] = dataclasses.field(default_factory=list)
    """The outputs that were written."""

    existing: list[Path] = dataclasses.field(default_factory=list)
    """Outputs that were there already and were left alone."""

    skipped: list[tuple[Path, str]] = dataclasses.field(default_factory=list)
    """What was never meant to be restored, with the reason."""

    failed: list[str] = dataclasses.field(default_factory=list)
    """Messages that begin with a path and say what went wrong."""

    notes: list[str] = dataclasses.field(default_factory=list)
    """Messages about files that were restored, yet not without a loss."""

    interrupted: bool = False
    """Whether Ctrl-C stopped the run, so that some files are in no list."""


def restore_files(plan: Plan, model: RestorationModel, settings: Settings) -> Report:
    """Restore all files of a plan.

    A file that fails does not keep the others from being done, and Ctrl-C ends the run between two
    whole files; the report says so in both cases.

    Parameters
    ----------
    plan : Plan
        Which file becomes which.
    model : RestorationModel
        Open.
    settings : Settings
        How.

    Returns
    -------
    Report
    """
    report = Report(
        skipped=list(plan.skipped), failed=[f"{path}: {reason}" for path, reason in plan.failed]
    )
    # A bar of files, or of the tiles of the only file. For None tqdm asks whether it is a terminal.
    alone = len(plan.jobs) == 1
    with tqdm(
        total=None if alone else len(plan.jobs),
        unit=" tiles" if alone else " files",
        leave=False,
        disable=None if settings.show_progress else True,
    ) as bar:

        def show_tile(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            for job in plan.jobs:
                _do(job, model, settings, show_tile if alone else None, report)
                if not alone:
                    bar.update()
        except KeyboardInterrupt:
            report.interrupted = True
    return report


def _do(
    job: Job,
    model: RestorationModel,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
    report: Report,
) -> None:
    """Restore one file and put it into the report."""
    # Before the work; that writing does not overwrite either covers a file that comes meanwhile.
    if not settings.overwrite and os.path.lexists(job.target):
        report.existing.append(job.target)
        return
    try:
        picture = read_picture(job.source)
        # Under the same name, so that the pixels as they were take no memory while writing.
        picture = dataclasses.replace(
            picture, pixels=_restored(picture.pixels, model, settings, progress)
        )
        write_picture(job.target, picture, overwrite=settings.overwrite, quality=settings.quality)
    except ImageFileError as error:  # its message has the path
        report.failed.append(str(error))
    except ArganError as error:
        report.failed.append(f"{job.source}: {error}")
    except MemoryError:
        report.failed.append(f"{job.source}: there is not enough memory for a picture so large.")
    else:
        report.done.append(job.target)
        if picture.note:
            report.notes.append(f"{job.source}: {picture.note}")


def _restored(
    pixels: NDArray[Any],
    model: RestorationModel,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> NDArray[Any]:
    """Restore the pixels of a `Picture`, of which grey with alpha is no picture for `restore`."""
    has_two_channels = pixels.shape[2:] == (2,)
    restored = restore(
        pixels[..., 0] if has_two_channels else pixels,
        model=model,
        strength=settings.strength,
        chroma=settings.chroma,
        tile_size=settings.tile_size,
        progress=progress,
    )
    if not has_two_channels:
        return restored
    result = pixels.copy()
    result[..., 0] = restored
    return result
