"""Writes trained weights as one ONNX file with its facts, checked before it appears."""

from __future__ import annotations

import collections
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import safetensors.torch
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from argan_plugin.errors import ImageFileError
from argan_plugin.model_info import ModelInfo
from argan_plugin.whole_file import written_whole
from export.errors import ExportError
from export.graph import GraphForm, build_graph
from export.parity import Parity
from export.quantization import Pair, psnr_cost, read_pairs, to_int8
from export.receptive_field import measure_halo, measure_radius
from export.verify import LARGEST_PSNR_COST, open_file, reference_of, verify_file
from training.checkpoint import Generator, Weights
from training.config_dict import to_dict

_RESTORED = {1: "luma", 3: "chroma"}  # by the number of planes

DEFAULT_LICENSE = "BSD-3-Clause"
"""Of the project, and of the weights that it ships."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written, and how it compares with the network."""

    info: ModelInfo
    """The facts that the file holds."""

    form: GraphForm
    """The form of its graph."""

    operators: dict[str, int]
    """How many nodes of each kind the graph has."""

    size: int
    """Bytes of the file."""

    parity: tuple[Parity, ...]
    """Image by image, on noise."""

    psnr_cost: float | None
    """By how many dB int8 is worse on pictures that it was not calibrated on; else None."""

    def __str__(self) -> str:
        info = self.info
        operators = ", ".join(f"{count} {name}" for name, count in self.operators.items())
        shape = ", ".join(map(str, self.form.shape(info.planes)))
        cost = [] if self.psnr_cost is None else [f"PSNR cost: {self.psnr_cost:.3f} dB"]
        return "\n".join(
            [
                f"{info.name}: {info.summary}",
                f"{self.size / 1e6:.2f} MB, opset {self.form.opset}, "
                f"{self.form.precision} ({shape}): {operators}",
                f"{info.kflop_per_pixel:.1f} kFLOP per pixel, receptive field "
                f"{info.receptive_field}, halo {info.halo}, size multiple {info.size_multiple}",
                "Parity with torch, batch x height x width:",
                *(f"  {parity}" for parity in self.parity),
                *cost,
            ]
        )


def export_onnx(
    weights: Weights,
    target: Path,
    *,
    name: str | None = None,
    summary: str | None = None,
    license: str = DEFAULT_LICENSE,  # noqa: A002 - as the fact is called
    form: GraphForm | None = None,
    calibration_images: Sequence[Path] = (),
    overwrite: bool = False,
) -> ExportReport:
    """Write a trained generator as one ONNX file, float32 ``image`` to float32 ``restored``.

    Both have the shape ``(batch, 1, height, width)`` and luma in [0, 1], or for a network of chroma
    ``(batch, 3, height, width)`` and Y, Cb and Cr. The file appears only after all of its checks.

    Parameters
    ----------
    weights
        From :func:`training.checkpoint.load_weights`.
    target
        The file to write.
    name
        The model's name; by default the file's, without its suffix.
    summary
        One line that says what the model is for.
    license
        SPDX expression of the weights' licence.
    form
        What the graph should look like; by default it takes images of any size.
    calibration_images
        Folders of pictures for int8: one half to measure ranges on, the other to check on.
    overwrite
        Replace a file that is there.

    Raises
    ------
    ExportError
        If the file cannot be written, the graph cannot have that form, a fact is impossible, or a
        check fails. Nothing is left behind.
    CheckpointError
        If the weights do not fit their network.
    """
    form = form or GraphForm()
    if target.exists() and not overwrite:
        raise ExportError(f"{target}: exists already; pass --overwrite to replace it.")
    network = weights.network()
    if form.precision == "int8" and network.planes != 1:
        raise ExportError("int8: expected a network of luma, got one of chroma: choose float16")
    if not all(tensor.isfinite().all() for tensor in weights.state.values()):
        raise ExportError("expected finite weights, got NaN or infinity: train the network again")
    info = _facts(weights, network, name or target.stem, summary, license)
    model = build_graph(network, info.size_multiple, info.planes, form)
    pairs = read_pairs(calibration_images, form) if form.precision == "int8" else []
    if pairs:
        model = to_int8(model, pairs[::2])
    metadata = info.to_metadata()
    if not form.any_size:
        # What the number promises to the plugin, a graph for images of any size, does not hold.
        del metadata["argan.format_version"]
    onnx.helper.set_model_props(model, metadata)
    data = model.SerializeToString(deterministic=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            candidate = Path(folder, "candidate.onnx")
            candidate.write_bytes(data)
            parity = verify_file(candidate, network, info, form, metadata)
            cost = _psnr_cost(candidate, network, info, form, pairs[1::2]) if pairs else None
        with written_whole(target, overwrite=overwrite) as file:
            file.write(data)
    except ExportError as error:
        raise ExportError(f"{target}: not written, for a check failed: {error}") from error
    except ImageFileError as error:
        raise ExportError(str(error)) from error
    except OSError as error:
        raise ExportError(f"{target}: cannot be written: {error.strerror or error}") from error
    return ExportReport(
        info=info,
        form=form,
        operators=dict(collections.Counter(node.op_type for node in model.graph.node)),
        size=len(data),
        parity=parity,
        psnr_cost=cost,
    )


def _psnr_cost(
    path: Path, network: nn.Module, info: ModelInfo, form: GraphForm, pairs: Sequence[Pair]
) -> float:
    """Return what int8 costs, in dB.

    Raises
    ------
    ExportError
        If it is too much.
    """
    cost = psnr_cost(reference_of(network, info, form), open_file(path, info, form), pairs)
    if not cost <= LARGEST_PSNR_COST:
        raise ExportError(
            f"expected int8 to cost at most {LARGEST_PSNR_COST} dB on {len(pairs)} pictures, got "
            f"{cost:.3f} dB: calibrate on other or more pictures"
        )
    return cost


def _facts(
    weights: Weights, network: Generator, name: str, summary: str | None, license_: str
) -> ModelInfo:
    """Return the facts about a model: measured on the network, or from the checkpoint's header."""
    training = weights.training
    if training is None:
        raise ExportError("expected weights that say how they were trained, got none that do")
    multiple = network.size_multiple
    low, high = training.degradation.quality
    try:
        radius = measure_radius(network, multiple, network.planes)
        return ModelInfo(
            name=name,
            summary=summary or _summary(network.planes, low, high),
            size_multiple=multiple,
            halo=measure_halo(network, multiple, radius, network.planes),
            receptive_field=2 * radius + 1,
            quality_range=(low, high),
            license=license_,
            training=json.dumps(to_dict(training)),
            commit=str(weights.facts.get("commit", "unknown")),
            # of the tensors alone, as safetensors writes them without a header of ours
            weights_sha256=hashlib.sha256(safetensors.torch.save(weights.state)).hexdigest(),
            kflop_per_pixel=_kflop_per_pixel(network, multiple),
            planes=network.planes,
        )
    except ValueError as error:
        raise ExportError(str(error)) from error


def _summary(planes: int, low: int, high: int) -> str:
    return f"Removes JPEG artifacts of quality {low} to {high} from {_RESTORED[planes]}."


@torch.inference_mode()
def _kflop_per_pixel(network: Generator, size_multiple: int) -> float:
    """Count the network's convolutions, a multiply-add as two operations."""
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, network.planes, size_multiple, size_multiple))
    operations: int = counter.get_total_flops()
    return round(operations / size_multiple**2 / 1000, 3)
