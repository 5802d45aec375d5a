"""`RestorationModel`: bad models, cancelling, threads, processes; GPUs are in test_sessions."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from argan_plugin.errors import Cancelled, ModelError
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.model_graph import ModelGraph
from tests.conftest import build_model, tiny_info


def _image(height: int = 40, width: int = 56) -> NDArray[np.float32]:
    return np.random.default_rng(6).random((1, 1, height, width), dtype=np.float32)


@pytest.fixture
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


def _save(path: Path, *nodes: onnx.NodeProto, **options: Any) -> Path:
    onnx.save(build_model(nodes, **options), path)
    return path


def test_it_tells_what_it_is(model: RestorationModel, tiny_model_path: Path) -> None:
    assert model.info == tiny_info()
    assert (model.name, model.device, model.path) == ("tiny", "cpu", tiny_model_path)
    assert repr(tiny_model_path.name)[1:-1] in repr(model)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 17), (3, 1, 64, 9), (1, 1, 333, 200)])
def test_any_size_comes_back_in_its_size(model: RestorationModel, shape: Sequence[int]) -> None:
    image = np.full(shape, 0.5, np.float32)
    restored = model.run(image)
    assert restored.shape == tuple(shape)
    assert restored.dtype == np.float32
    assert not np.array_equal(restored, image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((1, 3, 8, 8), np.float32),
        np.zeros((1, 1, 8, 8)),
        np.zeros((1, 1, 8, 0), np.float32),
    ],
)
def test_other_arrays_are_refused(model: RestorationModel, image: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"\(batch, 1, height, width\)"):
        model.run(image)


@pytest.mark.parametrize(("device", "threads"), [("gpu", None), ("cpu", 0), ("cpu", -1)])
def test_impossible_settings_are_refused(
    tiny_model_path: Path, device: Any, threads: int | None
) -> None:
    with pytest.raises(ValueError, match="must be"):
        RestorationModel(tiny_model_path, device=device, threads=threads)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.onnx"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ModelError, match=r"photo\.onnx.*no ONNX model"):
        RestorationModel(path)


def test_what_onnxruntime_refuses_is_one_line_and_nothing_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = _save(tmp_path / "odd.onnx", helper.make_node("NoSuchOperator", ["image"], ["restored"]))
    with pytest.raises(ModelError, match="NoSuchOperator") as raised:
        RestorationModel(path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_model_is_read_as_onnx_though_it_begins_like_onnxruntimes_own_format(
    tmp_path: Path, identity_model_path: Path
) -> None:
    # An unknown field first, so that "ORTM" stands where a FlatBuffers file has its identifier:
    # the checks read one format, and ONNX Runtime must not read another.
    disguise = bytes([31 << 3 & 0x7F | 2 | 0x80, 31 << 3 >> 7, 5]) + b"\0ORTM"
    path = tmp_path / "disguised.onnx"
    path.write_bytes(disguise + identity_model_path.read_bytes())
    assert np.array_equal(RestorationModel(path, device="cpu").run(_image()), _image())


@pytest.mark.parametrize(
    "output_shape", [("batch", 3, "height", "width"), (1, 1, "height", "width"), ("batch", 1, "w")]
)
def test_another_signature_is_refused(tmp_path: Path, output_shape: Sequence[str | int]) -> None:
    node = helper.make_node("Relu", ["image"], ["restored"])
    path = _save(tmp_path / "odd.onnx", node, output_shape=output_shape)
    with pytest.raises(ModelError, match=r"one 'restored'|cannot open"):
        RestorationModel(path)


def test_an_output_of_another_shape_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = [
        numpy_helper.from_array(np.array(values), name)
        for name, values in {"start": [0, 0], "end": [-1, -1], "axes": [2, 3]}.items()
    ]
    node = helper.make_node("Slice", ["image", "start", "end", "axes"], ["restored"])
    path = _save(tmp_path / "cut.onnx", node, initializers=constants)
    with pytest.raises(ModelError, match=r"gives \(1, 1, 63, 63\)"):  # before it runs
        RestorationModel(path)
    monkeypatch.setattr(ModelGraph, "check", lambda *_: None)
    model = RestorationModel(path)
    with pytest.raises(ModelError, match=r"gave float32 of shape \(1, 1, 39, 55\)"):
        model.run(_image())


@pytest.mark.parametrize("weight", [np.nan, np.inf, 3e38])
def test_an_output_with_nan_or_infinity_is_no_picture(tmp_path: Path, weight: float) -> None:
    tensor = numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float32), "weight")
    node = helper.make_node("Conv", ["image", "weight"], ["restored"])
    model = RestorationModel(_save(tmp_path / "nan.onnx", node, initializers=[tensor]))
    with pytest.raises(ModelError, match="NaN or infinity"):
        model.run(_image() * 2)


def test_an_operator_that_fails_is_a_model_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Two channels of weights for an image of one: nobody but ONNX Runtime looks at that.
    weights = numpy_helper.from_array(np.zeros((1, 2, 1, 1), np.float32), "weights")
    nodes = [
        helper.make_node("Cast", ["image"], ["same"], to=1),
        helper.make_node("Conv", ["same", "weights"], ["restored"]),
    ]
    path = _save(tmp_path / "channels.onnx", *nodes, initializers=[weights])
    with pytest.raises(ModelError, match=r"The model failed|cannot open the model") as raised:
        RestorationModel(path).run(_image())
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="session")
def slow_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model that takes many seconds for a megapixel, in small steps."""
    count = 300
    values = ["image", *(f"value{i}" for i in range(count - 1)), "restored"]
    nodes = [
        helper.make_node("Conv", [values[i], "mean"], [values[i + 1]], pads=[7] * 4)
        for i in range(count)
    ]
    mean = numpy_helper.from_array(np.full((1, 1, 15, 15), 1 / 225, np.float32), "mean")
    return _save(tmp_path_factory.mktemp("slow") / "slow.onnx", *nodes, initializers=[mean])


