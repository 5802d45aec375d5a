"""Eight-bit integers for the convolutions in the middle of a network, where the cost lies.

ONNX Runtime's static quantization: one scale for each output channel of the weights, one for each
activation, from what it is on calibration pictures. What was tried, and what each choice costs:
``docs/experiments.md``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from argan_plugin.jpeg import round_trip
from argan_plugin.model_graph import INPUT_NAME
from export.errors import ExportError
from export.graph import GraphForm
from training.metrics import psnr
from training.pictures import find_pictures, read_luma
from training.validation import QUALITIES

_LOGGER = logging.getLogger(__name__)

_SIDE = 256
_MOST_PICTURES = 64

# The first convolution, which reads pixels, and a block; three blocks and the one that writes
# pixels, whose rounding errors nothing mends. Each block less costs about a hundredth of a decibel.
_FLOAT_AT_START, _FLOAT_AT_END = 3, 7

# What is beyond is clipped. With all values within the range, a few strong edges make the steps
# coarse for all the rest; with more of them clipped, strong artifacts stay.
_PERCENTILE = 99.97


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A crop of a picture, before and after compression."""

    compressed: NDArray[np.float32]
    """Luma ``(batch, 1, height, width)`` in [0, 1], all images of the batch the same."""

    pristine: NDArray[np.uint8]
    """Luma ``(height, width)``."""


def read_pairs(folders: Sequence[Path], form: GraphForm) -> list[Pair]:
    """Return crops that fit the graph from the middle of at most 64 pictures, spread evenly.

    They are compressed at qualities 10, 20, 30 and 40 in turn. Unreadable and too small pictures
    are named in the log and skipped.

    Raises
    ------
    ExportError
        If there are fewer than two pictures that are large enough.
    """
    height, width = form.height or _SIDE, form.width or _SIDE
    files = [path for folder in folders for path in find_pictures(folder)]
    pairs: list[Pair] = []
    for path in files[:: max(1, len(files) // _MOST_PICTURES)][:_MOST_PICTURES]:
        try:
            picture = read_luma(path)
        # Pillow's decoders raise all of these for damaged files.
        except (OSError, SyntaxError, ValueError) as error:
            _LOGGER.warning("skipped %s: %s", path, error)
            continue
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        if top < 0 or left < 0:
            _LOGGER.warning("skipped %s: %s is under %d x %d", path, picture.shape, height, width)
            continue
        pristine = np.ascontiguousarray(picture[top : top + height, left : left + width])
        compressed = round_trip(pristine, quality=QUALITIES[len(pairs) % len(QUALITIES)])
        image = compressed[None, None].astype(np.float32) / 255
        pairs.append(Pair(compressed=np.repeat(image, form.batch or 1, axis=0), pristine=pristine))
    if len(pairs) < 2:
        where = ", ".join(map(str, folders)) or "no folder"
        raise ExportError(
            f"int8: expected folders with at least two pictures of {height} x {width} pixels to "
            f"calibrate on, got {where}; see --calibration-images"
        )
    return pairs


def to_int8(model: onnx.ModelProto, pairs: Sequence[Pair]) -> onnx.ModelProto:
    """Return a float32 graph with its inner convolutions on 8-bit integers.

    Parameters
    ----------
    model
        From :func:`export.graph.build_graph`, opset 13 or newer.
    pairs
        What the activations' ranges are measured on.
    """
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    # Keeps ONNX Runtime from advising to fold BatchNorm first: that is done.
    add_pre_process_metadata(model)
    # ONNX Runtime prints how far it is.
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        target = Path(folder, "int8.onnx")
        quantize_static(
            model,
            target,
            _Reader(pairs),
            # With ReLU, whose output is never negative: its 256 steps cover what is left of it.
            op_types_to_quantize=["Conv", "Relu"],
            nodes_to_exclude=convolutions[:_FLOAT_AT_START] + convolutions[-_FLOAT_AT_END:],
            per_channel=True,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "CalibPercentile": _PERCENTILE,
                # One picture at a time: all activations of all pictures are gigabytes.
                "CalibStridedMinMax": 1,
            },
            # ONNX Runtime has fast kernels for unsigned activations only.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        quantized = onnx.load(target)
    quantized.producer_name, quantized.producer_version = model.producer_name, ""
    return quantized


def psnr_cost(
    network: Callable[[Any], Any], quantized: Callable[[Any], Any], pairs: Sequence[Pair]
) -> float:
    """Return by how many dB the quantized network's mean PSNR is lower.

    Both map float32 ``(batch, 1, height, width)`` in [0, 1] to the same shape.
    """

    def mean_psnr(run: Callable[[Any], Any]) -> float:
        results = (np.rint(run(pair.compressed)[0, 0].clip(0, 1) * 255) for pair in pairs)
        scores = [
            psnr(result.astype(np.uint8), pair.pristine)
            for result, pair in zip(results, pairs, strict=True)
        ]
        return float(np.mean(scores))

    return mean_psnr(network) - mean_psnr(quantized)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._inputs: Iterator[Pair] = iter(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Give these pairs next; ONNX Runtime calls it for each stride."""
        self._inputs = iter(self._pairs[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        pair = next(self._inputs, None)
        return None if pair is None else {INPUT_NAME: pair.compressed}
