"""GPU or CPU: each way that CUDA can fail, played by a runtime that has a GPU of paper.

Tests marked `gpu` use a real one.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from argan_plugin import devices, onnxruntime_session
from argan_plugin.errors import Cancelled, DeviceError, ModelError
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from tests.conftest import build_model

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class _PaperValue(onnxruntime.OrtValue):  # type: ignore[misc]
    """Memory of the GPU, of which `numpy` always makes a copy."""

    made: ClassVar[list[tuple[int, ...]]] = []

    @classmethod
    def ortvalue_from_shape_and_type(
        cls, shape: tuple[int, ...], dtype: Any, device: str, number: int
    ) -> _PaperValue:
        assert (device, number) == ("cuda", 0)
        cls.made.append(shape)
        return cls(onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype)._ortvalue)

    def numpy(self) -> NDArray[Any]:
        return np.array(super().numpy())


class _PaperGpu:
    """ONNX Runtime, as far as it is used here, with a GPU that computes on the CPU."""

    SessionOptions = onnxruntime.SessionOptions
    RunOptions = onnxruntime.RunOptions
    OrtValue = _PaperValue

    def __init__(self) -> None:
        self.available = [_CUDA, _CPU]
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
        session = onnxruntime.InferenceSession(data, options, providers=[_CPU])
        if _CUDA not in names:
            return session
        if self.opening_error:
            raise self.opening_error
        self.cuda_options = providers[0][1]
        return _PaperSession(self, session) if self.starts else session


class _PaperSession:
    def __init__(self, gpu: _PaperGpu, session: Any) -> None:
        self.gpu, self.session = gpu, session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        return [_CUDA, _CPU]

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        self.gpu.together.wait(timeout=60)
        if self.gpu.run_errors:
            raise self.gpu.run_errors.pop(0)
        self.session.run_with_iobinding(binding, options)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> _PaperGpu:
    gpu = _PaperGpu()
    monkeypatch.setattr(_PaperValue, "made", [])
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(devices, "free_cuda_memory", lambda: None)
    monkeypatch.setattr(onnxruntime_session, "_onnxruntime", lambda: gpu)
    return gpu


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 0)


def _image(side: int = 48) -> NDArray[np.float32]:
    return np.random.default_rng(8).random((1, 1, side, side), dtype=np.float32)


def test_without_a_gpu_auto_takes_the_cpu_in_silence(
    no_gpu: None, tiny_model_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert RestorationModel(tiny_model_path).device == "cpu"  # a warning would be an error
    assert capfd.readouterr() == ("", "")


def test_without_a_gpu_cuda_is_an_error_that_says_what_to_do(
    no_gpu: None, tiny_model_path: Path
) -> None:
    with pytest.raises(DeviceError, match=r"driver.*nvidia-smi"):
        RestorationModel(tiny_model_path, device="cuda")


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_working_gpu_is_used(gpu: _PaperGpu, tiny_model_path: Path, device: Any) -> None:
    model = RestorationModel(tiny_model_path, device=device)
    assert model.device == "cuda"
    assert gpu.asked == [[_CUDA, _CPU]]
    assert gpu.cuda_options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert gpu.severity == 2, "the log must be as it was"


def test_the_cpu_can_be_had_beside_a_gpu(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    assert RestorationModel(tiny_model_path, device="cpu").device == "cpu"
    assert gpu.asked == [[_CPU]]


def test_auto_takes_a_gpu_before_openvino(
    gpu: _PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_openvino", lambda: True)
    assert RestorationModel(tiny_model_path).device == "cuda"
    _no_start(gpu)
    with pytest.warns(RuntimeWarning, match="failure 35"):
        assert RestorationModel(tiny_model_path).device == "openvino"


def _no_provider(gpu: _PaperGpu) -> None:
    gpu.available = [_CPU]


def _no_library(gpu: _PaperGpu) -> None:
    gpu.starts = False
    gpu.printed = "Failed to load libcudnn.so.9: libcudnn.so.9: cannot open shared object file"


def _no_start(gpu: _PaperGpu) -> None:
    gpu.opening_error = RuntimeError("CUDA failure 35:\n driver version is insufficient")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_no_provider, "onnxruntime-gpu"),
        (_no_library, r"libcudnn\.so\.9\. .*argan-plugin\[cuda\]"),
        (_no_start, "failure 35: driver version is insufficient"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_a_warning_or_an_error_with_the_reason(
    gpu: _PaperGpu,
    tiny_model_path: Path,
    break_it: Any,
    reason: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    break_it(gpu)
    with pytest.raises(DeviceError, match=reason):
        RestorationModel(tiny_model_path, device="cuda")
    with pytest.warns(RuntimeWarning, match=reason):
        model = RestorationModel(tiny_model_path)
    assert model.device == "cpu"
    assert model.run(_image()).shape == (1, 1, 48, 48)
    assert capfd.readouterr() == ("", "")


def test_a_bad_model_is_not_the_gpus_fault(gpu: _PaperGpu, tmp_path: Path) -> None:
    node = helper.make_node("NoSuchOperator", ["image"], ["restored"])
    path = tmp_path / "odd.onnx"
    path.write_bytes(build_model([node]).SerializeToString())
    with pytest.raises(ModelError, match="NoSuchOperator"):
        RestorationModel(path, device="cuda")


def test_when_the_gpu_dies_the_cpu_goes_on(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("CUDA failure 719: unspecified launch failure")]
    with pytest.warns(RuntimeWarning, match=r"failure 719.*The CPU goes on"):
        restored = model.run(_image())
    assert model.device == "cpu"
    expected = RestorationModel(tiny_model_path, device="cpu").run(_image())
    assert np.array_equal(restored, expected)


def test_when_the_gpu_dies_cuda_is_an_error(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    gpu.run_errors = [RuntimeError("CUDA failure 719: unspecified launch failure")]
    with pytest.raises(DeviceError, match="failure 719"):
        model.run(_image())
    assert model.device == "cuda"


def test_one_of_several_threads_replaces_a_dead_gpu(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("CUDA failure 719") for _ in range(4)]
    gpu.together = threading.Barrier(4)
    results: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: results.append(model.run(_image()))) for _ in range(4)
    ]
    with pytest.warns(RuntimeWarning, match="719"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    assert gpu.asked.count([_CPU]) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Failed to allocate memory for requested buffer of size 4294967296",
        "CUDNN_STATUS_INTERNAL_ERROR; CUDA failure 2: out of memory",
        "bfc_arena.cc: Available memory of 1024 is smaller than requested bytes of 4096",
        "std::bad_alloc",
        f"Non-zero status code returned while running node {'n' * 400}: out of memory",
    ],
)
def test_a_full_gpu_gets_smaller_tiles(gpu: _PaperGpu, tiny_model_path: Path, message: str) -> None:
    model = RestorationModel(tiny_model_path)
    image = _image(300)[0, 0]
    expected = restore(image, model=model)
    gpu.run_errors = [RuntimeError(message)]
    with pytest.warns(RuntimeWarning, match="tile_size=150"):
        restored = restore(image, model=model)
    assert model.device == "cuda", "it has not failed"
    np.testing.assert_allclose(restored, expected, atol=1e-6)


def test_without_memory_for_the_smallest_tile_there_is_one_error_and_the_model_lives_on(
    gpu: _PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path)
    image = _image(300)[0, 0]
    expected = restore(image, model=model)
    gpu.run_errors = [RuntimeError("std::bad_alloc") for _ in range(9)]
    with pytest.raises(DeviceError, match="Not enough memory for a tile of 75 pixels"):
        restore(image, model=model)  # a warning would be an error
    assert len(gpu.run_errors) == 6, "300, 150 and 75 pixels"
    gpu.run_errors.clear()
    assert np.array_equal(restore(image, model=model), expected)


def test_a_session_that_ran_out_of_memory_gives_back_what_it_holds(
    gpu: _PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("std::bad_alloc")]
    with pytest.warns(RuntimeWarning, match="tile_size="):
        restore(_image(200)[0, 0], model=model)
    assert len(gpu.asked) == 2, "opened anew"


def test_a_session_that_cannot_be_opened_for_want_of_memory_says_so(
    gpu: _PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(gpu, "InferenceSession", fails)
    with pytest.raises(DeviceError, match="not enough memory to open"):
        RestorationModel(tiny_model_path, device="cpu")


def test_an_error_after_cancel_is_the_cancel(
    gpu: _PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RestorationModel(tiny_model_path)
    cancel = threading.Event()

    def run(session: _PaperSession, *arguments: Any) -> None:
        cancel.set()
        raise RuntimeError("Exiting due to terminate flag being set to true.")

    monkeypatch.setattr(_PaperSession, "run_with_iobinding", run)
    with pytest.raises(Cancelled):
        model.run(_image(), cancel=cancel)
    assert model.device == "cuda"


def test_buffers_on_the_gpu_are_used_again_until_the_shape_changes(
    gpu: _PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    on_cpu = RestorationModel(tiny_model_path, device="cpu")
    random = np.random.default_rng(2)
    images = [random.random((1, 1, side, 40), np.float32) for side in (48, 48, 48, 56, 48)]
    restored = [model.run(image) for image in images]
    for image, result in zip(images, restored, strict=True):
        assert np.array_equal(result, on_cpu.run(image)), "a later run must not write into it"
    shapes = [(1, 1, 48, 40), (1, 1, 56, 40), (1, 1, 48, 40)]
    assert _PaperValue.made == [shape for shape in shapes for _ in ("image", "restored")]


def test_threads_do_not_share_buffers(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    expected = RestorationModel(tiny_model_path, device="cpu").run(_image())
    gpu.together = threading.Barrier(3)
    results: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: results.append(model.run(_image()))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.array_equal(result, expected) for result in results)
    assert len(_PaperValue.made) == 6


def test_tiles_go_in_batches_of_one_shape_to_a_gpu_with_memory(
    gpu: _PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(1).random((301, 203, 3), np.float32)
    expected = restore(image, model=tiny_model_path, device="cpu", tile_size=1000)
    monkeypatch.setattr(devices, "free_cuda_memory", lambda: 10**9)
    model = RestorationModel(tiny_model_path)
    monkeypatch.setattr(
        RestorationModel, "images_at_once", lambda *_: 8
    )  # 5 x 4 tiles: the last batch has 4
    np.testing.assert_allclose(
        restore(image, model=model, tile_size=64), expected, rtol=0, atol=1e-6
    )
    assert len(_PaperValue.made) == 2, "an input and an output, and never another shape"
    assert _PaperValue.made[0][0] == 8

    _PaperValue.made.clear()
    gpu.run_errors = [RuntimeError("CUDA failure 2: out of memory")]
    smaller = restore(image, model=model, tile_size=64)  # a warning would be an error
    np.testing.assert_allclose(smaller, expected, rtol=0, atol=1e-6)
    assert {shape[0] for shape in _PaperValue.made} == {4}


def test_a_much_smaller_batch_has_a_shape_of_its_own(gpu: _PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    for count in (4, 3, 1):
        batch = np.repeat(_image(), count, axis=0)
        assert model.run(batch).shape == batch.shape
    assert [shape[0] for shape in _PaperValue.made] == [4, 4, 1, 1]


def test_batches_are_as_large_as_half_of_the_free_memory(
    gpu: _PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(free: int | None, device: Any = "cuda") -> int:
        monkeypatch.setattr(devices, "free_cuda_memory", lambda: free)
        return RestorationModel(tiny_model_path, device=device).images_at_once(1000, 1000)

    model = RestorationModel(tiny_model_path)
    one = 4 * model._graph.check((1, 1, 1000, 1000))
    assert one > 8_000_000, "input and output at the least"
    assert [at_once(free) for free in (0, 2 * one, 6 * one + 1, 6 * one - 1)] == [1, 1, 3, 2]
    assert at_once(10**15) == 10, "memory of the CPU is bounded, too"
    assert at_once(None) == 1
    assert at_once(10**15, "cpu") == 1


@pytest.mark.gpu
def test_a_real_gpu_tells_its_free_memory(tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    assert model.images_at_once(64, 64) > 1


@pytest.mark.gpu
def test_a_real_gpu_agrees_with_the_cpu(tiny_model_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RestorationModel(tiny_model_path, device="cuda")
    expected = RestorationModel(tiny_model_path, device="cpu").run(_image(200))
    # TF32 products have 10 bits of mantissa; half a level of 255 is 2e-3.
    np.testing.assert_allclose(model.run(_image(200)), expected, atol=2e-3)
