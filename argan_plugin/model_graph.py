"""What running a model takes, worked out from its file before anything runs.

A graph of ten nodes can ask for terabytes or for years: a padding of a million pixels, a tensor
concatenated with itself thirty times, a convolution with a kernel as large as the picture. So the
graph is walked with the shape of the image alone. How many numbers it keeps in memory at once, how
much it computes, and the shape of what it gives must be what a network for pictures can have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from argan_plugin import protobuf
from argan_plugin.errors import ModelError
from argan_plugin.operators import RULES, RuleError, Shape, Value

INPUT_NAME, OUTPUT_NAME = "image", "restored"
"""The graph's contract; export builds graphs to it."""

MOST_NUMBERS_PER_PIXEL: Final = 512
"""Numbers held at once for each pixel: 2 GiB in float32 for a tile of a megapixel. The shipped
network holds 27; a network that keeps seven layers of 64 channels at full size is within it."""

MOST_WORK_PER_PIXEL: Final = 20_000_000
"""Operations for each pixel, a multiply-add counted as two: four times those of FBCNN, the heaviest
network that README.md compares with."""

_MOST_NODES = 10_000

# A model may pad a picture by its size multiple on each side, and up to a multiple.
_MULTIPLES_OF_PADDING = 3

# A row of sizes or paddings: 2 for each of 4 axes. Other integers are not followed.
_MOST_FOLLOWED = 8

_LEFT_OUT = ""  # the name of an optional input that a node does not have

# Fields of onnx.proto and the number of its type int64.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_TENSOR = 7, 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGERS, _ATTRIBUTE_TEXT = 1, (3, 8), 4
_TENSOR_SIZE, _TENSOR_TYPE, _TENSOR_INTEGERS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 7, 8, 9
_INT64 = 7


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, tuple[int, ...] | bytes]


class ModelGraph:
    """The nodes and constants of an ONNX file, to be asked what an image of some shape takes.

    Parameters
    ----------
    data : bytes
        A file that `model_file.inspect_model` has passed.
    size_multiple : int
        The model's, as its facts say.

    Raises
    ------
    ModelError
        If it is no graph that a model of this project can have.
    """

    def __init__(self, data: bytes, size_multiple: int) -> None:
        self._margin = _MULTIPLES_OF_PADDING * size_multiple
        self._nodes: list[_Node] = []
        self._constants: dict[str, Value] = {}
        try:
            # Repeated messages are merged, as Protocol Buffers has it.
            for graph in _messages(memoryview(data), _MODEL_GRAPH):
                self._nodes += map(_node, _messages(graph, _GRAPH_NODE))
                self._constants |= map(_constant, _messages(graph, _GRAPH_TENSOR))
        except protobuf.WireError as error:
            raise ModelError(f"The model's graph is damaged: {error}.") from error
        if len(self._nodes) > _MOST_NODES:
            raise ModelError(
                f"The model has {len(self._nodes)} nodes, more than the {_MOST_NODES} that are "
                "allowed."
            )
        self._last_use = {name: at for at, node in enumerate(self._nodes) for name in node.inputs}
        # int8 weights are held in float32 as well, whatever the picture's size.
        self._weights = sum(math.prod(value.shape) for value in self._constants.values())
        # ONNX Runtime computes what depends on constants alone once and keeps it.
        kept = {_LEFT_OUT, *self._constants}
        for node in self._nodes:
            if kept.issuperset(node.inputs):
                kept.add(node.output)
        self._kept = kept | {INPUT_NAME, OUTPUT_NAME}

    def check(self, shape: Shape) -> int:
        """Make sure that an image of this shape can be restored.

        Parameters
        ----------
        shape : (batch, planes, height, width)
            Each at least 1.

        Returns
        -------
        int
            How many numbers it holds at once, beside its weights.

        Raises
        ------
        ModelError
            If the model would need too much memory or work for a picture of this size, or give
            another shape, or if that cannot be told.
        """
        batch, _, height, width = shape
        pixels = batch * (height + self._margin) * (width + self._margin)
        values = self._constants | {INPUT_NAME: Value(shape), _LEFT_OUT: Value(())}
        held = work = most = 0
        for at, node in enumerate(self._nodes):
            value = _result(node, values)
            values[node.output] = value
            work += value.work
            held += math.prod(value.shape)
            most = max(most, held)
            if held > MOST_NUMBERS_PER_PIXEL * pixels + self._weights:
                raise ModelError(
                    f"The model wants memory for {held:.3g} numbers at once for a picture of "
                    f"{height} x {width} pixels; at most {MOST_NUMBERS_PER_PIXEL} a pixel are "
                    "allowed beside its weights."
                )
            if work > MOST_WORK_PER_PIXEL * pixels:
                raise ModelError(
                    f"The model takes {work:.3g} operations or more for a picture of {height} x "
                    f"{width} pixels; at most {MOST_WORK_PER_PIXEL} a pixel are allowed."
                )
            for name in {node.output, *node.inputs} - self._kept:
                if self._last_use.get(name, -1) <= at and name in values:
                    held -= math.prod(values.pop(name).shape)
        given = values.get(OUTPUT_NAME)
        if given is None or given.shape != shape:
            raise ModelError(
                f"The model must give its input's shape {shape}, but gives "
                f"{None if given is None else given.shape}. Export the model again."
            )
        return most


