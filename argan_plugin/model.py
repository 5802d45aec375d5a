"""`RestorationModel`: a checked model file, open on a device, that outlives forks and dead GPUs."""

from __future__ import annotations

import ctypes
import functools
import operator
import os
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from argan_plugin.devices import Device, RealDevice
from argan_plugin.errors import DeviceError, ModelError
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_graph import ModelGraph
from argan_plugin.model_info import ModelInfo
from argan_plugin.sessions import Session, open_session
from argan_plugin.weights import check_shipped, find_model

_PROBE_SIDE = 64

# Of the memory that a GPU has free, what tensors may take; the rest is for cuDNN's workspaces and
# what lies between. Half is a guess: no GPU was at hand.
_SHARE_OF_GPU = 0.5

# Planes of so many pixels and their result take 80 MB on the side of the CPU.
_MOST_PIXELS_AT_ONCE = 10_000_000

_opening = threading.RLock()
_open_models: weakref.WeakSet[RestorationModel] = weakref.WeakSet()


def _leave_sessions_behind() -> None:
    """Make a forked child ready: its models open sessions of their own when they are used.

    The threads of the parent's sessions do not exist in the child. Such a session has one thread at
    best, any lock in it may be held for ever, and its end waits for the threads for ever.
    """
    global _opening
    _opening = threading.RLock()  # its holder may be one of those threads
    for model in _open_models:
        _never_end(model._session)
        model._session = None


