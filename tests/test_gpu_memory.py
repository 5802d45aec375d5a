"""Memory of a GPU: tiles that do not fit, buffers that are used again, batches that fill it.

The GPU is of paper; tests marked `gpu` use a real one.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from argan_plugin import devices
from argan_plugin.errors import DeviceError
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from tests.paper_gpu import PaperGpu, PaperValue, an_image, install


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> PaperGpu:
    return install(monkeypatch)


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
def test_a_full_gpu_gets_smaller_tiles(gpu: PaperGpu, tiny_model_path: Path, message: str) -> None:
    model = RestorationModel(tiny_model_path)
    image = an_image(300)[0, 0]
    expected = restore(image, model=model)
    gpu.run_errors = [RuntimeError(message)]
    with pytest.warns(RuntimeWarning, match="tile_size=150"):
        restored = restore(image, model=model)
    assert model.device == "cuda", "it has not failed"
    np.testing.assert_allclose(restored, expected, atol=1e-6)


def test_without_memory_for_the_smallest_tile_there_is_one_error_and_the_model_lives_on(
    gpu: PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path)
    image = an_image(300)[0, 0]
    expected = restore(image, model=model)
    gpu.run_errors = [RuntimeError("std::bad_alloc") for _ in range(9)]
    with pytest.raises(DeviceError, match="Not enough memory for a tile of 75 pixels"):
        restore(image, model=model)  # a warning would be an error
    assert len(gpu.run_errors) == 6, "300, 150 and 75 pixels"
    gpu.run_errors.clear()
    assert np.array_equal(restore(image, model=model), expected)


def test_a_session_that_ran_out_of_memory_gives_back_what_it_holds(
    gpu: PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path)
    gpu.run_errors = [RuntimeError("std::bad_alloc")]
    with pytest.warns(RuntimeWarning, match="tile_size="):
        restore(an_image(200)[0, 0], model=model)
    assert len(gpu.asked) == 2, "opened anew"


def test_a_session_that_cannot_be_opened_for_want_of_memory_says_so(
    gpu: PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(gpu, "InferenceSession", fails)
    with pytest.raises(DeviceError, match="not enough memory to open"):
        RestorationModel(tiny_model_path, device="cpu")


def test_buffers_on_the_gpu_are_used_again_until_the_shape_changes(
    gpu: PaperGpu, tiny_model_path: Path
) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    on_cpu = RestorationModel(tiny_model_path, device="cpu")
    random = np.random.default_rng(2)
    images = [random.random((1, 1, side, 40), np.float32) for side in (48, 48, 48, 56, 48)]
    restored = [model.run(image) for image in images]
    for image, result in zip(images, restored, strict=True):
        assert np.array_equal(result, on_cpu.run(image)), "a later run must not write into it"
    shapes = [(1, 1, 48, 40), (1, 1, 56, 40), (1, 1, 48, 40)]
    assert PaperValue.made == [shape for shape in shapes for _ in ("image", "restored")]


def test_threads_do_not_share_buffers(gpu: PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    expected = RestorationModel(tiny_model_path, device="cpu").run(an_image())
    gpu.together = threading.Barrier(3)
    results: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: results.append(model.run(an_image()))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.array_equal(result, expected) for result in results)
    assert len(PaperValue.made) == 6


def test_tiles_go_in_batches_of_one_shape_to_a_gpu_with_memory(
    gpu: PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert len(PaperValue.made) == 2, "an input and an output, and never another shape"
    assert PaperValue.made[0][0] == 8

    PaperValue.made.clear()
    gpu.run_errors = [RuntimeError("CUDA failure 2: out of memory")]
    smaller = restore(image, model=model, tile_size=64)  # a warning would be an error
    np.testing.assert_allclose(smaller, expected, rtol=0, atol=1e-6)
    assert {shape[0] for shape in PaperValue.made} == {4}


def test_a_much_smaller_batch_has_a_shape_of_its_own(gpu: PaperGpu, tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cuda")
    for count in (4, 3, 1):
        batch = np.repeat(an_image(), count, axis=0)
        assert model.run(batch).shape == batch.shape
    assert [shape[0] for shape in PaperValue.made] == [4, 4, 1, 1]


def test_batches_are_as_large_as_half_of_the_free_memory(
    gpu: PaperGpu, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
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
