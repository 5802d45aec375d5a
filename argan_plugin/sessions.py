"""Opens a model on a device: which runtime runs it, and what all of them promise."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from argan_plugin import devices, onnxruntime_session, openvino_session
from argan_plugin.devices import Device, RealDevice
from argan_plugin.errors import DeviceError, ModelError
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME


class Session(Protocol):
    """A model that a runtime holds ready. Several threads may use it; it cannot be pickled."""

    @property
    def device(self) -> RealDevice:
        """What really runs it."""

    @property
    def free_memory(self) -> int | None:
        """Bytes that were free on its GPU when it was opened; None on the CPU, or if unknown."""

    @property
    def inputs(self) -> Sequence[tuple[str, str, Sequence[Any]]]:
        """Name, dtype as numpy calls it, and shape of each input; what is free is no int."""

    @property
    def outputs(self) -> Sequence[tuple[str, str, Sequence[Any]]]:
        """The same for each output."""

    def run(
        self, image: NDArray[np.float32], cancel: threading.Event | None
    ) -> NDArray[np.float32]:
        """Run the model once.

        Parameters
        ----------
        image : contiguous float32 array of shape (batch, planes, height, width)
            Luma, or Y, Cb and Cr.
        cancel : threading.Event or None
            Stops the run within about 0.1 s when it is set.

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
            If the GPU fails.
        ModelError
            If anything else fails.
        """


def open_session(data: bytes, *, device: Device, threads: int | None, planes: int = 1) -> Session:
    """Open a model on the wanted device, or on the CPU if that is allowed.

    Parameters
    ----------
    data : bytes
        An ONNX file that `model_file.inspect_model` and `ModelGraph.check` have passed.
    device : {"auto", "cuda", "openvino", "cpu"}
        As in `RestorationModel`.
    threads : int or None
        Threads on the CPU; None means one a core, or as many as a dask worker has.
    planes : int
        Of a picture, as the model's facts say.

    Returns
    -------
    Session

    Raises
    ------
    ModelError
        If the runtime refuses the model, or its inputs and outputs are not this project's.
    DeviceError
        If `device` is "cuda" or "openvino" and it cannot be used.
    MemoryError
        If memory does not suffice to open it.
    """
    session = _session_on(device, data, threads or devices.worker_threads())
    _check_signature(session, planes)
    return session


def _session_on(device: Device, data: bytes, threads: int) -> Session:
    """Return a session on the device, or on the CPU if that is allowed."""
    if device == "cpu":
        return onnxruntime_session.open_on_cpu(data, threads)
    if device == "openvino":
        return openvino_session.open_on_cpu(data, threads)
    if devices.cuda_device_count() == 0:
        if device == "cuda":
            raise DeviceError(
                "No CUDA device: there is no working NVIDIA driver, or it offers no GPU. See what "
                '`nvidia-smi` says, or use device="auto".'
            )
        return _session_without_gpu(data, threads)
    try:
        return onnxruntime_session.open_on_cuda(data, threads)
    except DeviceError as error:
        # Tried first: a bad model is not the GPU's fault.
        session = _session_without_gpu(data, threads)
        if device == "cuda":
            raise
        warnings.warn(f"{error} The CPU is used.", RuntimeWarning, stacklevel=2)
        return session


def _session_without_gpu(data: bytes, threads: int) -> Session:
    """Return a session of OpenVINO, which is the faster one, if it is installed and works."""
    if not devices.has_openvino():
        return onnxruntime_session.open_on_cpu(data, threads)
    try:
        return openvino_session.open_on_cpu(data, threads)
    except (DeviceError, ModelError) as error:
        session = onnxruntime_session.open_on_cpu(data, threads)
        warnings.warn(f"{error} ONNX Runtime is used.", RuntimeWarning, stacklevel=2)
        return session


def _check_signature(session: Session, planes: int) -> None:
    """Make sure that the graph takes and gives what the contract says.

    Raises
    ------
    ModelError
        If it does not.
    """
    for values, wanted in ((session.inputs, INPUT_NAME), (session.outputs, OUTPUT_NAME)):
        found = ", ".join(f"{name}: {dtype} {list(shape)}" for name, dtype, shape in values)
        if not (
            len(values) == 1
            and values[0][:2] == (wanted, "float32")
            and len(values[0][2]) == 4
            and values[0][2][1] == planes
            and not any(isinstance(values[0][2][axis], int) for axis in (0, 2, 3))
        ):
            raise ModelError(
                f"The model must have one {wanted!r}, float32 of shape [batch, {planes}, height, "
                f"width] with {planes} fixed and the others free, not {found[:200]}."
            )
