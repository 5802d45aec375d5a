"""Carry out a plan: restore file after file, whatever happens to some of them."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from argan_plugin.batch import Job, Plan, file_identity
from argan_plugin.coefficients import check_jpegio
from argan_plugin.errors import ImageFileError
from argan_plugin.model import RestorationModel
from argan_plugin.native_stderr import heard
from argan_plugin.overlap import Overlap
from argan_plugin.restore_file import FileSteps, Result, result_of
from argan_plugin.resume import OutputList, State, Written, sums_of
from argan_plugin.settings import Settings
from argan_plugin.whole_file import remove_leftovers

_Place = tuple[tuple[int, int], str]

_UP_TO_DATE = {
    State.CURRENT: "up to date",
    State.NEWER: "up to date by its date; how it was written is not known",
}


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

    def extend(self, other: Report) -> None:
        """Add what another report has in its lists."""
        for name in ("done", "existing", "skipped", "failed", "notes"):
            getattr(self, name).extend(getattr(other, name))


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
    run = Run(plan, model.path, settings)
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
            with heard():
                bar.update(done - bar.n)

        def show_file() -> None:
            if not alone:
                with heard():
                    bar.update()

        turns = _Turns(run, show_file)
        try:
            with Overlap(turns.note) as overlap:
                for job in plan.jobs:
                    if turns.collides(job):
                        overlap.finish()
                    report = Report()
                    overwrite = run.decide(job, report)
                    if overwrite is None:
                        turns.add(job, report, None)
                        continue
                    steps = FileSteps(
                        job,
                        model,
                        settings,
                        overwrite=overwrite,
                        list_output=run.list_output(job),
                        progress=show_tile if alone else None,
                    )
                    turns.add(job, report, steps)
                    overlap.add(steps)
        except KeyboardInterrupt:
            run.report.interrupted = True
    return run.report


class _Turns:
    """Notes what became of the files in the order of the plan, however their steps overlap."""

    def __init__(self, run: Run, noted: Callable[[], None]) -> None:
        self._run, self._noted = run, noted
        self._waiting: collections.deque[tuple[Job, Report, FileSteps | None]] = collections.deque()

    def add(self, job: Job, report: Report, steps: FileSteps | None) -> None:
        """Let a file wait for its turn; without steps it is done, and `report` says how."""
        self._waiting.append((job, report, steps))
        self.note()

    def collides(self, job: Job) -> bool:
        """Tell whether a file that waits may have the same output to this disk."""
        return name_of_place(job.target) in {
            name_of_place(waiting.target) for waiting, _, _ in self._waiting
        }

    def note(self) -> None:
        """Put into the run's report what is done of the first files that wait."""
        while self._waiting:
            job, report, steps = self._waiting[0]
            if steps and not steps.result:
                return
            self._waiting.popleft()
            self._run.report.extend(report)
            if steps and steps.result:
                self._run.note(job, steps.result)
            self._noted()


class Run:
    """What the files of one run share: which of them are to be done, and what became of them.

    Parameters
    ----------
    plan : Plan
        Which file becomes which.
    model : Path
        The model's file.
    settings : Settings
        How.
    """

    def __init__(self, plan: Plan, model: Path, settings: Settings) -> None:
        self.report = Report(
            skipped=list(plan.skipped),
            failed=[f"{path}: {reason}" for path, reason in plan.failed],
        )
        self._settings = settings
        self._outputs: OutputList | None = None
        if settings.resume:
            if plan.folder is None:
                raise ValueError("only a run with an output folder can be resumed")
            what = {**sums_of(model, chroma=settings.chroma), **settings.that_matter()}
            self._outputs = OutputList(plan.folder, what)
        if settings.consistent:
            check_jpegio()
        self._source_at: dict[_Place, Path] = {}
        for folder in {job.target.parent for job in plan.jobs}:
            remove_leftovers(folder)

    def decide(self, job: Job, report: Report | None = None) -> bool | None:
        """Tell whether the output may replace a file; None if there is nothing to do.

        That is before the work; that writing does not overwrite either covers a file that comes
        meanwhile. Why there is nothing to do is put into `report`, by default that of the run.
        """
        report = self.report if report is None else report
        try:
            overwrite = self._may_replace(job, report)
        except Exception as error:
            _note(job, result_of(error, job, self._settings), report)
            return None
        if overwrite is None:
            self._remember(job)
        return overwrite

    def list_output(self, job: Job) -> Callable[[Written], None] | None:
        """Return what puts the output on the list; None if there is no list."""
        return functools.partial(self._outputs.add, job.target) if self._outputs else None

    def note(self, job: Job, result: Result) -> None:
        """Put a file into the report."""
        _note(job, result, self.report)
        if not result.failed and not result.skipped:
            self._remember(job)

    def _remember(self, job: Job) -> None:
        if place := _place(job.target):
            self._source_at[place] = job.source

    def _may_replace(self, job: Job, report: Report) -> bool | None:
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
                report.skipped.append((job.target, _UP_TO_DATE[state]))
                return None
            overwrite = overwrite or state is State.STALE
        if not overwrite and os.path.lexists(job.target):
            report.existing.append(job.target)
            return None
        return overwrite


def _note(job: Job, result: Result, report: Report) -> None:
    if result.failed:
        report.failed.append(result.failed)
    elif result.skipped:
        report.skipped.append((job.source, result.skipped))
    else:
        report.done.append(job.target)
        if result.note:
            report.notes.append(f"{job.source}: {result.note}")


def name_of_place(path: Path) -> str:
    """Return a name that two files do not share unless they may be one file to some disk."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _place(path: Path) -> _Place | None:
    """Return what tells that two names mean one place on the disk; None for one that is free.

    The file's identity alone would not do: two places can hold one file, linked to save space.
    """
    identity = file_identity(path)
    return identity and (identity, name_of_place(path))
