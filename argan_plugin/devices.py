"""The devices, which of them are there, why CUDA cannot be used, and how many threads are ours.

ONNX Runtime falls back to the CPU without a word to Python when CUDA does not work, and writes to
stderr from C++. So the driver is asked first, and reasons are worked out here.
"""

from __future__ import annotations

import ctypes
import platform
import re
import sys
from importlib import util
from typing import Literal

Device = Literal["auto", "cuda", "openvino", "cpu"]
"""What can be asked for: see `RestorationModel`."""

RealDevice = Literal["cuda", "openvino", "cpu"]
"""What runs a model: ONNX Runtime on a GPU, OpenVINO on the CPU, or ONNX Runtime on the CPU."""

INSTALL_ADVICE = 'Install CUDA and cuDNN with `pip install "argan-plugin[cuda]"`.'


def cuda_device_count() -> int:
    """Return how many GPUs the NVIDIA driver offers; 0 without a driver.

    The driver's own library is asked (``cuInit``, ``cuDeviceGetCount``); it comes with the driver,
    not with CUDA, and asking takes no memory on the GPU.
    """
    try:
        driver = ctypes.CDLL(_driver_library())
        count = ctypes.c_int(0)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):  # not installed, or not what its name says
        return 0
    return 0 if failed else count.value


def free_cuda_memory() -> int | None:
    """Return how many bytes are free on the first GPU; None if that cannot be told.

    ONNX Runtime does not tell. The driver does (``cuMemGetInfo``), within a context: that of CUDA's
    runtime, which ONNX Runtime has made already, is borrowed (docs.nvidia.com/cuda/cuda-driver-api,
    "Primary Context Management"). NVML counts GPUs otherwise, where some are hidden from CUDA.
    """
    try:
        driver = ctypes.CDLL(_driver_library())
        device, context, total = ctypes.c_int(0), ctypes.c_void_p(), ctypes.c_size_t(0)
        free = ctypes.c_size_t(0)
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
            return None
        if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
            return None
        try:
            if driver.cuCtxPushCurrent_v2(context):
                return None
            failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
            driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        finally:
            driver.cuDevicePrimaryCtxRelease_v2(device)
    except (OSError, AttributeError):  # not installed, or not what its name says
        return None
    return None if failed else free.value


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed, without importing it."""
    return util.find_spec("openvino") is not None


def missing_provider_reason() -> str:
    """Say why the installed ONNX Runtime has no CUDA support, and what to do."""
    installed = {name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)}
    if installed == {"onnxruntime", "onnxruntime-gpu"}:
        return (
            "onnxruntime and onnxruntime-gpu are both installed, and the one without CUDA has "
            "overwritten the other. Run `pip uninstall -y onnxruntime`, then "
            "`pip install --force-reinstall --no-deps onnxruntime-gpu`."
        )
    return "the installed ONNX Runtime has no CUDA support. Install onnxruntime-gpu in its place."


def missing_library_reason(printed: str) -> str:
    """Say why CUDA did not start, from what ``onnxruntime.preload_dlls`` printed."""
    missing = re.findall(r"^Failed to load ([^\s:]+)", printed, flags=re.MULTILINE)
    if missing:
        return f"these libraries cannot be loaded: {', '.join(missing)}. {INSTALL_ADVICE}"
    return (
        "ONNX Runtime could not start CUDA; the driver may be older than the CUDA libraries. "
        f"Update the driver. {INSTALL_ADVICE}"
    )


def worker_threads() -> int:
    """Return how many threads the dask worker has in which this runs; 0 outside of one.

    A machine may have many workers, and each of them must not take all of its cores.
    """
    if "distributed.worker" not in sys.modules:
        return 0
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:  # not in a worker
        return 0


def _driver_library() -> str:
    return "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"


def _is_installed(distribution: str) -> bool:
    from importlib import metadata  # which `argan --help` need not wait for

    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
