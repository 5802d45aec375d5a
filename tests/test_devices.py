"""Asking the driver, and the reasons for not using a GPU."""

from __future__ import annotations

import ctypes
from importlib import metadata
from typing import Any

import pytest

from argan_plugin import devices


class _Driver:
    """A driver library that offers some GPUs, or fails to start."""

    def __init__(self, count: int, status: int = 0) -> None:
        self.count, self.status = count, status

    def cuInit(self, _flags: int) -> int:  # noqa: N802
        return self.status

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.count
        return 0


@pytest.mark.parametrize(
    ("driver", "expected"),
    [(_Driver(2), 2), (_Driver(0), 0), (_Driver(1, status=3), 0), (object(), 0)],
)
def test_gpus_are_counted_by_the_driver(
    driver: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: driver)
    assert devices.cuda_device_count() == expected


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.cuda_device_count() == 0
    assert devices.free_cuda_memory() is None


class _DriverWithMemory:
    """A driver library that tells of memory within a pushed context alone, one call failing."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.retained = self.pushed = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            if name == self.failing:
                return 2
            if name == "cuMemGetInfo_v2":
                assert self.retained == self.pushed == 1
                arguments[0]._obj.value, arguments[1]._obj.value = 6 << 30, 8 << 30
            self.retained += {
                "cuDevicePrimaryCtxRetain": 1,
                "cuDevicePrimaryCtxRelease_v2": -1,
            }.get(name, 0)
            self.pushed += {"cuCtxPushCurrent_v2": 1, "cuCtxPopCurrent_v2": -1}.get(name, 0)
            return 0

        return call


@pytest.mark.parametrize(
    "failing",
    [
        "",
        "cuInit",
        "cuDeviceGet",
        "cuDevicePrimaryCtxRetain",
        "cuCtxPushCurrent_v2",
        "cuMemGetInfo_v2",
    ],
)
def test_free_memory_is_told_by_the_driver_in_a_context_that_is_given_back(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = _DriverWithMemory(failing)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: driver)
    assert devices.free_cuda_memory() == (None if failing else 6 << 30)
    assert driver.retained == driver.pushed == 0


@pytest.mark.parametrize(
    ("installed", "cure"),
    [
        ({"onnxruntime", "onnxruntime-gpu"}, "--force-reinstall --no-deps onnxruntime-gpu"),
        ({"onnxruntime"}, "Install onnxruntime-gpu in its place"),
        (set(), "Install onnxruntime-gpu in its place"),
    ],
)
def test_the_cure_depends_on_what_is_installed(
    installed: set[str], cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distribution(name: str) -> None:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    assert cure in devices.missing_provider_reason()


def test_libraries_that_cannot_be_loaded_are_named() -> None:
    printed = (
        "Failed to load libcudnn.so.9: libcudnn.so.9: cannot open shared object file\n"
        "Failed to load cublas64_13.dll: Could not find module\n"
        "Please follow https://onnxruntime.ai/docs/install/#cuda-and-cudnn to install CUDA.\n"
    )
    reason = devices.missing_library_reason(printed)
    assert "libcudnn.so.9, cublas64_13.dll" in reason
    assert 'pip install "argan-plugin[cuda]"' in reason


def test_with_all_libraries_the_driver_is_suspected() -> None:
    assert "Update the driver" in devices.missing_library_reason("")
