"""Smaller files: float16 and int8, what they cost, and that they keep the contract."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import skimage.data
import torch
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession, SessionOptions
from PIL import Image
from torch import nn

import export.to_onnx
from argan_plugin import RestorationModel
from benchmarks.models import weights_of
from export.errors import ExportError
from export.graph import GraphForm, build_graph
from export.quantization import psnr_cost, read_pairs, to_int8
from export.to_onnx import export_onnx
from training.checkpoint import Weights
from training.config import TrainingConfig
from training.full_image import FullImage
from training.generator import UNet, UNetConfig
from training.recipes import smoke


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(6)
    network = UNet(
        UNetConfig(widths=(8, 16), encoder_blocks=(2,), bottleneck_blocks=1, decoder_blocks=(3,))
    )
    nn.init.normal_(network.head.weight, 0, 0.05)
    return network.eval()


@pytest.fixture(scope="module")
def weights(network: UNet) -> Weights:
    training: TrainingConfig = replace(smoke(), generator=network.config, equivariant=False)
    state = network.state_dict()
    return Weights(generator=network.config, state=state, training=training, facts={})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for number in range(4):
        grain = random.integers(0, 256, (9, 11), np.uint8)
        Image.fromarray(grain).resize((300, 260)).save(folder / f"{number}.png")
    return folder


def initializer_types(path: Path) -> set[int]:
    """Return the types of all weights, constants of the padding and cropping apart."""
    tensors = onnx.load(path).graph.initializer
    return {tensor.data_type for tensor in tensors if "." in tensor.name}


def test_float16_halves_the_weights_and_stays_within_a_level(
    network: UNet, weights: Weights, tmp_path: Path
) -> None:
    path = tmp_path / "half.onnx"
    export_onnx(weights, path, form=GraphForm(precision="float16"))
    assert initializer_types(path) == {onnx.TensorProto.FLOAT16}
    image = np.random.default_rng(2).random((1, 1, 21, 30), np.float32)
    with torch.inference_mode():
        expected = FullImage(network, 4)(torch.from_numpy(image)).numpy()
    # ONNX's own evaluator really computes in float16; ONNX Runtime on a CPU does not.
    (evaluated,) = ReferenceEvaluator(str(path)).run(None, {"image": image})
    for got in (np.asarray(evaluated), RestorationModel(path, device="cpu").run(image)):
        assert got.dtype == np.float32
        assert np.abs(got - expected).max() < 1 / 255


def test_int8_quantizes_the_inner_convolutions(
    weights: Weights, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.onnx"
    report = export_onnx(
        weights, path, form=GraphForm(precision="int8"), calibration_images=[pictures]
    )
    assert capsys.readouterr().out == ""
    assert report.psnr_cost is not None
    assert report.psnr_cost < 0.1
    assert f"PSNR cost: {report.psnr_cost:.3f} dB" in str(report)
    assert RestorationModel(path, device="cpu").info == report.info
    graph = onnx.load(path).graph
    kernels = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Conv"}
    floats = [name for name in kernels.values() if name in {t.name for t in graph.initializer}]
    assert len(kernels) == 15  # stem, six blocks of two, down, head
    ends = ["stem", *["encoder"] * 2, *["decoder"] * 6, "head"]
    assert [name.split(".")[0] for name in floats] == ends


def test_eight_bits_cost_photographs_of_the_shipped_model_little(tmp_path: Path) -> None:
    for name in ("astronaut", "camera", "chelsea", "coffee", "coins", "gravel", "ihc", "moon"):
        shutil.copy(Path(skimage.data.__file__).parent / f"{name}.png", tmp_path)
    form = GraphForm(precision="int8")
    pairs = read_pairs([tmp_path], form)
    shipped = weights_of("argan").network()
    graph = build_graph(shipped, shipped.size_multiple, 1, form)
    network = InferenceSession(graph.SerializeToString())
    exact = SessionOptions()  # without VNNI, sums of products would overflow
    exact.add_session_config_entry("session.x64quantprecision", "1")
    quantized = InferenceSession(to_int8(graph, pairs[::2]).SerializeToString(), exact)
    cost = psnr_cost(
        lambda image: network.run(None, {"image": image})[0],
        lambda image: quantized.run(None, {"image": image})[0],
        pairs[1::2],
    )
    assert cost < 0.036  # dB; 0.040 with one block less in float32 at the end


@pytest.mark.parametrize("bare", [False, True])
def test_int8_in_every_form(bare: bool, weights: Weights, pictures: Path, tmp_path: Path) -> None:
    form = GraphForm(precision="int8", opset=13, bare=bare, batch=2, height=32, width=48)
    report = export_onnx(weights, tmp_path / "a.onnx", form=form, calibration_images=[pictures])
    assert [parity.shape for parity in report.parity] == [(2, 1, 32, 48)]


def test_int8_that_costs_too_much_is_not_written(
    weights: Weights, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export.to_onnx, "LARGEST_PSNR_COST", -10.0)
    form = GraphForm(precision="int8")
    with pytest.raises(ExportError, match="dB on 2 pictures"):
        export_onnx(weights, tmp_path / "a.onnx", form=form, calibration_images=[pictures])
    assert list(tmp_path.iterdir()) == []


def test_int8_needs_pictures(
    weights: Weights, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("L", (20, 20)).save(tmp_path / "small.png")
    with pytest.raises(ExportError, match="256 x 256"):
        export_onnx(
            weights,
            tmp_path / "a.onnx",
            form=GraphForm(precision="int8"),
            calibration_images=[tmp_path],
        )
    skipped = [record.getMessage() for record in caplog.records if "skipped" in record.msg]
    assert len(skipped) == 2
    assert not (tmp_path / "a.onnx").exists()


def test_int8_needs_opset_13() -> None:
    with pytest.raises(ExportError, match="opset: expected 13"):
        GraphForm(precision="int8", opset=12)
