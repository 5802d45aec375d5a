"""Turns a network into a clean ONNX graph; knows nothing of files and facts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME
from export.errors import ExportError

DEFAULT_OPSET = 18
"""What torch writes; ONNX Runtime has it since 1.14 (2023)."""

Precision = Literal["float32", "float16", "int8"]

_OLDEST_QUANTIZED_OPSET = 13  # QuantizeLinear got its scale a channel
_OLDEST_OPSET = 11  # DepthToSpace got its mode CRD, which is torch's pixel_shuffle
_PADDED, _UNCLIPPED = "padded", "unclipped"


@dataclass(frozen=True, kw_only=True)
class GraphForm:
    """What the graph should look like. The default takes images of any size."""

    opset: int = DEFAULT_OPSET
    """Version of ONNX's operators, from 11."""

    precision: Precision = "float32"
    """Of the network between input and output, which are float32 always. ``int8`` is for
    :mod:`export.quantization` to do."""

    bare: bool = False
    """Leave out padding, cropping and clipping: height and width must be multiples of the size
    multiple, and values may leave [0, 1] a little. Only convolutions, activations, additions,
    concatenations and rearrangements are left, which small runtimes have too."""

    batch: int | None = None
    """Fixed number of images; None leaves it free."""

    height: int | None = None
    """Fixed height in pixels; None leaves it free."""

    width: int | None = None
    """Fixed width in pixels; None leaves it free."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.precision not in get_args(Precision):
            raise ExportError(
                f"precision: expected one of {', '.join(get_args(Precision))}, "
                f"got {self.precision!r}"
            )
        oldest = _OLDEST_QUANTIZED_OPSET if self.precision == "int8" else _OLDEST_OPSET
        newest = onnx.defs.onnx_opset_version()
        if not oldest <= self.opset <= newest:
            raise ExportError(
                f"opset: expected {oldest} to {newest} for {self.precision}, got {self.opset}"
            )
        for name in ("batch", "height", "width"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ExportError(f"{name}: expected at least 1, got {size}")

    @property
    def any_size(self) -> bool:
        """Whether the graph keeps the plugin's contract: any batch, height and width."""
        return not self.bare and self.batch is self.height is self.width is None

    def shape(self, planes: int) -> list[str | int]:
        """Return that of input and output: numbers for what is fixed, names for what is free."""
        return [self.batch or "batch", planes, self.height or "height", self.width or "width"]


def build_graph(
    network: nn.Module, size_multiple: int, planes: int, form: GraphForm
) -> onnx.ModelProto:
    """Return a network as an ONNX graph from ``image`` to ``restored``.

    Parameters
    ----------
    network
        In evaluation mode; fully convolutional. Maps float32 ``(batch, planes, height, width)`` in
        [0, 1] to the same shape, height and width multiples of ``size_multiple``.
    size_multiple
        Its total stride in pixels.
    planes
        How many it sees.
    form
        What the graph should look like.

    Returns
    -------
    onnx.ModelProto
        With BatchNorm folded into the convolutions, and without stack traces, names of files and
        intermediate shapes.

    Raises
    ------
    ExportError
        If a bare graph is to have a size that is no multiple.
    """
    smallest = torch.zeros(1, planes, size_multiple, size_multiple)
    shape = form.shape(planes)
    if form.bare:
        for name in ("height", "width"):
            size = getattr(form, name) or 0
            if size % size_multiple:
                raise ExportError(
                    f"{name}: a bare graph takes multiples of {size_multiple}, got {size}"
                )
        nodes, constants = _network(network, smallest, INPUT_NAME, OUTPUT_NAME, form.precision)
    else:
        nodes, constants = _network(network, smallest, _PADDED, _UNCLIPPED, form.precision)
        before, after, sizes = _any_size(size_multiple, form)
        nodes, constants = [*before, *nodes, *after], [*sizes, *constants]
    graph = helper.make_graph(
        nodes,
        name="argan",
        inputs=[helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, shape)],
        outputs=[helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, shape)],
        initializer=constants,
    )
    # None of these operators has changed its form since opset 11; onnx's checker, which every
    # export goes through, would find an attribute that an older opset does not have.
    opsets = [helper.make_opsetid("", form.opset)]
    return helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="argan-plugin",
    )


def _network(
    network: nn.Module, smallest: torch.Tensor, source: str, target: str, precision: Precision
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes from `source` to `target`, both float32, and their weights."""
    if precision != "float16":
        graph = _traced(network, smallest, source, target)
        return list(graph.node), list(graph.initializer)
    graph = _traced(network, smallest, "half_image", "half_restored")
    # All operators take their type from their inputs, so this is all that there is to it.
    halved = [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        for tensor in graph.initializer
    ]
    to_half = helper.make_node("Cast", [source], ["half_image"], to=TensorProto.FLOAT16)
    from_half = helper.make_node("Cast", ["half_restored"], [target], to=TensorProto.FLOAT)
    return [to_half, *graph.node, from_half], halved


def _traced(
    network: nn.Module, smallest: torch.Tensor, source: str, target: str
) -> onnx.GraphProto:
    """Return torch's graph of the network, given the smallest image that it takes.

    It is traced at one size, which for a fully convolutional network is as good as any: no number
    of the graph depends on it. That all sizes work is checked on every export.
    """
    with _quiet_exporter():
        program = torch.onnx.export(
            network.eval(),
            (smallest.repeat(1, 1, 4, 4),),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=[source],
            output_names=[target],
            opset_version=DEFAULT_OPSET,
        )
    assert program is not None
    graph: onnx.GraphProto = program.model_proto.graph
    for part in (*graph.node, *graph.initializer):
        # stack traces with paths of this machine, and torch's names for things
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return graph


def _any_size(
    size_multiple: int, form: GraphForm
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return nodes before and after the network, and their constants.

    They do what :class:`training.full_image.FullImage` does.
    """
    node = helper.make_node
    after = [
        node("Slice", [_UNCLIPPED, "origin", "size", "rows_and_columns"], ["cropped"]),
        node("Clip", ["cropped", "black", "white"], [OUTPUT_NAME]),
    ]
    constants: dict[str, Any] = {
        "origin": [0, 0],
        "rows_and_columns": [2, 3],
        "black": np.float32(0),
        "white": np.float32(1),
    }
    if form.height and form.width:
        size = [form.height, form.width]
        measure = []
        constants |= {
            "size": size,
            "padding": [0] * 6 + [-length % size_multiple for length in size],
        }
    else:
        measure = [
            node("Shape", [INPUT_NAME], ["shape"]),
            node("Slice", ["shape", "two", "four"], ["size"]),
            # what is missing up to a multiple: minus the size, modulo the multiple
            node("Neg", ["size"], ["minus_size"]),
            node("Mod", ["minus_size", "multiple"], ["missing"]),
            node("Concat", ["no_padding", "missing"], ["padding"], axis=0),
        ]
        constants |= {
            "multiple": [size_multiple] * 2,
            "no_padding": [0] * 6,
            "two": [2],
            "four": [4],
        }
    pad = node("Pad", [INPUT_NAME, "padding"], [_PADDED], mode="edge")
    tensors = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    return [*measure, pad], after, tensors


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what torch's exporter says to its own developers."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)  # "torchvision is not installed": it is not used
    try:
        with warnings.catch_warnings():
            # torch.export copies its own deprecated class.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
