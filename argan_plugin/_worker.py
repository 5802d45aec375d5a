"""Restoring in the background: napari's window stays alive, and nothing here touches a widget.

A worker thread does all that takes time (reading, the network, mixing). What it has to say comes as
Qt signals to the GUI thread: progress after each tile, and in the end an `Outcome` or a `Failure`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import dask.array as da
from napari.qt.threading import GeneratorWorker, thread_worker
from napari.utils.notifications import show_error

from argan_plugin._background import run_in_background
from argan_plugin._layers import Crop, Source
from argan_plugin._preferences import Preferences
from argan_plugin._progress import Progress, ProgressBar
from argan_plugin.change_cache import ChangeCache
from argan_plugin.devices import RealDevice
from argan_plugin.errors import ArganError
from argan_plugin.model import open_model
from argan_plugin.stacks import restore_lazy, restore_stack

# Only what is on the screen of a pyramid is computed: smaller parts come sooner.
_PYRAMID_CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: what, how, and what earlier runs with the same settings remember."""

    source: Source
    settings: Preferences
    changes: ChangeCache


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave."""

    data: Any
    """An array, or a list of dask arrays for a pyramid."""
    lazy: bool
    """Whether only what is on the screen has been computed."""
    device: RealDevice
    """What really ran it."""
    facts: dict[str, Any]
    """What made it, for the layer's metadata."""


@dataclass(frozen=True)
class Failure:
    """Why a run gave nothing."""

    message: str
    """In plain words, for the user."""


DEVICE_NAMES: dict[RealDevice, str] = {
    "cuda": "a GPU with CUDA",
    "openvino": "the CPU with OpenVINO",
    "cpu": "the CPU",
}


class Worker(GeneratorWorker):  # type: ignore[misc]  # napari has no types
    """A worker whose `quit` stops the network inside a tile; napari calls it on closing, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cancel = threading.Event()
        super().__init__(*args, cancel=self.cancel, report=self._report, **kwargs)

    def _report(self, progress: Progress) -> None:
        # Not by a yield of the generator: the network calls back from deep inside.
        self.yielded.emit(progress)

    def quit(self) -> None:
        """Ask the thread to stop; `finished` follows within a second, without a result."""
        self.cancel.set()
        super().quit()


def start(
    job: Job,
    *,
    title: str | None,
    on_end: Callable[[Outcome | Failure | None], None],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Worker:
    """Run a job in the background; call from the GUI thread, where the callbacks run too.

    Parameters
    ----------
    job : Job
    title : str or None
        What the progress bar in napari's activity dock says; None for no bar.
    on_end : callable
        Called once, with None if the run was cancelled. The user has been told of a failure.
    on_progress : callable
        Called after each tile.

    Returns
    -------
    Worker
        Running; ``quit()`` cancels it.
    """
    worker: Worker = _restore(job)
    returned: Outcome | Failure | None = None
    bar = None if title is None else ProgressBar(title, worker.quit)

    def take(result: Outcome | Failure) -> None:
        nonlocal returned
        returned = result

    def finished() -> None:
        if bar is not None:
            bar.close()
        # A result may come after the user has cancelled.
        result = None if worker.cancel.is_set() else returned
        if isinstance(result, Failure):
            show_error(result.message)
        on_end(result)

    worker.yielded.connect(on_progress)
    if bar is not None:
        worker.yielded.connect(bar.show)
    worker.returned.connect(take)
    worker.finished.connect(finished)
    worker.start()
    return worker


@thread_worker(start_thread=False)  # type: ignore[untyped-decorator]  # napari has no types
def find_device(settings: Preferences) -> str:
    """Open the model, so that the first run starts at once, and say where it is going to run."""
    try:
        model = run_in_background(lambda: open_model(settings.model, device=settings.device))
    except ArganError as error:
        return str(error)
    return f"Runs on {DEVICE_NAMES[model.device]}."


@thread_worker(worker_class=Worker, start_thread=False)  # type: ignore[untyped-decorator]  # napari has no types
def _restore(
    job: Job, *, cancel: threading.Event, report: Callable[[Progress], None]
) -> Generator[None, None, Outcome | Failure]:
    """Do a job. Errors are returned: napari 0.9.2 fails itself when a worker raises one."""
    yield from ()  # nothing, but only a generator has the signal that progress is reported by
    try:
        return run_in_background(lambda: _outcome(job, cancel, report))
    except ArganError as error:
        return Failure(str(error))
    except MemoryError:
        return Failure(
            "There is not enough memory. Process the current plane or the visible region only, "
            "or set a smaller tile size under Advanced."
        )
    except Exception as error:
        logging.getLogger(__name__).exception("Unexpected error while restoring")
        return Failure(
            f"Removing JPEG artifacts failed: {type(error).__name__}: {error}. The log has more; "
            "please report it."
        )


def _outcome(job: Job, cancel: threading.Event, report: Callable[[Progress], None]) -> Outcome:
    """Return the restored data and what made them."""
    settings, source = job.settings, job.source
    model = open_model(settings.model, device=settings.device)
    how: dict[str, Any] = {
        "rgb": source.rgb,
        "strength": settings.strength,
        "chroma": settings.chroma,
        "model": model,
        "value_range": source.value_range,
        "tile_size": settings.tile_size,
        "changes": job.changes,
    }
    if source.lazy:
        data: Any = _restored_lazily(source, how, cancel, report)
    else:
        data = restore_stack(
            source.pixels,
            **how,
            steps=source.steps,
            progress=lambda *counts: report(Progress(*counts)),
            cancel=cancel,
        )
    facts = {
        "model": model.name,
        "weights_sha256": model.info.weights_sha256,
        "strength": settings.strength,
        "chroma": settings.chroma and source.rgb,
        "device": model.device,
        "value_range": source.value_range,
        "steps": source.steps,
    }
    return Outcome(data=data, lazy=source.lazy, device=model.device, facts=facts)


def _restored_lazily(
    source: Source,
    how: dict[str, Any],
    cancel: threading.Event,
    report: Callable[[Progress], None],
) -> Any:
    """Return lazy arrays, after computing what the canvas is going to show.

    The corrections of that are remembered then, so that napari, which reads on the GUI thread
    unless told otherwise in its preferences, needs no network for it.
    """
    how = {**how, "plane_by_plane": True}
    pyramid = len(source.levels) > 1
    if pyramid:
        how = {**how, "chunk_size": _PYRAMID_CHUNK}
    levels = [
        da.asarray(level)[crop] for level, crop in zip(source.levels, source.crops, strict=True)
    ]
    for level, part in source.looked_at:
        _compute_part(levels[level], part, how, cancel, report)
    restored = [restore_lazy(level, **how) for level in levels]
    return restored if pyramid else restored[0]


def _compute_part(
    level: da.Array,
    part: Crop,
    how: dict[str, Any],
    cancel: threading.Event,
    report: Callable[[Progress], None],
) -> None:
    """Restore a part of a lazy array for the corrections alone, which get remembered."""
    done = 0

    def count(tile: int, tiles: int) -> None:
        nonlocal done
        done += tile == 1
        report(Progress(done, max(done, chunks), tile, tiles))

    restored = restore_lazy(level, **how, progress=count, cancel=cancel)[part]
    chunks = restored.npartitions
    # In this thread, whatever scheduler the user has set: it shares the memory of corrections.
    restored.compute(scheduler="synchronous")
