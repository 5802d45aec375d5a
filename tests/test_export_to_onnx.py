"""Exported files: what the graph is made of, what the file tells, and that bad ones never appear.

That the results equal torch's at odd sizes, in batches and on one pixel is checked by every export.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import save
from torch import nn

import export.to_onnx
from argan_plugin import ModelError, RestorationModel
from argan_plugin.tiling import map_tiles
from export.bioimageio import build_package
from export.errors import ExportError
from export.graph import GraphForm, build_graph
from export.to_onnx import ExportReport, export_onnx
from training.checkpoint import Weights, build_generator
from training.config import GeneratorConfig
from training.config_dict import to_dict
from training.generator import UNetConfig
from training.paper_networks import PaperGeneratorConfig
from training.recipes import paper, smoke


def random_weights(generator: GeneratorConfig) -> Weights:
    """Return weights that change an image by some levels, BatchNorm statistics among them."""
    torch.manual_seed(5)
    network = build_generator(generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    if head := getattr(network, "head", None):
        nn.init.normal_(head.weight, 0, 0.05)
    return Weights(
        generator=generator,
        state=network.state_dict(),
        training=replace(smoke(), generator=generator, adversarial=None, equivariant=False),
        facts={"commit": "0123abc"},
    )


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(smoke().generator)


@pytest.fixture(scope="module")
def exported(
    weights: Weights, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ExportReport]:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    return path, export_onnx(weights, path, summary="A tiny one.")


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


def dimensions(path: Path) -> list[list[int | str]]:
    graph = onnx.load(path).graph
    return [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]


def test_the_plugin_reads_the_facts(exported: tuple[Path, ExportReport], weights: Weights) -> None:
    path, report = exported
    info = RestorationModel(path, device="cpu").info
    assert info == report.info
    assert (info.name, info.summary, info.license) == ("tiny", "A tiny one.", "BSD-3-Clause")
    assert weights.training is not None
    assert json.loads(info.training) == json.loads(json.dumps(to_dict(weights.training)))
    assert info.quality_range == weights.training.degradation.quality
    assert info.commit == "0123abc"
    assert info.weights_sha256 == hashlib.sha256(save(weights.state)).hexdigest()
    # stem and head of 2 pixels, 8 convolutions of 2 or 4, and the rest of the square of 4
    assert info.receptive_field == 2 * (2 + 2 + 4 * 2 + 2 * 4 + 3) + 1
    assert (info.size_multiple, info.halo) == (4, 24)


def test_the_cost_counts_a_multiply_add_as_two(exported: tuple[Path, ExportReport]) -> None:
    # By hand, multiply-adds a pixel: stem, two blocks of width 8 on a quarter of the positions,
    # down, one block of width 16 on a sixteenth, up, head.
    stem, fine, down = 8 * 36 / 4, 2 * 2 * 8 * 8 * 9 / 4, 8 * 16 * 4 / 16
    coarse, up, head = 2 * 16 * 16 * 9 / 16, 16 * 8 * 4 / 16, 8 * 4 * 9 / 4
    expected = 2 * (stem + fine + down + coarse + up + head) / 1000
    assert exported[1].info.kflop_per_pixel == pytest.approx(expected, abs=5e-4)


def test_parity_is_tried_where_it_could_break(exported: tuple[Path, ExportReport]) -> None:
    _, report = exported
    shapes = [parity.shape for parity in report.parity]
    assert (1, 1, 1, 1) in shapes
    assert any(batch == 3 for batch, *_ in shapes)
    assert any(max(height, width) < report.info.halo for _, _, height, width in shapes)
    assert any(min(height, width) > report.info.halo for _, _, height, width in shapes)
    assert any(height % 2 and width % 2 for _, _, height, width in shapes)
    assert f"{report.parity[-1]}" in str(report)


def test_input_and_output(exported: tuple[Path, ExportReport]) -> None:
    path, _ = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (image,), (restored,) = session.get_inputs(), session.get_outputs()
    for value, name in ((image, "image"), (restored, "restored")):
        assert (value.name, value.type) == (name, "tensor(float)")
        assert value.shape == ["batch", 1, "height", "width"]


def test_nothing_tells_of_the_machine(exported: tuple[Path, ExportReport]) -> None:
    data = exported[0].read_bytes()
    for trace in (Path.cwd(), Path.home(), Path(torch.__file__).parent, "site-packages", "pkg."):
        assert str(trace).encode() not in data
    for node in onnx.load(exported[0]).graph.node:
        assert not node.doc_string
        assert not node.metadata_props


def test_the_same_weights_give_the_same_file(
    exported: tuple[Path, ExportReport], weights: Weights, tmp_path: Path
) -> None:
    export_onnx(weights, tmp_path / "tiny.onnx", summary="A tiny one.")
    assert (tmp_path / "tiny.onnx").read_bytes() == exported[0].read_bytes()


def test_tiles_with_the_measured_halo_equal_the_whole(
    exported: tuple[Path, ExportReport],
) -> None:
    path, report = exported
    model, multiple = RestorationModel(path, device="cpu"), report.info.size_multiple
    image = np.random.default_rng(1).random((75, 90), np.float32)

    def run(luma: Any) -> Any:
        return model.run(luma[None, None])[0, 0]

    def tiled(halo: int) -> Any:
        return map_tiles(
            lambda tiles: [run(tile) for tile in tiles],
            image,
            tile_size=20,
            halo=halo,
            size_multiple=multiple,
        )

    whole = run(image)
    assert np.abs(tiled(report.info.halo) - whole).max() < 1e-6
    assert np.abs(tiled(multiple) - whole).max() > 1e-5


def test_batch_norm_of_the_papers_generator_is_folded(tmp_path: Path) -> None:
    path = tmp_path / "paper.onnx"
    weights = replace(random_weights(PaperGeneratorConfig()), training=paper())
    assert export_onnx(weights, path).info.size_multiple == 16
    assert operators(path) >= {"Conv", "ConvTranspose", "LeakyRelu"}
    assert "BatchNormalization" not in operators(path)


def test_bare_graph(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "bare.onnx"
    report = export_onnx(weights, path, form=GraphForm(bare=True))
    assert operators(path) == {"Conv", "Relu", "Add", "ConvTranspose", "DepthToSpace"}
    assert dimensions(path) == [["batch", 1, "height", "width"]] * 2
    for parity in report.parity:
        assert not any(size % 4 for size in parity.shape[2:])
    with pytest.raises(ModelError, match="format_version"):  # it keeps no promise to the plugin
        RestorationModel(path, device="cpu")


@pytest.mark.parametrize("bare", [False, True])
def test_fixed_sizes(bare: bool, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "fixed.onnx"
    form = GraphForm(bare=bare, batch=2, height=36, width=52)
    export_onnx(weights, path, form=form)
    assert dimensions(path) == [[2, 1, 36, 52]] * 2
    assert not operators(path) & {"Shape", "Mod"}


def test_one_fixed_axis(weights: Weights, tmp_path: Path) -> None:
    export_onnx(weights, tmp_path / "fixed.onnx", form=GraphForm(width=37))
    assert dimensions(tmp_path / "fixed.onnx") == [["batch", 1, "height", 37]] * 2


@pytest.mark.parametrize("opset", [11, 21])
def test_opsets(opset: int, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(weights, path, form=GraphForm(opset=opset))
    assert [(entry.domain, entry.version) for entry in onnx.load(path).opset_import] == [
        ("", opset)
    ]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"opset": 10}, "opset: expected 11"),
        ({"opset": 1000}, "opset: expected 11"),
        ({"height": 0}, "height: expected at least 1, got 0"),
        ({"bare": True, "width": 33}, "width: a bare graph takes multiples of 4, got 33"),
    ],
)
def test_impossible_forms(
    form: dict[str, Any], message: str, weights: Weights, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        export_onnx(weights, tmp_path / "model.onnx", form=GraphForm(**form))


def broken(change: Callable[[onnx.ModelProto], object]) -> Callable[..., onnx.ModelProto]:
    def build(*arguments: Any) -> onnx.ModelProto:
        model = build_graph(*arguments)
        change(model)
        return model

    return build


def another_weight(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if "head.weight" in tensor.name)
    array = onnx.numpy_helper.to_array(tensor) + np.float32(1e-3)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def an_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "NoSuchOperator"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_weight, "within 0.0001"),
        (an_unknown_operator, "NoSuchOperator"),
    ],
)
def test_a_failed_check_leaves_nothing_and_says_why(
    change: Callable[[onnx.ModelProto], object],
    message: str,
    weights: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export.to_onnx, "build_graph", broken(change))
    with pytest.raises(ExportError, match=message):
        export_onnx(weights, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_check_spares_the_file_that_was_there(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"older")
    monkeypatch.setattr(export.to_onnx, "build_graph", broken(another_weight))
    with pytest.raises(ExportError, match="not written"):
        export_onnx(weights, tmp_path / "model.onnx", overwrite=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"older"]


def test_weights_of_nan_are_refused(weights: Weights, tmp_path: Path) -> None:
    state = {name: torch.full_like(tensor, torch.nan) for name, tensor in weights.state.items()}
    with pytest.raises(ExportError, match="NaN"):
        export_onnx(replace(weights, state=state), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_model_can_have(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="name must be letters"):
        export_onnx(weights, tmp_path / "my model.onnx")


@pytest.fixture(scope="module")
def chroma_weights() -> Weights:
    shape = UNetConfig(
        planes=3, widths=(8, 16), encoder_blocks=(1,), bottleneck_blocks=1, decoder_blocks=(1,)
    )
    made = random_weights(shape)
    luma = 4  # channels of the head, which training leaves as they begin
    for name in ("head.weight", "head.bias"):
        made.state[name][:luma] = 0
    return made


def test_a_network_of_chroma_takes_and_gives_three_planes(
    chroma_weights: Weights, tmp_path: Path
) -> None:
    path = tmp_path / "tiny-chroma.onnx"
    info = export_onnx(chroma_weights, path).info
    assert (info.planes, info.summary[-12:]) == (3, "from chroma.")
    assert dimensions(path) == [["batch", 3, "height", "width"]] * 2
    image = np.random.default_rng(2).random((1, 3, 2 * info.halo + 24, 40), np.float32)
    restored = RestorationModel(path, device="cpu").run(image)
    with torch.inference_mode():
        expected = chroma_weights.network()(torch.from_numpy(image)).clamp(0, 1).numpy()
    np.testing.assert_allclose(restored, expected, atol=1e-5)


def test_forms_that_only_luma_has(chroma_weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "tiny-chroma.onnx"
    with pytest.raises(ExportError, match="int8: expected a network of luma"):
        export_onnx(chroma_weights, path, form=GraphForm(precision="int8"))
    export_onnx(chroma_weights, path)
    with pytest.raises(ExportError, match="expected a model of luma"):
        build_package(path, tmp_path / "package")
