"""Runs models in OpenVINO on the CPU. Nothing else uses OpenVINO.

OpenVINO computes in what the processor is fastest at, which is bfloat16 where it has instructions
for that (AVX-512 BF16, AMX) and float32 elsewhere. What bfloat16 costs is in docs/experiments.md.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from argan_plugin.errors import Cancelled, DeviceError, ModelError, one_line

# It waits this long before it looks at the caller's event; stopping the run takes longer than that.
_CANCEL_POLL_MILLISECONDS = 20

# What OpenVINO and oneDNN say when there is no memory left.
_OUT_OF_MEMORY = ("bad_alloc", "failed to allocate", "out of memory", "cannot allocate")

_cores: dict[int, Any] = {}
"""The OpenVINO of each process, by its number: a forked child has its parent's and its own."""


def open_on_cpu(data: bytes, threads: int) -> OpenVinoSession:
    """Open a model.

    Parameters
    ----------
    data : bytes
        A checked ONNX file.
    threads : int
        0 means one a core.

    Raises
    ------
    DeviceError
        If OpenVINO is not installed or does not start.
    ModelError
        If it refuses the model.
    """
    try:
        core = _core()
    except ImportError as error:
        raise DeviceError(
            f"OpenVINO cannot be imported: {one_line(error)}. Install it with "
            '`pip install "argan-plugin[openvino]"`, or use device="auto".'
        ) from error
    except Exception as error:  # its own exceptions, which are RuntimeErrors today
        raise DeviceError(f"OpenVINO does not start: {one_line(error)}.") from error
    settings = {
        # One picture at a time, by all threads.
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        # Threads that are bound to cores could not leave those where other programs work, and all
        # processes would take the same.
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        return OpenVinoSession(core.compile_model(core.read_model(data), "CPU", settings))
    except Exception as error:
        raise ModelError(f"OpenVINO cannot open the model: {one_line(error)}") from error


class OpenVinoSession:
    """A `sessions.Session` of OpenVINO.

    Parameters
    ----------
    compiled : openvino.CompiledModel
    """

    free_memory: int | None = None
    """See `sessions.Session`."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    @property
    def device(self) -> Literal["openvino"]:
        """It is that always."""
        return "openvino"

    @property
    def precision(self) -> str:
        """What it computes in, as OpenVINO calls it: "f32", "bf16" or "f16"."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())

    @property
    def inputs(self) -> list[tuple[str, str, list[Any]]]:
        """See `sessions.Session`."""
        return [_described(port) for port in self._compiled.inputs]

    @property
    def outputs(self) -> list[tuple[str, str, list[Any]]]:
        """See `sessions.Session`."""
        return [_described(port) for port in self._compiled.outputs]

    def run(
        self, image: NDArray[np.float32], cancel: threading.Event | None
    ) -> NDArray[np.float32]:
        """See `sessions.Session`."""
        if cancel is not None and cancel.is_set():
            raise Cancelled("Restoration was cancelled.")
        # OpenVINO refuses to share memory that it may not write to.
        shared = np.require(image, requirements=["C_CONTIGUOUS", "WRITEABLE"])
        try:
            # One for each run: requests are cheap, and serve one thread at a time.
            request = self._compiled.create_infer_request()
            request.set_input_tensor(_openvino().Tensor(shared, shared_memory=True))
            request.start_async()
            try:
                while not request.wait_for(_CANCEL_POLL_MILLISECONDS):
                    if cancel is not None and cancel.is_set():
                        raise Cancelled("Restoration was cancelled.")
            finally:
                _end(request)
            output: NDArray[np.float32] = request.get_output_tensor().data
            return output  # it keeps the request's memory alive
        except RuntimeError as error:
            if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
                raise MemoryError(one_line(error)) from error
            raise ModelError(f"The model failed: {one_line(error)}") from error


def _end(request: Any) -> None:
    """Stop a request if it runs: nothing may read the image any more when `run` is left."""
    request.cancel()
    with contextlib.suppress(RuntimeError):  # it says that it was cancelled, or why it failed
        request.wait()


def _described(port: Any) -> tuple[str, str, list[Any]]:
    """Return an input's or output's name, dtype as numpy calls it, and shape."""
    shape = [
        axis.get_length() if axis.is_static else str(axis) for axis in port.get_partial_shape()
    ]
    return port.get_any_name(), str(np.dtype(port.get_element_type().to_dtype())), shape


def _core() -> Any:
    """Return the OpenVINO of this process, with its part for the CPU loaded.

    There is one, and it is kept, because on Linux each gives the thread that makes it a signal
    stack (`SigAltStackSetup` in OpenVINO's src/plugins/intel_cpu), and of two that do not end in
    reverse order the thread is left with one that is gone. Python's signal handlers run on it: the
    next Ctrl-C would end the process by a segmentation fault.
    """
    process = os.getpid()
    if process not in _cores:
        core = _openvino().Core()
        core.get_versions("CPU")
        _cores.setdefault(process, core)
    return _cores[process]


def _openvino() -> Any:
    """Import OpenVINO, which takes half a second, only when a model is opened."""
    import openvino

    return openvino
