"""ONNX Runtime with a GPU of paper, which computes on the CPU and fails when it is told to."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from argan_plugin import devices, onnxruntime_session

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class PaperValue(onnxruntime.OrtValue):  # type: ignore[misc]
    """Memory of the GPU, of which `numpy` always makes a copy."""

    made: ClassVar[list[tuple[int, ...]]] = []

    @classmethod
    def ortvalue_from_shape_and_type(
        cls, shape: tuple[int, ...], dtype: Any, device: str, number: int
    ) -> PaperValue:
        assert (device, number) == ("cuda", 0)
        cls.made.append(shape)
        return cls(onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype)._ortvalue)

    def numpy(self) -> NDArray[Any]:
        return np.array(super().numpy())


class PaperGpu:
    """ONNX Runtime, as far as it is used here, with a GPU that computes on the CPU."""

    SessionOptions = onnxruntime.SessionOptions
    RunOptions = onnxruntime.RunOptions
    OrtValue = PaperValue

    def __init__(self) -> None:
        self.available = [CUDA, CPU]
        self.printed = ""
        self.starts = True
        self.opening_error: Exception | None = None
        self.run_errors: list[Exception] = []
        self.together = threading.Barrier(1)
        self.asked: list[list[str]] = []
        self.cuda_options: dict[str, str] = {}

    def get_available_providers(self) -> list[str]:
        return self.available

    def preload_dlls(self) -> None:
        print(self.printed)  # noqa: T201 - as ONNX Runtime does

    def set_default_logger_severity(self, severity: int) -> None:
        self.severity = severity

    def InferenceSession(  # noqa: N802
        self, data: bytes, options: Any, providers: list[Any], enable_fallback: int
    ) -> Any:
        assert enable_fallback == 0, "it would print, and run on the CPU unasked"
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers]
        self.asked.append(names)
        session = onnxruntime.InferenceSession(data, options, providers=[CPU])
        if CUDA not in names:
            return session
        if self.opening_error:
            raise self.opening_error
        self.cuda_options = providers[0][1]
        return PaperSession(self, session) if self.starts else session


class PaperSession:
    def __init__(self, gpu: PaperGpu, session: Any) -> None:
        self.gpu, self.session = gpu, session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        self.gpu.together.wait(timeout=60)
        if self.gpu.run_errors:
            raise self.gpu.run_errors.pop(0)
        self.session.run_with_iobinding(binding, options)


def install(monkeypatch: pytest.MonkeyPatch) -> PaperGpu:
    """Let the plugin find the GPU of paper until the test ends."""
    gpu = PaperGpu()
    monkeypatch.setattr(PaperValue, "made", [])
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(devices, "free_cuda_memory", lambda: None)
    monkeypatch.setattr(onnxruntime_session, "_onnxruntime", lambda: gpu)
    return gpu


def an_image(side: int = 48) -> NDArray[np.float32]:
    """Return noise for the network, of shape (1, 1, side, side)."""
    return np.random.default_rng(8).random((1, 1, side, side), dtype=np.float32)
