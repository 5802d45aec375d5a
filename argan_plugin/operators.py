"""The operators that a model may use, and what size each of them makes.

The list is what `python -m export` writes, no more: a model file may come from a stranger, and what
cannot be named here cannot run. Each rule gives the shape of a node's output and the work it takes
from the shapes of its inputs, as the operator's definition [1]_ has it. A number that would make
ONNX Runtime divide by zero is refused here, because there it ends the process.

Small integer tensors (sizes, paddings) are followed by value: how much a model pads is known then.

References
----------
.. [1] https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Attributes = Mapping[str, tuple[int, ...] | bytes]
"""A node's attributes that are integers (one or several) or strings."""


class RuleError(ValueError):
    """A node that no model of this project holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What is known of a tensor before anything runs."""

    shape: Shape
    """All of its axes."""

    numbers: NDArray[np.int64] | None = None
    """What it holds, if that is a few integers that depend on the image's size alone."""

    work: int = 0
    """Operations it takes to compute; a multiply-add counts as two."""


def _like_first(_: Attributes, inputs: Sequence[Value]) -> Value:
    return Value(inputs[0].shape, work=math.prod(inputs[0].shape))


def _shape(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    part = slice(_integer(attributes, "start", 0), _integer(attributes, "end", 2**31))
    return _of_numbers(np.array(inputs[0].shape[part], np.int64))


def _negate(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    numbers = inputs[0].numbers
    return _like_first(attributes, inputs) if numbers is None else _of_numbers(-numbers)


def _add(_: Attributes, inputs: Sequence[Value]) -> Value:
    first, second = inputs[:2]
    if first.numbers is not None and second.numbers is not None:
        return _of_numbers(first.numbers + second.numbers)
    shape = np.broadcast_shapes(first.shape, second.shape)
    return Value(shape, work=math.prod(shape))


def _modulo(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    dividend, divisor = _numbers(inputs, 0), _numbers(inputs, 1)
    if (divisor < 1).any() or _integer(attributes, "fmod", 0):
        raise RuleError("expected a divisor of at least 1")
    return _of_numbers(np.mod(dividend, divisor))


def _concatenate(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    if all(value.numbers is not None for value in inputs):
        return _of_numbers(np.concatenate([_numbers(inputs, i) for i in range(len(inputs))]))
    axis = _axis(_integer(attributes, "axis", 0), inputs[0].shape)
    shape = list(inputs[0].shape)
    shape[axis] = sum(value.shape[axis] for value in inputs)
    return Value(tuple(shape), work=math.prod(shape))


def _slice(_: Attributes, inputs: Sequence[Value]) -> Value:
    source = inputs[0]
    starts, ends = _numbers(inputs, 1).tolist(), _numbers(inputs, 2).tolist()
    axes = _numbers(inputs, 3).tolist() if len(inputs) > 3 else list(range(len(starts)))
    steps = _numbers(inputs, 4).tolist() if len(inputs) > 4 else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or min(steps, default=1) < 1:
        raise RuleError("expected as many starts as ends, axes and steps, and steps of at least 1")
    parts = [slice(None)] * len(source.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        parts[_axis(axis, source.shape)] = slice(start, end, step)
    if source.numbers is not None:
        return _of_numbers(source.numbers[tuple(parts)])
    lengths = zip(parts, source.shape, strict=True)
    shape = tuple(len(range(*part.indices(length))) for part, length in lengths)
    return Value(shape, work=math.prod(shape))


def _pad(_: Attributes, inputs: Sequence[Value]) -> Value:
    shape = list(inputs[0].shape)
    axes = _numbers(inputs, 3).tolist() if len(inputs) > 3 else list(range(len(shape)))
    pads = _numbers(inputs, 1).tolist()
    if len(pads) != 2 * len(axes):
        raise RuleError("expected two paddings an axis")
    for position, axis in enumerate(axes):
        shape[_axis(axis, inputs[0].shape)] += pads[position] + pads[position + len(axes)]
    return Value(tuple(shape), work=math.prod(shape))


def _convolution(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    (batch, _, *size), (channels, *kernel) = _image(inputs[0]), _image(inputs[1])
    window = _Window.of(attributes)
    lengths = [
        (size[i] + window.pads[i] + window.pads[i + 2] - window.reach(i, kernel[i + 1]) - 1)
        // stride
        + 1
        for i, stride in enumerate(window.strides)
    ]
    shape = (batch, channels, *lengths)
    return Value(shape, work=2 * math.prod(shape) * math.prod(kernel))


def _transposed_convolution(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    (batch, channels, *size), (_, *kernel) = _image(inputs[0]), _image(inputs[1])
    window = _Window.of(attributes)
    extra = _integers(attributes, "output_padding", (0, 0), lowest=0)
    lengths = [
        stride * (size[i] - 1) + extra[i] + window.reach(i, kernel[i + 1]) + 1
        - window.pads[i] - window.pads[i + 2]
        for i, stride in enumerate(window.strides)
    ]  # fmt: skip
    shape = (batch, kernel[0] * window.groups, *lengths)
    return Value(shape, work=2 * batch * channels * math.prod(size) * math.prod(kernel))


def _depth_to_space(attributes: Attributes, inputs: Sequence[Value]) -> Value:
    batch, channels, height, width = _image(inputs[0])
    (side,) = _integers(attributes, "blocksize", (0,), lowest=1)
    shape = (batch, channels // side**2, height * side, width * side)
    return Value(shape, work=math.prod(shape))


RULES: Final[Mapping[str, Callable[[Attributes, Sequence[Value]], Value]]] = {
    "Add": _add,
    "Cast": _like_first,
    "Clip": _like_first,
    "Concat": _concatenate,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "DepthToSpace": _depth_to_space,
    "DequantizeLinear": _like_first,
    "Identity": _like_first,
    "LeakyRelu": _like_first,
    "Mod": _modulo,
    "Neg": _negate,
    "Pad": _pad,
    "QuantizeLinear": _like_first,
    "Relu": _like_first,
    "Shape": _shape,
    "Slice": _slice,
}
"""Every operator that a model may use, with its rule. A rule raises `RuleError`, or IndexError or
ValueError where a node has too few inputs, or inputs that do not fit each other."""


@dataclass(frozen=True, slots=True)
class _Window:
    """How a convolution's kernel goes over rows and columns."""

    strides: Shape
    dilations: Shape
    pads: Shape
    groups: int

    @classmethod
    def of(cls, attributes: Attributes) -> _Window:
        """Read the attributes, with the defaults of the definition."""
        if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in attributes:
            raise RuleError("expected paddings in numbers")
        (groups,) = _integers(attributes, "group", (1,), lowest=1)
        return cls(
            strides=_integers(attributes, "strides", (1, 1), lowest=1),
            dilations=_integers(attributes, "dilations", (1, 1), lowest=1),
            pads=_integers(attributes, "pads", (0, 0, 0, 0), lowest=0),
            groups=groups,
        )

    def reach(self, axis: int, kernel: int) -> int:
        """Return the distance between the first and the last pixel that the kernel sees."""
        return self.dilations[axis] * (kernel - 1)


def _of_numbers(numbers: NDArray[np.int64]) -> Value:
    return Value(numbers.shape, numbers)


def _numbers(inputs: Sequence[Value], position: int) -> NDArray[np.int64]:
    numbers = inputs[position].numbers
    if numbers is None:
        raise RuleError("expected sizes that depend on the image's size alone")
    return numbers


def _image(value: Value) -> Shape:
    if len(value.shape) != 4:
        raise RuleError(f"expected 4 axes, got the shape {value.shape}")
    return value.shape


def _axis(axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise RuleError(f"expected an axis of {len(shape)}, got {axis}")
    return axis % len(shape)


def _integers(
    attributes: Attributes, name: str, default: tuple[int, ...], *, lowest: int
) -> tuple[int, ...]:
    values: Any = attributes.get(name, default)
    if isinstance(values, bytes) or len(values) != len(default) or min(values) < lowest:
        raise RuleError(f"expected {len(default)} {name} of at least {lowest}, got {values!r}")
    return tuple(values)


def _integer(attributes: Attributes, name: str, default: int) -> int:
    return _integers(attributes, name, (default,), lowest=-(2**63))[0]
