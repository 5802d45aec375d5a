"""Carry out a plan: restore one file after the other, whatever happens to some of them."""

from __future__ import annotations

import dataclasses
import functools
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from argan_plugin.bands import part_of, restore_bands
from argan_plugin.batch import Job, Plan, file_identity
from argan_plugin.errors import ArganError, ImageFileError, NothingToRestore
from argan_plugin.files import DamagedFileError, read_picture
from argan_plugin.model import RestorationModel
from argan_plugin.picture import Picture
from argan_plugin.resume import OutputList, Stamp, State, sha256_of
from argan_plugin.truncated import read_what_is_there
from argan_plugin.whole_file import remove_leftovers
from argan_plugin.writing import check_writable, write_picture

# Settings that leave the pixels as they are, those of `tile_size` up to float32 rounding.
# `accept_truncated` decides which outputs there are, not what is in them.
_WITHOUT_EFFECT = {
    "tile_size",
    "overwrite",
    "keep_times",
    "accept_truncated",
    "show_progress",
    "resume",
}

_Place = tuple[tuple[int, int], str]

_UP_TO_DATE = {
    State.CURRENT: "up to date",
    State.NEWER: "up to date by its date; how it was written is not known",
}


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
    run = _Run(plan, model, settings, report)
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
                run.do(job, show_tile if alone else None)
                if not alone:
                    bar.update()
        except KeyboardInterrupt:
            report.interrupted = True
    return report


class _Run:
    """What the files of one run share."""

    def __init__(
        self, plan: Plan, model: RestorationModel, settings: Settings, report: Report
    ) -> None:
        self._model = model
        self._settings = settings
        self._report = report
        self._outputs: OutputList | None = None
        if settings.resume:
            if plan.folder is None:
                raise ValueError("only a run with an output folder can be resumed")
            what = {"model": sha256_of(model.path), **settings.that_matter()}
            self._outputs = OutputList(plan.folder, what)
        self._source_at: dict[_Place, Path] = {}
        for folder in {job.target.parent for job in plan.jobs}:
            remove_leftovers(folder)

    def do(self, job: Job, progress: Callable[[int, int], None] | None) -> None:
        """Restore one file and put it into the report."""
        try:
            # Before the work; that writing does not overwrite either covers a file that comes
            # meanwhile.
            overwrite = self._may_replace(job)
            if overwrite is not None:
                self._restore(job, progress, overwrite=overwrite)
            if place := _place(job.target):
                self._source_at[place] = job.source
        except NothingToRestore as error:
            reason = str(error).removeprefix(f"{job.source}: ").removesuffix(".")
            self._report.skipped.append((job.source, reason))
        except DamagedFileError as error:
            accepts = self._settings.accept_truncated
            advice = "" if accepts else " --accept-truncated restores what is there."
            self._report.failed.append(f"{error}{advice}")
        except ImageFileError as error:  # its message has the path
            self._report.failed.append(str(error))
        except ArganError as error:
            self._report.failed.append(f"{job.source}: {error}")
        except OSError as error:
            self._report.failed.append(f"{job.source}: cannot be read: {error.strerror or error}.")
        except MemoryError:
            self._report.failed.append(
                f"{job.source}: there is not enough memory for a picture so large."
            )
        except Exception as error:  # one file must not keep a thousand others from being done
            self._report.failed.append(
                f"{job.source}: could not be restored for a reason that is not foreseen: "
                f"{type(error).__name__}: {error}. Please report it."
            )

    def _may_replace(self, job: Job) -> bool | None:
        """Tell whether the output may replace a file; None if there is nothing to do at all."""
        # The plan knows names alone, and some disks take "A.png" and "a.png" for one.
        place = _place(job.target)
        if place in self._source_at:
            raise ImageFileError(
                f"{job.source}: its output {job.target} is the same file to this disk as that of "
                f"{self._source_at[place]}; restore them into different folders, or rename one."
            )
        overwrite = self._settings.overwrite
        if self._outputs:
            state = self._outputs.state(job.target, job.source)
            if state is State.CURRENT or (state is State.NEWER and not overwrite):
                self._report.skipped.append((job.target, _UP_TO_DATE[state]))
                return None
            overwrite = overwrite or state is State.STALE
        if not overwrite and os.path.lexists(job.target):
            self._report.existing.append(job.target)
            return None
        return overwrite

    def _restore(
        self, job: Job, progress: Callable[[int, int], None] | None, *, overwrite: bool
    ) -> None:
        """Read, restore and write one file."""
        settings = self._settings
        before_naming = None
        if self._outputs:
            before_naming = functools.partial(self._outputs.add, job.target, Stamp.of(job.source))
        read = read_what_is_there if settings.accept_truncated else read_picture
        status = job.source.stat()
        picture = read(job.source)
        check_writable(job.target, picture)  # before the work
        # Under the same name, so that the pixels as they were take no memory while writing.
        picture = _restored(picture, self._model, settings, progress)
        note = write_picture(
            job.target,
            picture,
            overwrite=overwrite,
            quality=settings.quality,
            times_ns=(status.st_atime_ns, status.st_mtime_ns) if settings.keep_times else None,
            before_naming=before_naming,
        )
        self._report.done.append(job.target)
        if notes := "; ".join(filter(None, (picture.note, note))):
            self._report.notes.append(f"{job.source}: {notes}")


def _place(path: Path) -> _Place | None:
    """Return what tells that two names mean one place on the disk; None for one that is free.

    The file's identity alone would not do: two places can hold one file, linked to save space.
    """
    identity = file_identity(path)
    name = unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
    return identity and (identity, name)


def _restored(
    picture: Picture,
    model: RestorationModel,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> Picture:
    """Restore all frames of a picture."""
    frames = []
    for number, (frame, mode) in enumerate(zip(picture.frames, picture.modes, strict=True)):
        restored = restore_bands(
            frame,
            mode,
            model=model,
            strength=settings.strength,
            chroma=settings.chroma,
            tile_size=settings.tile_size,
            progress=part_of(progress, number, len(picture.frames)),
        )
        frames.append(restored)
    return picture.with_frames(frames)