def test_cancel_stops_a_run_and_the_model_can_be_used_again(slow_model_path: Path) -> None:
    model = RestorationModel(slow_model_path, device="cpu")
    cancel = threading.Event()
    before = threading.active_count()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(Cancelled):
        model.run(np.zeros((1, 1, 1024, 1024), np.float32), cancel=cancel)
    assert threading.active_count() == before
    cancel.clear()
    assert model.run(np.zeros((1, 1, 8, 8), np.float32), cancel=cancel).shape == (1, 1, 8, 8)
    assert threading.active_count() == before


def test_cancelled_before_it_begins(model: RestorationModel) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        model.run(_image(), cancel=cancel)


def test_eight_threads_give_the_bits_of_one(model: RestorationModel) -> None:
    images = [_image(height, 300) for height in range(200, 232)]
    expected = [model.run(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(model.run, images))
    assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))


def test_pickling_opens_the_same_model_with_the_same_settings(tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cpu", threads=1)
    data = pickle.dumps(model)
    assert len(data) < 1000, "the weights must not travel"
    copy = pickle.loads(data)
    assert (copy.path, copy.device, copy._threads) == (model.path, "cpu", 1)
    assert np.array_equal(copy.run(_image()), model.run(_image()))
    assert pickle.loads(data) is copy, "one session a process"


_inherited: RestorationModel


def _run_inherited(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    return _inherited.run(image), id(_inherited._session)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs_its_parents_model_in_a_session_of_its_own(
    model: RestorationModel,
) -> None:
    global _inherited
    _inherited = model
    expected = model.run(_image())
    with multiprocessing.get_context("fork").Pool(1) as pool:
        result, session = pool.apply_async(_run_inherited, (_image(),)).get(timeout=60)
    assert np.array_equal(result, expected)
    assert session != id(model._session)
    assert np.array_equal(model.run(_image()), expected)


def test_a_spawned_child_can_use_the_model(model: RestorationModel) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply_async(model.run, (_image(),)).get(timeout=60)
    assert np.array_equal(result, model.run(_image()))


def test_open_model_opens_once_until_the_file_changes(
    tiny_model_path: Path, identity_model_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_model_path.read_bytes())
    first = open_model(path, device="cpu")
    assert open_model(str(path), device="cpu") is first
    path.write_bytes(identity_model_path.read_bytes())
    assert open_model(path, device="cpu").name == "identity"


def test_threads_that_want_the_same_model_get_the_same(
    tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_model_path.read_bytes())

    def read_slowly(path: Path) -> bytes:
        time.sleep(0.05)
        return path.read_bytes()

    monkeypatch.setattr("argan_plugin.model.read_model_file", read_slowly)
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_model(path, device="cpu"), range(8)))
    assert all(model is opened[0] for model in opened)


def test_open_model_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        open_model(tmp_path / "absent.onnx")
