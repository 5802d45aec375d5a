"""Checks an exported file against the network it came from; every export goes through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from argan_plugin import RestorationModel
from argan_plugin.errors import ArganError
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME
from argan_plugin.model_info import ModelInfo
from export.errors import ExportError
from export.graph import GraphForm
from export.parity import Image, Parity, compare
from training.full_image import FullImage

LARGEST_DIFFERENCE = 1e-4
"""On values in [0, 1]: a fortieth of an 8-bit level."""

WITHIN_ONE_LEVEL = 0.999
"""Share of the pixels that float16 must get right to one 8-bit level."""

LARGEST_PSNR_COST = 0.1
"""In dB, of int8 on pictures: its rounding errors are many and small."""


def verify_file(
    path: Path,
    network: nn.Module,
    info: ModelInfo,
    form: GraphForm,
    metadata: Mapping[str, str],
) -> tuple[Parity, ...]:
    """Check a file and return how it compares with the network, image by image.

    Parameters
    ----------
    path
        The ONNX file.
    network
        What it was exported from, in evaluation mode.
    info
        The facts about the network.
    form
        The form that the graph must have.
    metadata
        All entries that the file's ``metadata_props`` must have.

    Raises
    ------
    ExportError
        If ONNX's own checks fail, the plugin cannot open the file or reads other facts, or the
        results differ by more than the precision allows.
    """
    model = onnx.load(path, load_external_data=False)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"ONNX's checker refuses the graph: {error}") from error
    if {entry.key: entry.value for entry in model.metadata_props} != metadata:
        raise ExportError("the file holds other metadata than were written")
    run = open_file(path, info, form)
    reference = reference_of(network, info, form)
    random = np.random.default_rng(0)
    report = []
    for shape in _shapes(info, form):
        image = random.random(shape, np.float32)
        try:
            got = run(image)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ExportError(f"it cannot be run on an image of shape {shape}: {error}") from error
        parity = compare(reference(image), got)
        _must_agree(parity, form)
        report.append(parity)
    return tuple(report)


def reference_of(network: nn.Module, info: ModelInfo, form: GraphForm) -> Callable[[Image], Image]:
    """Return what the file must do, done by torch."""
    module = network if form.bare else FullImage(network, info.size_multiple)

    def run(image: Image) -> Image:
        with torch.inference_mode():
            result: Image = module(torch.from_numpy(image)).numpy()
        return result

    return run


def open_file(path: Path, info: ModelInfo, form: GraphForm) -> Callable[[Image], Image]:
    """Open a file as its users will: in the plugin if the graph keeps its contract.

    Raises
    ------
    ExportError
        If it cannot be opened, or the plugin reads other facts than `info`.
    """
    return _open_in_plugin(path, info) if form.any_size else _open_in_onnxruntime(path)


def _must_agree(parity: Parity, form: GraphForm) -> None:
    """Raise ExportError if the precision does not explain the difference."""
    if form.precision == "float32":
        # written, like the others, so that NaN fails
        agrees = parity.largest < LARGEST_DIFFERENCE and parity.levels_changed == 0
        wanted = f"within {LARGEST_DIFFERENCE} and in the same 8-bit levels"
    elif form.precision == "float16":
        agrees = parity.beyond_one_level <= (1 - WITHIN_ONE_LEVEL) * math.prod(parity.shape)
        wanted = f"within one 8-bit level on {WITHIN_ONE_LEVEL:.1%} of the pixels"
    else:
        agrees = math.isfinite(parity.largest)
        wanted = "in finite numbers"
    if not agrees:
        raise ExportError(f"expected the network's result {wanted}, got {parity}")


def _shapes(info: ModelInfo, form: GraphForm) -> Sequence[tuple[int, int, int, int]]:
    """Return shapes that try the graph: tiny, odd, smaller and larger than the halo, batches."""
    unit = info.size_multiple if form.bare else 1
    halo = max(info.halo, 8)

    def fit(size: int) -> int:
        return math.ceil(size / unit) * unit

    sizes = [
        (1, 1, 1),
        (3, 7, 2),
        (1, halo - 1, halo // 2 + 1),
        (3, halo // 2, 3),
        (1, halo + 5, 2 * halo + 3),
    ]
    shapes = [
        (form.batch or batch, info.planes, form.height or fit(height), form.width or fit(width))
        for batch, height, width in sizes
    ]
    return tuple(dict.fromkeys(shapes))


def _open_in_plugin(path: Path, info: ModelInfo) -> Callable[[Image], Image]:
    try:
        model = RestorationModel(path, device="cpu")
    except ArganError as error:
        raise ExportError(f"the plugin refuses the file: {error}") from error
    if model.info != info:
        raise ExportError(f"the plugin reads other facts than were written: {model.info}")
    return model.run


def _open_in_onnxruntime(path: Path) -> Callable[[Image], Image]:
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise ExportError(f"ONNX Runtime refuses the file: {error}") from error

    def run(image: Image) -> Image:
        output: Image = session.run([OUTPUT_NAME], {INPUT_NAME: image})[0]
        return output

    return run
