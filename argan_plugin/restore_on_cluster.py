"""Carry out a plan on a dask cluster: each worker restores whole files, dask hands them out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from argan_plugin.batch import Job, Plan
from argan_plugin.cluster import (
    check_workers,
    connected,
    model_for_workers,
    strict_workers,
)
from argan_plugin.devices import Device
from argan_plugin.model import open_model
from argan_plugin.restore_file import Result, restore_file
from argan_plugin.restore_files import Report, Run, name_of_place
from argan_plugin.resume import Written
from argan_plugin.settings import Settings
from argan_plugin.weights import find_model

if TYPE_CHECKING:
    from distributed import Client, Future

_RETRIES = 2
"""A network file system may fail for a moment. That a worker dies is counted by dask itself: its
setting ``distributed.scheduler.allowed-failures`` is 3."""

_AHEAD = 2
"""So many files for each thread of the cluster are handed out at a time. All at once would take the
scheduler about 10 kB for each of a million."""

_WITHOUT_LIST = "was whole already when it was tried again, or another program wrote it meanwhile"


@dataclass(frozen=True, slots=True)
class _Task:
    """All that a worker needs to know."""

    job: Job
    model: str
    device: Device
    settings: Settings
    overwrite: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker says."""

    result: Result
    written: Written | None = None
    """What is to be put on the list for ``--resume``."""


class _Lost(Exception):
    """The scheduler does not answer any more."""


class _Failed(Exception):
    """Tells dask to try again; the message is for the report."""


def restore_on_cluster(
    plan: Plan,
    address: str,
    settings: Settings,
    *,
    model: str | None = None,
    device: Device = "auto",
    max_pixels: int,
) -> tuple[Report, int]:
    """Restore all files of a plan on the workers of a cluster.

    The workers need this package in the same version, and the same files under the same paths. A
    file that fails is tried again by dask, on another worker if one dies; Ctrl-C hands out no more
    files, and those that are being written become whole.

    Parameters
    ----------
    plan : Plan
        Which file becomes which.
    address : str
        Of the scheduler, as ``tcp://host:8786``.
    settings : Settings
        How.
    model, device
        As in `restore`; each worker opens the model once.
    max_pixels : int
        Larger pictures are refused.

    Returns
    -------
    Report, int
        As `restore_files` gives it, and the number of workers.

    Raises
    ------
    DeviceError
        If the cluster cannot be used.
    ImageFileError
        If a worker does not see the files.
    ModelError
        If there is no such model.
    """
    name = model_for_workers(model)
    folder = plan.folder or plan.jobs[0].target.parent
    with connected(address) as client:
        check_workers(client, name, [job.source for job in plan.jobs], folder)
        run = Run(plan, find_model(name), settings)
        bar = tqdm(
            total=len(plan.jobs),
            unit=" files",
            leave=False,
            disable=None if settings.show_progress else True,
        )
        with strict_workers(client, max_pixels), bar:
            tasks = _Tasks(client, run, name, device, settings, bar)
            try:
                for jobs in _without_collisions(plan.jobs):
                    tasks.do(jobs)
            except KeyboardInterrupt:
                tasks.cancel()
                run.report.interrupted = True
            except _Lost:
                run.report.failed.append(
                    f"{address}: the scheduler was lost, so some files are not done; start again "
                    "with --resume."
                )
        return run.report, tasks.workers


class _Tasks:
    """Keeps the cluster busy, and never has more than a few files handed out."""

    def __init__(
        self,
        client: Client,
        run: Run,
        model: str,
        device: Device,
        settings: Settings,
        bar: tqdm[Any],
    ) -> None:
        self._client: Any = client
        self._run, self._bar = run, bar
        self._model, self._device, self._settings = model, device, settings
        self._jobs: dict[Future[Any], Job] = {}
        self.workers = 0
        """How many there were at most."""

    def do(self, jobs: Sequence[Job]) -> None:
        """Have all of these files done."""
        from distributed import as_completed

        finished = as_completed()
        waiting = self._submitted(jobs)
        while True:
            for _ in range(self._room()):
                if (future := next(waiting, None)) is None:
                    break
                finished.add(future)
            if not self._jobs:
                return
            for future in finished.next_batch(block=True):
                self._note(future)

    def _room(self) -> int:
        """Return how many more files may be handed out; workers come and go."""
        try:
            threads: dict[str, int] = self._client.nthreads()
        except OSError as error:
            raise _Lost from error
        self.workers = max(self.workers, len(threads))
        return max(_AHEAD * sum(threads.values()) - len(self._jobs), 1)

    def cancel(self) -> None:
        """Have no further file begun."""
        self._client.cancel(list(self._jobs))

    def _submitted(self, jobs: Sequence[Job]) -> Iterator[Future[Any]]:
        """Hand out one file after the other, but for those that need nothing."""
        for job in jobs:
            overwrite = self._run.decide(job)
            if overwrite is None:
                self._bar.update()
                continue
            task = _Task(_absolute(job), self._model, self._device, self._settings, overwrite)
            future = self._client.submit(_restore, task, pure=False, retries=_RETRIES)
            self._jobs[future] = job
            yield future

    def _note(self, future: Future[Any]) -> None:
        """Put what became of a file into the report."""
        job = self._jobs.pop(future)
        answer = _answer(future, job)
        list_output = self._run.list_output(job)
        if answer.written and list_output:
            list_output(answer.written)
        self._run.note(job, answer.result)
        self._bar.update()


def _answer(future: Future[Any], job: Job) -> _Answer:
    """Return what a worker said, or what dask says of it."""
    from distributed import KilledWorker

    try:
        if future.status == "finished":
            answer: _Answer = future.result()
            return answer
        if future.status != "error":
            raise _Lost
        error = future.exception()
    except OSError as lost:
        raise _Lost from lost
    if isinstance(error, _Failed):  # with the paths that the worker was given
        absolute = _absolute(job)
        message = str(error).replace(str(absolute.source), str(job.source))
        return _Answer(Result(failed=message.replace(str(absolute.target), str(job.target))))
    if isinstance(error, KilledWorker):
        reason = "the workers that tried it died, as they do when there is not enough memory."
    else:
        reason = f"the cluster failed: {type(error).__name__}: {error}"
    return _Answer(Result(failed=f"{job.source}: {reason}"))


def _restore(task: _Task) -> _Answer:
    """Restore one file; this runs on a worker.

    Raises
    ------
    _Failed
        If it failed, so that dask tries again.
    """
    # The run has seen that nothing is there. If this is another attempt, the one before wrote it
    # and could not say so any more.
    if not task.overwrite and os.path.lexists(task.job.target):
        return _Answer(Result(note=_WITHOUT_LIST))
    written: list[Written] = []
    result = restore_file(
        task.job,
        open_model(task.model, device=task.device),
        task.settings,
        overwrite=task.overwrite,
        list_output=written.append if task.settings.resume else None,
    )
    if result.failed:
        raise _Failed(result.failed)
    return _Answer(result, written[-1] if written else None)


def _absolute(job: Job) -> Job:
    """Return the job for a process in another folder; not resolved, for links differ elsewhere."""
    return Job(job.source.absolute(), job.target.absolute())


def _without_collisions(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Yield jobs that can be done at once: some disks take "A.png" and "a.png" for one file."""
    while jobs:
        first: dict[str, Job] = {}
        others = []
        for job in jobs:
            if first.setdefault(name_of_place(job.target), job) is not job:
                others.append(job)
        yield list(first.values())
        jobs = others
