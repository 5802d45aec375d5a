"""ONNX Runtime sessions: open one on a device, run it, stop it. Nothing else uses ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from argan_plugin import devices
from argan_plugin.errors import Cancelled, DeviceError, ModelError
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME

Device = Literal["auto", "cuda", "cpu"]

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    # The default tries every algorithm anew for each new tile shape.
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default takes twice as much memory each time.
    "arena_extend_strategy": "kSameAsRequested",
}

_FATAL, _WARNING = 4, 2  # ONNX Runtime's log severities; it begins with warnings

# A new thread looks at the caller's event this often; stopping the run takes longer than that.
_CANCEL_POLL_SECONDS = 0.02

# What ONNX Runtime's allocators (CPU, BFC arena) and CUDA say when there is no memory left.
_OUT_OF_MEMORY = ("bad_alloc", "failed to allocate", "out of memory", "available memory of")


def open_session(data: bytes, *, device: Device, threads: int | None) -> Any:
    """Open a model on the wanted device, or on the CPU if that is allowed.

    Parameters
    ----------
    data : bytes
        An ONNX file that `model_file.inspect_model` and `ModelGraph.check` have passed.
    device : {"auto", "cuda", "cpu"}
        As in `RestorationModel`.
    threads : int or None
        Threads on the CPU; None means one a core.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        If ONNX Runtime refuses the model, or its inputs and outputs are not this project's.
    DeviceError
        If `device` is "cuda" and it cannot be used.
    """
    session = _session_on(device, data, threads)
    _check_signature(session)
    return session


def _session_on(device: Device, data: bytes, threads: int | None) -> Any:
    """Return a session on the device, or on the CPU if that is allowed."""
    if device == "cpu":
        return _cpu_session(data, threads)
    if devices.cuda_device_count() == 0:
        if device == "cuda":
            raise DeviceError(
                "No CUDA device: there is no working NVIDIA driver, or it offers no GPU. See what "
                '`nvidia-smi` says, or use device="auto".'
            )
        return _cpu_session(data, threads)
    session, reason = _cuda_session(data, threads)
    if session is not None:
        return session
    session = _cpu_session(data, threads)  # tried first: a bad model is not the GPU's fault
    if device == "cuda":
        raise DeviceError(f"The GPU cannot be used: {reason}")
    warnings.warn(f"The GPU cannot be used, so the CPU is: {reason}", RuntimeWarning, stacklevel=2)
    return session


def uses_cuda(session: Any) -> bool:
    """Tell whether a session runs on the GPU: what it has, not what was asked for."""
    return _CUDA in session.get_providers()


def run_session(
    session: Any, image: NDArray[np.float32], cancel: threading.Event | None
) -> NDArray[np.float32]:
    """Run a session once.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From `open_session`.
    image : float32 array of shape (batch, 1, height, width)
        Luma.
    cancel : threading.Event or None
        Stops the run when it is set.

    Returns
    -------
    array
        What the model gave, unchecked.

    Raises
    ------
    Cancelled
        If `cancel` is set, before or during the run.
    MemoryError
        If memory does not suffice.
    DeviceError
        If a session on the GPU fails.
    ModelError
        If a session on the CPU fails.
    """
    options = _onnxruntime().RunOptions()
    try:
        with _terminated_by(cancel, options):
            output: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: image}, options)[
                0
            ]
            return output
    except Cancelled:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base
        if cancel is not None and cancel.is_set():
            raise Cancelled("Restoration was cancelled.") from None
        reason = _one_line(error)
        if isinstance(error, MemoryError) or any(
            words in reason.lower() for words in _OUT_OF_MEMORY
        ):
            raise MemoryError(reason) from error
        if uses_cuda(session):
            raise DeviceError(f"The GPU failed: {reason}") from error
        raise ModelError(f"The model failed: {reason}") from error


@contextlib.contextmanager
def _terminated_by(cancel: threading.Event | None, options: Any) -> Iterator[None]:
    """Within it, setting `cancel` stops the run that has these options."""
    if cancel is None:
        yield
        return
    if cancel.is_set():
        raise Cancelled("Restoration was cancelled.")
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_CANCEL_POLL_SECONDS):
            if cancel.is_set():
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, name="argan-cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _cuda_session(data: bytes, threads: int | None) -> tuple[Any, str]:
    """Return a session that runs on the GPU, or None and the reason why not."""
    onnxruntime = _onnxruntime()
    if _CUDA not in onnxruntime.get_available_providers():
        return None, devices.missing_provider_reason()
    printed = io.StringIO()
    # What it would write to stderr about missing libraries is said by the reason.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        with contextlib.redirect_stdout(printed):
            onnxruntime.preload_dlls()
        session = _session(data, threads, [(_CUDA, _CUDA_OPTIONS), _CPU])
    except Exception as error:  # onnxruntime's exceptions have no common base
        return None, _one_line(error)
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    if uses_cuda(session):
        return session, ""
    return None, devices.missing_library_reason(printed.getvalue())


def _cpu_session(data: bytes, threads: int | None) -> Any:
    """Return a session on the CPU."""
    try:
        return _session(data, threads, [_CPU])
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise ModelError(f"ONNX Runtime cannot open the model: {_one_line(error)}") from error


def _session(data: bytes, threads: int | None, providers: list[Any]) -> Any:
    """Return a session with this project's settings."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL  # what fails is raised
    options.intra_op_num_threads = threads or devices.worker_threads()
    # One block that is used again and again: it grows to what the largest tile takes (170 MB for
    # the shipped model) and no further. Without it images of changing sizes cut the heap of the C
    # library into pieces: 500 of them grew a process by 223 MB. See benchmarks/memory.json.
    options.enable_cpu_mem_arena = True
    # Threads that spin between two tiles would take the processor from the program around.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Never ONNX Runtime's own format, which the checks of the file did not read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(data, options, providers=providers, enable_fallback=0)


def _check_signature(session: Any) -> None:
    """Make sure that the graph takes and gives what the contract says.

    Raises
    ------
    ModelError
        If it does not.
    """
    for values, name in ((session.get_inputs(), INPUT_NAME), (session.get_outputs(), OUTPUT_NAME)):
        found = ", ".join(f"{value.name}: {value.type} {value.shape}" for value in values)
        if not (
            len(values) == 1
            and values[0].name == name
            and values[0].type == "tensor(float)"
            and len(values[0].shape) == 4
            and values[0].shape[1] == 1
            and not any(isinstance(values[0].shape[axis], int) for axis in (0, 2, 3))
        ):
            raise ModelError(
                f"The model must have one {name!r}, tensor(float) of shape [batch, 1, height, "
                f"width] with 1 fixed and the others free, not {found[:200]}."
            )


def _onnxruntime() -> Any:
    """Import ONNX Runtime, which takes 0.2 s, only when a model is opened."""
    import onnxruntime

    return onnxruntime


def _one_line(error: Exception) -> str:
    """Return the message of an error of ONNX Runtime as one line of bearable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