def _result(node: _Node, values: dict[str, Value]) -> Value:
    """Return what is known of a node's output."""
    try:
        result = RULES[node.operator](node.attributes, [values[name] for name in node.inputs])
    except (RuleError, ValueError, IndexError, KeyError) as error:
        raise ModelError(
            f"The model's {node.operator} for {node.output[:100]!r} cannot be followed: "
            f"{' '.join(str(error).split())[:200]}. Use a file written by `python -m export`."
        ) from error
    if min(result.shape, default=0) < 0:
        raise ModelError(
            f"The model's {node.operator} for {node.output[:100]!r} gives the impossible shape "
            f"{result.shape}. Use a file written by `python -m export`."
        )
    if result.numbers is not None and result.numbers.size > _MOST_FOLLOWED:
        return Value(result.shape, work=result.work)
    return result


def _messages(content: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the messages in fields of one number."""
    for number, value in protobuf.fields(content):
        if number == wanted:
            yield protobuf.as_bytes(value)


def _node(content: memoryview) -> _Node:
    operator = ""
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, tuple[int, ...] | bytes] = {}
    for number, value in protobuf.fields(content):
        if number == _NODE_INPUT:
            inputs.append(protobuf.as_text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(protobuf.as_text(value))
        elif number == _NODE_OPERATOR:
            operator = protobuf.as_text(value)
        elif number == _NODE_ATTRIBUTE:
            name, held = _attribute(protobuf.as_bytes(value))
            if name in attributes:
                raise protobuf.WireError("a node with two attributes of one name")
            attributes[name] = held
    if len(outputs) != 1 or operator not in RULES:
        raise protobuf.WireError(f"a node {operator[:100]!r} with {len(outputs)} outputs")
    return _Node(operator, tuple(inputs), outputs[0], attributes)


def _attribute(content: memoryview) -> tuple[str, tuple[int, ...] | bytes]:
    name, text = "", None
    integers: list[int] = []
    for number, value in protobuf.fields(content):
        if number == _ATTRIBUTE_NAME:
            name = protobuf.as_text(value)
        elif number in _ATTRIBUTE_INTEGERS:
            integers += itertools.islice(protobuf.as_integers(value), _MOST_FOLLOWED + 1)
        elif number == _ATTRIBUTE_TEXT:
            text = bytes(protobuf.as_bytes(value))
    return name, tuple(integers) if text is None else text


def _constant(content: memoryview) -> tuple[str, Value]:
    name, kind, raw = "", 0, b""
    shape: list[int] = []
    integers: list[int] = []
    for number, value in protobuf.fields(content):
        if number == _TENSOR_NAME:
            name = protobuf.as_text(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_SIZE:
            shape += itertools.islice(protobuf.as_integers(value), _MOST_FOLLOWED + 1)
        elif number == _TENSOR_INTEGERS:
            integers += itertools.islice(protobuf.as_integers(value), _MOST_FOLLOWED + 1)
        elif number == _TENSOR_RAW:
            raw = bytes(protobuf.as_bytes(value)[: 8 * _MOST_FOLLOWED])
    if min(shape, default=0) < 0 or len(shape) > _MOST_FOLLOWED:
        raise protobuf.WireError("a tensor of an impossible shape")
    size = math.prod(shape)
    if kind != _INT64 or size > _MOST_FOLLOWED:
        return name, Value(tuple(shape))
    numbers = (
        np.frombuffer(raw[: len(raw) // 8 * 8], "<i8") if raw else np.array(integers, np.int64)
    )
    if numbers.size != size:
        raise protobuf.WireError("a tensor whose shape does not fit what it holds")
    return name, Value(tuple(shape), numbers.reshape(shape))