def _never_end(session: Any) -> None:
    """Keep a session alive until the process is gone."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_leave_sessions_behind)


class RestorationModel:
    """A model that is open and ready to run.

    It may be used from several threads at once, and in the children of `multiprocessing` however
    they start. Pickled, it takes along where the file lies and its settings, and is opened again
    from there, once a process (see `open_model`). (A child of a bare ``os.fork`` must end with
    ``os._exit``, as those do: the clean-up of ONNX Runtime at exit waits for threads that exist in
    the parent alone.)

    Parameters
    ----------
    model : str or path or None
        The name of a shipped model (see `model_names`), or the path of an ONNX file written by
        this project's export; by default the first shipped one.
    device : {"auto", "cuda", "openvino", "cpu"}
        "cuda" is a GPU, "openvino" the CPU with OpenVINO, which computes in bfloat16 where the
        processor is faster at that, and "cpu" the CPU in float32. "auto" takes the first of them
        that is there and works; a ``RuntimeWarning`` says why if one is there and does not work.
        "cuda" and "openvino" never fall back.
    threads : int, optional
        Threads on the CPU; by default one a core, and on a dask worker as many as it has.

    Raises
    ------
    ModelError
        If the model is missing, damaged, or not one of this project.
    DeviceError
        If `device` is "cuda" or "openvino" and it cannot be used, or memory does not suffice to
        open the model.
    ValueError, TypeError
        If `device` or `threads` is no such thing.
    """

    info: ModelInfo
    """The facts that the file holds."""

    path: Path
    """The file, absolute."""

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
    ) -> None:
        if device not in get_args(Device):
            raise ValueError(f"device must be one of {get_args(Device)}, not {device!r}")
        if threads is not None and operator.index(threads) < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._requested: Device = device
        self._threads = threads
        self.path = find_model(model)
        self._data = read_model_file(self.path)
        check_shipped(self.path, self._data)
        try:
            self.info = inspect_model(self._data)
            self._graph = ModelGraph(self._data, self.info.size_multiple)
            probe = (1, self.info.planes, _PROBE_SIDE, _PROBE_SIDE)
            self._graph.check(probe)  # before ONNX Runtime computes with the constants
            self._session: Session | None = self._opened(device)
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from error
        except MemoryError as error:
            raise DeviceError(
                f"{self.path}: there is not enough memory to open the model. Close other programs."
            ) from error
        _open_models.add(self)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.info.name

    @property
    def device(self) -> RealDevice:
        """The device that really runs it; "cuda" can become "cpu" if the GPU fails."""
        return self._live_session().device

    def __repr__(self) -> str:
        return f"RestorationModel({os.fspath(self.path)!r}, device={self.device!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        reopen = functools.partial(open_model, device=self._requested, threads=self._threads)
        return reopen, (self.path,)

    def run(
        self, image: NDArray[np.float32], *, cancel: threading.Event | None = None
    ) -> NDArray[np.float32]:
        """Restore luma, or chroma, all at once; `restore` does it in tiles.

        Parameters
        ----------
        image : float32 array of shape (batch, planes, height, width)
            Luma, black at 0 and white at 1; or Y, Cb and Cr, grey at 128/255, for a model of three
            planes. Any size from 1.
        cancel : threading.Event, optional
            Set it from another thread to stop within about 0.1 s.

        Returns
        -------
        float32 array of the same shape
            Restored luma, in [0, 1]; or Y as it was, and restored Cb and Cr.

        Raises
        ------
        Cancelled
            If `cancel` was set. The model can be used again.
        ModelError
            If the model fails, or its output has another shape or is not finite.
        DeviceError
            If the GPU fails and `device` was "cuda". With "auto" the CPU goes on, with a
            ``RuntimeWarning``.
        MemoryError
            If memory does not suffice for an image of this size.
        ValueError
            If `image` is no such array.
        """
        planes = self.info.planes
        if (
            image.dtype != np.float32
            or image.ndim != 4
            or image.shape[1] != planes
            or not image.size
        ):
            raise ValueError(
                f"image must be float32 of shape (batch, {planes}, height, width), none of them 0, "
                f"not {image.dtype} of shape {image.shape}"
            )
        self._numbers_held(image.shape)
        session = self._live_session()
        try:
            output = session.run(image, cancel)
        except DeviceError as error:
            if self._requested == "cuda":
                raise
            output = self._session_without_gpu(session, error).run(image, cancel)
        if output.shape != image.shape or output.dtype != np.float32:
            raise ModelError(
                f"{self.path}: the model must give float32 of its input's shape {image.shape}, but "
                f"gave {output.dtype} of shape {output.shape}. Export the model again."
            )
        # NaN and infinity show in the extremes, which need no second array as isfinite would.
        if not (np.isfinite(output.min()) and np.isfinite(output.max())):
            raise ModelError(
                f"{self.path}: the model gave NaN or infinity. Train and export it again."
            )
        return output

    def images_at_once(self, height: int, width: int) -> int:
        """Return how many images of a size `run` should get in a batch.

        Parameters
        ----------
        height, width : int
            Each at least 1.

        Returns
        -------
        int
            As many as fit into what was free on the GPU when the model was opened there, at least
            1. On the CPU, or if the driver does not tell, 1: batches were slower there.
        """
        free = self._live_session().free_memory
        if free is None:
            return 1
        planes = self.info.planes
        taken = 4 * self._numbers_held((1, planes, height, width))  # float32
        fitting = int(free * _SHARE_OF_GPU) // taken
        return max(1, min(fitting, _MOST_PIXELS_AT_ONCE // (planes * height * width)))

    def beside(self, model: str | os.PathLike[str]) -> RestorationModel:
        """Return another model, open on the device that was asked for, with as many threads."""
        return open_model(model, device=self._requested, threads=self._threads)

    def release_memory(self) -> None:
        """Give back what the session holds; the next run opens a new one.

        A session keeps the memory of its largest run for the next. Runs in other threads go on.
        """
        with _opening:
            self._session = None

    def _numbers_held(self, shape: tuple[int, ...]) -> int:
        """Return how many numbers a run holds at once, or raise ModelError if it must not be."""
        try:
            return self._graph.check(shape)
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from error

    def _live_session(self) -> Session:
        """Return the session, a new one after a fork or `release_memory`."""
        with _opening:
            session = self._session
            if session is None:
                session = self._session = self._opened(self._requested)
            return session

    def _opened(self, device: Device) -> Session:
        return open_session(
            self._data, device=device, threads=self._threads, planes=self.info.planes
        )

    def _session_without_gpu(self, failed: Session, error: DeviceError) -> Session:
        """Return a session on the CPU in place of the one whose GPU failed."""
        with _opening:
            if self._session is failed:  # else another thread has done it
                _never_end(failed)  # its end would speak to a GPU that is gone
                self._session = self._opened("cpu")
                warnings.warn(f"{error} The CPU goes on.", RuntimeWarning, stacklevel=3)
            return self._live_session()


def open_model(
    model: str | os.PathLike[str] | None = None,
    *,
    device: Device = "auto",
    threads: int | None = None,
) -> RestorationModel:
    """Return an open model, the same one for the same file and settings.

    Parameters
    ----------
    model, device, threads
        As in `RestorationModel`.

    Returns
    -------
    RestorationModel
        The last few are kept open; a file that has changed is opened anew.

    Raises
    ------
    ModelError, DeviceError, ValueError
        As `RestorationModel` does.
    """
    path = find_model(model)
    try:
        status = path.stat()
        version = (status.st_mtime_ns, status.st_size)
    except OSError:
        version = None  # opening it says what is wrong
    with _opening:  # or two threads would both open it
        return _open_version(path, version, device, threads)


@functools.lru_cache(maxsize=4)
def _open_version(
    path: Path,
    version: tuple[int, int] | None,  # noqa: ARG001 - part of the cache's key
    device: Device,
    threads: int | None,
) -> RestorationModel:
    return RestorationModel(path, device=device, threads=threads)
