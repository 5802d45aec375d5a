"""Tiny ONNX models, a JPEG and a napari window: no test of the plugin needs shipped weights."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy.ndimage import gaussian_filter

from argan_plugin import devices
from argan_plugin.cli import main
from argan_plugin.model_info import ModelInfo

if TYPE_CHECKING:
    import napari

BuildModel = Callable[..., onnx.ModelProto]
Run = Callable[..., int]

_SIZE_MULTIPLE = 8

_MANIFEST = Path(__file__).parents[1] / "napari.yaml"


def tiny_info(**changes: Any) -> ModelInfo:
    """Return the facts of the tiny network, some of them changed."""
    facts: dict[str, Any] = {
        "name": "tiny",
        "summary": "A tiny network with random weights, for tests.",
        "size_multiple": _SIZE_MULTIPLE,
        "halo": 16,
        # the blocks of 8 pixels left and right of the pixel's own: 15 pixels to either side
        "receptive_field": 31,
        "quality_range": (5, 95),
        "license": "CC0-1.0",
        "training": "{}",
        "commit": "0" * 40,
        "weights_sha256": "0" * 64,
        "kflop_per_pixel": 0.01,
    }
    return ModelInfo(**facts | changes)


def build_model(
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
    *,
    info: ModelInfo | None = None,
    output_shape: Sequence[str | int] = ("batch", 1, "height", "width"),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return a model with this project's input, output and metadata around any nodes."""
    axes: list[str | int] = ["batch", 1, "height", "width"]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, axes)
    restored = helper.make_tensor_value_info("restored", TensorProto.FLOAT, list(output_shape))
    graph = helper.make_graph(list(nodes), "tiny", [image], [restored], list(initializers))
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    helper.set_model_props(model, (info or tiny_info()).to_metadata())
    return model


def tiny_model() -> onnx.ModelProto:
    """Return a residual network with a total stride of 8: a tile that begins elsewhere shows.

    The graph pads to a multiple of 8 by repeating the edge and cuts the result, as exported
    models do.
    """
    random = np.random.default_rng(20)

    def constant(name: str, values: Any, dtype: Any = np.int64) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values, dtype), name)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        scale = 0.5 / np.sqrt(np.prod(shape[1:]))  # a correction of about a tenth of the range
        return constant(name, random.normal(0, scale, shape), np.float32)

    node = helper.make_node
    nodes = [
        # padding at the bottom and on the right: minus the size, modulo 8
        node("Shape", ["image"], ["size"], start=2, end=4),
        node("Neg", ["size"], ["minus_size"]),
        node("Mod", ["minus_size", "multiple"], ["missing"]),
        node("Concat", ["no_padding", "missing"], ["padding"], axis=0),
        node("Pad", ["image", "padding", "", "axes"], ["padded"], mode="edge"),
        node("Conv", ["padded", "down"], ["blocks"], strides=[8, 8]),
        node("Conv", ["blocks", "mix"], ["mixed"], pads=[1, 1, 1, 1]),
        node("LeakyRelu", ["mixed"], ["active"], alpha=0.2),
        node("ConvTranspose", ["active", "up"], ["correction"], strides=[8, 8]),
        node("Add", ["padded", "correction"], ["corrected"]),
        node("Clip", ["corrected", "black", "white"], ["limited"]),
        node("Slice", ["limited", "no_padding", "size", "axes"], ["restored"]),
    ]
    initializers = [
        constant("multiple", [8, 8]),
        constant("no_padding", [0, 0]),
        constant("axes", [2, 3]),
        constant("black", 0, np.float32),
        constant("white", 1, np.float32),
        weights("down", 6, 1, 8, 8),
        weights("mix", 6, 6, 3, 3),
        weights("up", 6, 1, 8, 8),
    ]
    return build_model(nodes, initializers)


@pytest.fixture(autouse=True)
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide OpenVINO from device "auto", so that tests give the same wherever they run."""
    monkeypatch.setattr(devices, "has_openvino", lambda: False)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    onnx.save(tiny_model(), folder / "tiny.onnx")
    identity = [helper.make_node("Identity", ["image"], ["restored"])]
    info = tiny_info(name="identity", size_multiple=1, halo=0, receptive_field=1)
    onnx.save(build_model(identity, info=info), folder / "identity.onnx")
    return folder


@pytest.fixture(scope="session")
def tiny_model_path(models: Path) -> Path:
    """Give an ONNX file that changes each pixel, by about a tenth of the range."""
    return models / "tiny.onnx"


@pytest.fixture(scope="session")
def identity_model_path(models: Path) -> Path:
    """Give an ONNX file that returns its input."""
    return models / "identity.onnx"


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """Give edges, slopes and grain: uint8 of shape (93, 118, 3), no multiple of 8."""
    rows, columns = np.mgrid[:93, :118]
    random = np.random.default_rng(7)
    slopes = np.stack([rows * 2.5, columns * 2, 255 - rows - columns], axis=-1)
    disc = ((rows - 40) ** 2 + (columns - 60) ** 2 < 900)[..., None]
    grain = random.normal(0, 6, slopes.shape)
    pixels = np.where(disc, 255 - slopes, slopes) + grain
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture
def jpeg_photo(photo: NDArray[np.uint8], tmp_path: Path) -> Path:
    """Give the photo as a JPEG file of quality 20 with a description in its EXIF."""
    image = Image.fromarray(photo)
    exif = image.getexif()
    exif[0x010E] = "A disc on a slope"
    path = tmp_path / "photo.jpg"
    image.save(path, quality=20, exif=exif)
    return path


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of small pictures to train on."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=(120, 140))
        pixels = np.clip(gaussian_filter(noise, 2) * 300 + 128, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def run(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with the tiny model, from a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        words = [str(argument) for argument in arguments]
        return main([*words, "--model", str(tiny_model_path), "--device", "cpu"])

    return run


@pytest.fixture
def viewer(
    make_napari_viewer: Callable[..., napari.Viewer],
    plugin_settings: None,
    npe2pm: Any,
    tiny_model_path: Path,
) -> Iterator[napari.Viewer]:
    """Yield a viewer that knows the plugin, which uses the tiny model."""
    # Here, for most tests do without napari, and it takes a second to load.
    from napari.settings import get_plugin_settings
    from napari.utils import progress
    from npe2 import PluginManifest
    from superqt.utils import WorkerBase

    npe2pm.register(PluginManifest.from_file(_MANIFEST))
    get_plugin_settings("argan-plugin").restoration.model = str(tiny_model_path)
    yield make_napari_viewer()
    WorkerBase.await_workers()
    assert not progress._all_instances  # or napari's spinner goes on


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let no finalizer of another test's objects run where a parser is at the recursion limit."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
