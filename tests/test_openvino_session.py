"""OpenVINO gives what ONNX Runtime gives, as far as bfloat16 can, and keeps the same promises."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from argan_plugin import RestorationModel, devices, openvino_session, restore
from argan_plugin._sample_data import vintage_cars
from argan_plugin.errors import Cancelled, DeviceError, ModelError
from tests.conftest import build_model

LEVEL = 1 / 255


def _image(height: int = 40, width: int = 56) -> NDArray[np.float32]:
    return np.random.default_rng(4).random((1, 1, height, width), np.float32)


@pytest.fixture
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="openvino")


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 17), (3, 1, 64, 9), (1, 1, 333, 200)])
def test_it_agrees_with_onnxruntime(
    model: RestorationModel, tiny_model_path: Path, shape: Sequence[int]
) -> None:
    image = np.random.default_rng(1).random(shape, np.float32)
    expected = RestorationModel(tiny_model_path, device="cpu").run(image)
    np.testing.assert_allclose(model.run(image), expected, atol=2 * LEVEL)


def test_the_shipped_model_restores_a_photo_alike(photo: NDArray[np.uint8]) -> None:
    restored, expected = (
        restore(photo, device=device).astype(int) for device in ("openvino", "cpu")
    )
    assert np.abs(restored - expected).max() <= 2
    assert np.mean((restored - expected) ** 2) < 0.1  # 58 dB


def test_neither_threads_nor_tiles_change_a_photo_by_more_than_rounding() -> None:
    photo = vintage_cars()[0][0][:200, :300]
    one, three = (
        restore(photo, model=RestorationModel(device="openvino", threads=threads))
        for threads in (1, 3)
    )
    np.testing.assert_array_equal(one, three)
    tiles = restore(photo, model=RestorationModel(device="openvino"), tile_size=96)
    change = np.abs(tiles.astype(int) - one)
    assert change.max() <= 1
    # bfloat16 rounds sums in another order for another shape: one value in 240 was a level off.
    assert change.mean() < 0.006


def test_tiles_do_not_show(model: RestorationModel) -> None:
    image = _image(300, 200)[0, 0]
    whole = restore(image, model=model, tile_size=512)
    np.testing.assert_allclose(restore(image, model=model, tile_size=64), whole, atol=LEVEL / 2)


def test_the_caller_may_give_any_memory(model: RestorationModel) -> None:
    image = _image()
    expected = model.run(image)
    for same in (np.asfortranarray(image), image.repeat(2, axis=3)[..., ::2]):
        assert np.array_equal(model.run(same), expected)
    image.setflags(write=False)
    assert np.array_equal(model.run(image), expected)


def test_it_tells_what_it_is(model: RestorationModel) -> None:
    assert model.device == "openvino"
    session = model._live_session()
    assert isinstance(session, openvino_session.OpenVinoSession)
    assert session.precision in ("f32", "bf16", "f16")


def test_auto_takes_it_where_it_is_installed(
    tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()  # the fixture that hides it
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 0)
    assert RestorationModel(tiny_model_path).device == "openvino"
    assert RestorationModel(tiny_model_path, device="cpu").device == "cpu"
    assert capfd.readouterr() == ("", "")


def test_one_that_is_missing_or_broken_is_an_error_or_a_warning(
    tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ImportError("libopenvino.so: cannot open shared object file")

    monkeypatch.setattr(openvino_session, "_cores", {})
    monkeypatch.setattr(openvino_session, "_openvino", broken)
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 0)
    with pytest.raises(DeviceError, match=r"libopenvino.*argan-plugin\[openvino\]"):
        RestorationModel(tiny_model_path, device="openvino")
    assert RestorationModel(tiny_model_path).device == "cpu"
    monkeypatch.setattr(devices, "has_openvino", lambda: True)
    with pytest.warns(RuntimeWarning, match="libopenvino.*ONNX Runtime is used"):
        assert RestorationModel(tiny_model_path).device == "cpu"


def test_what_it_refuses_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="OpenVINO cannot open the model") as raised:
        openvino_session.open_on_cpu(b"nonsense", 0)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_another_signature_is_refused(tmp_path: Path) -> None:
    odd = build_model([helper.make_node("Relu", ["image"], ["restored"])])
    odd.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64
    path = tmp_path / "odd.onnx"
    path.write_bytes(odd.SerializeToString())
    with pytest.raises(ModelError, match=r"one 'image', .* not image: float32 .*64"):
        RestorationModel(path, device="openvino")


@pytest.fixture(scope="module")
def slow_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model that takes many seconds for a megapixel, in small steps."""
    values = ["image", *(f"value{i}" for i in range(299)), "restored"]
    nodes = [
        helper.make_node("Conv", [values[i], "mean"], [values[i + 1]], pads=[7] * 4)
        for i in range(300)
    ]
    mean = numpy_helper.from_array(np.full((1, 1, 15, 15), 1 / 225, np.float32), "mean")
    path = tmp_path_factory.mktemp("slow") / "slow.onnx"
    path.write_bytes(build_model(nodes, [mean]).SerializeToString())
    return path


def test_cancel_stops_a_run_and_the_model_can_be_used_again(slow_model_path: Path) -> None:
    model = RestorationModel(slow_model_path, device="openvino")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        model.run(_image(), cancel=cancel)
    cancel.clear()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(Cancelled):
        model.run(np.zeros((1, 1, 1024, 1024), np.float32), cancel=cancel)
    cancel.clear()
    assert model.run(np.zeros((1, 1, 8, 8), np.float32), cancel=cancel).shape == (1, 1, 8, 8)


def test_no_memory_is_a_memory_error_and_gets_smaller_tiles(
    model: RestorationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _image(300, 300)[0, 0]
    expected = restore(image, model=model)
    session = model._live_session()
    assert isinstance(session, openvino_session.OpenVinoSession)
    compiled = session._compiled

    class Full:
        """The compiled model, which has no memory for the first request."""

        def create_infer_request(self) -> Any:
            monkeypatch.setattr(session, "_compiled", compiled)
            raise RuntimeError("Exception from src/inference: std::bad_alloc")

    monkeypatch.setattr(session, "_compiled", Full())
    with pytest.warns(RuntimeWarning, match="tile_size=150"):
        restored = restore(image, model=model)
    np.testing.assert_allclose(restored, expected, atol=LEVEL / 2)


def test_eight_threads_give_the_bits_of_one(model: RestorationModel) -> None:
    images = [_image(24 + 8 * number) for number in range(8)]
    expected = [model.run(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(pool.map(model.run, images), expected, strict=True):
            assert np.array_equal(one, other)


def test_pickling_opens_it_again(model: RestorationModel) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert copy.device == "openvino"
    assert np.array_equal(copy.run(_image()), model.run(_image()))


_inherited: RestorationModel


def _run_inherited(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return _inherited.run(image)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems start children afresh")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own(model: RestorationModel) -> None:
    global _inherited
    _inherited = model
    expected = model.run(_image())
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert np.array_equal(
            pool.apply_async(_run_inherited, (_image(),)).get(timeout=60), expected
        )


# Python's signal handlers run on the signal stack that OpenVINO gives to the thread.
_OPENED_TWICE = """
import gc, signal, sys
from argan_plugin import RestorationModel

heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append("SIGINT"))
models = [RestorationModel(sys.argv[1], device="openvino") for _ in range(2)]
while models:
    del models[0]
    gc.collect()
signal.raise_signal(signal.SIGINT)
print(heard)
"""


def test_signals_are_heard_after_models_are_gone(tiny_model_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPENED_TWICE, str(tiny_model_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['SIGINT']\n", "")
