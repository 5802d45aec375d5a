"""GPU or CPU: each way that CUDA can fail, played by a runtime that has a GPU of paper.

Tests marked `gpu` use a real one.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from argan_plugin import devices
from argan_plugin.errors import Cancelled, DeviceError, ModelError
from argan_plugin.model import RestorationModel
from tests.conftest import build_model
from tests.paper_gpu import CPU, CUDA, PaperGpu, PaperSession, an_image, install


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> PaperGpu:
    return install(monkeypatch)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 0)


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
def test_a_working_gpu_is_used(gpu: PaperGpu, tiny_model_path: Path, device: Any) -> None:
    model = RestorationModel(tiny_model_path, device=device)
    assert model.device == "cuda"
    assert gpu.asked == [[CUDA, CPU]]
    assert gpu.cuda_options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert gpu.severity == 2, "the log must be as it was"


def test_the_cpu_can_be_had_beside_a_gpu(gpu: PaperGpu, tiny_model_path: Path) -> None:
    assert RestorationModel(tiny_model_path, device="cpu").device == "cpu"
    assert gpu.asked == [[CPU]]


def test_auto_takes_a_gpu_before_openvino(
    gpu: PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_openvino", lambda: True)
    assert RestorationModel(tiny_model_path).device == "cuda"
    _no_start(gpu)
    with pytest.warns(RuntimeWarning, match="failure 35"):
        assert RestorationModel(tiny_model_path).device == "openvino"


def _no_provider(gpu: PaperGpu) -> None:
    gpu.available = [CPU]


def _no_library(gpu: PaperGpu) -> None:
    gpu.starts = False
    gpu.printed = "Failed to load libcudnn.so.9: libcudnn.so.9: cannot open shared object file"


def _no_start(gpu: PaperGpu) -> None:
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
    gpu: PaperGpu,
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
    assert model.run(an_image()).shape == (1, 1, 48, 48)
    assert capfd.readouterr() == ("", "")


def test_a_bad_model_is_not_the_gpus_fault(gpu: PaperGpu, tmp_path: Path) -> None:
    node = helper.make_node("NoSuchOperator", ["image"], ["restored"])
    path = tmp_path / "odd.onnx"
    path.write_bytes(build_model([node]).SerializeToString())
    with pytest.raises(ModelError, match="NoSuchOperator"):
        RestorationModel(path, device="cuda")


def test_when_the_gpu_dies_the_cpu_goes_on(gpu: PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("CUDA failure 719: unspecified launch failure")]
    with pytest.warns(RuntimeWarning, match=r"failure 719.*The CPU goes on"):
        restored = model.run(an_image())
    assert model.device == "cpu"
    expected = RestorationModel(tiny_model_path, device="cpu").run(an_image())
    assert np.array_equal(restored, expected)


def test_when_the_gpu_dies_cuda_is_an_error(gpu: PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    gpu.run_errors = [RuntimeError("CUDA failure 719: unspecified launch failure")]
    with pytest.raises(DeviceError, match="failure 719"):
        model.run(an_image())
    assert model.device == "cuda"


def test_one_of_several_threads_replaces_a_dead_gpu(gpu: PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("CUDA failure 719") for _ in range(4)]
    gpu.together = threading.Barrier(4)
    results: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: results.append(model.run(an_image()))) for _ in range(4)
    ]
    with pytest.warns(RuntimeWarning, match="719"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    assert gpu.asked.count([CPU]) == 1


def test_an_error_after_cancel_is_the_cancel(
    gpu: PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = RestorationModel(tiny_model_path)
    cancel = threading.Event()

    def run(session: PaperSession, *arguments: Any) -> None:
        cancel.set()
        raise RuntimeError("Exiting due to terminate flag being set to true.")

    monkeypatch.setattr(PaperSession, "run_with_iobinding", run)
    with pytest.raises(Cancelled):
        model.run(an_image(), cancel=cancel)
    assert model.device == "cuda"


@pytest.mark.gpu
def test_a_real_gpu_agrees_with_the_cpu(tiny_model_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RestorationModel(tiny_model_path, device="cuda")
    expected = RestorationModel(tiny_model_path, device="cpu").run(an_image(200))
    # TF32 products have 10 bits of mantissa; half a level of 255 is 2e-3.
    np.testing.assert_allclose(model.run(an_image(200)), expected, atol=2e-3)
