"""What a model takes, worked out before it runs: against ONNX Runtime, and against bombs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from argan_plugin import model_graph
from argan_plugin.errors import ModelError
from argan_plugin.model import RestorationModel
from argan_plugin.model_file import inspect_model
from argan_plugin.model_graph import ModelGraph
from argan_plugin.operators import Value
from argan_plugin.weights import model_names, model_path
from tests.conftest import build_model, tiny_model

_Build = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _constant(name: str, values: Any, dtype: Any = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def _weights(name: str, *shape: int) -> onnx.TensorProto:
    return _constant(name, np.ones(shape), np.float32)


def _shape_by_onnxruntime(model: onnx.ModelProto, shape: Sequence[int]) -> tuple[int, ...]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"image": np.zeros(shape, np.float32)})
    return tuple(result.shape)


def _shape_by_rule(model: onnx.ModelProto, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the result: the graph's check passes for it alone, so ask for it."""
    try:
        ModelGraph(model.SerializeToString(), 8).check(shape)
    except ModelError as error:
        words = str(error).partition("but gives (")[2].partition(")")[0]
        assert words, error
        return tuple(int(number) for number in words.split(",") if number)
    return shape


_PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(
    strides=_PAIRS,
    dilations=_PAIRS,
    kernel=_PAIRS,
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(20, 30), st.integers(20, 30)),
    transposed=st.booleans(),
)
def test_convolutions_have_the_shape_that_onnxruntime_gives(
    strides: tuple[int, int],
    dilations: tuple[int, int],
    kernel: tuple[int, int],
    pads: tuple[int, int, int, int],
    groups: int,
    size: tuple[int, int],
    transposed: bool,
) -> None:
    options: dict[str, Any] = {"strides": strides, "dilations": dilations, "pads": pads}
    if transposed:
        options["output_padding"] = [min(stride - 1, 1) for stride in strides]
    nodes = [
        helper.make_node("Conv", ["image", "widen"], ["wide"]),
        helper.make_node(
            "ConvTranspose" if transposed else "Conv",
            ["wide", "kernel"],
            ["restored"],
            group=groups,
            **options,
        ),
    ]
    channels = (4, 6 // groups) if transposed else (6, 4 // groups)
    weights = [_weights("widen", 4, 1, 1, 1), _weights("kernel", *channels, *kernel)]
    model = build_model(nodes, weights, output_shape="nchw")
    shape = (2, 1, *size)
    assert _shape_by_rule(model, shape) == _shape_by_onnxruntime(model, shape)


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.integers(-40, 40), min_size=2, max_size=2),
    ends=st.lists(st.integers(-40, 40), min_size=2, max_size=2),
    steps=st.lists(st.integers(1, 3), min_size=2, max_size=2),
    pads=st.lists(st.integers(0, 9), min_size=4, max_size=4),
)
def test_slices_and_paddings_have_the_shape_that_onnxruntime_gives(
    starts: list[int], ends: list[int], steps: list[int], pads: list[int]
) -> None:
    nodes = [
        helper.make_node("Slice", ["image", "starts", "ends", "axes", "steps"], ["part"]),
        helper.make_node("Pad", ["part", "pads", "", "axes"], ["restored"]),
    ]
    names = {"starts": starts, "ends": ends, "steps": steps, "pads": pads, "axes": [3, -2]}
    constants = [_constant(name, values) for name, values in names.items()]
    model = build_model(nodes, constants, output_shape="nchw")
    shape = (1, 1, 17, 23)
    assert _shape_by_rule(model, shape) == _shape_by_onnxruntime(model, shape)


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (33, 8), (640, 427), (1088, 1088)])
def test_good_models_pass_at_any_size(size: tuple[int, int]) -> None:
    for data in (
        tiny_model().SerializeToString(),
        *(model_path(name).read_bytes() for name in model_names()),
    ):
        ModelGraph(data, inspect_model(data).size_multiple).check((2, 1, *size))


def test_the_work_is_what_the_file_says() -> None:
    data = model_path(model_names()[0]).read_bytes()
    info = inspect_model(data)
    graph = ModelGraph(data, info.size_multiple)
    values = {"image": Value((1, 1, 800, 800))} | graph._constants
    work = 0
    for node in graph._nodes:
        values[node.output] = model_graph._result(node, values)
        work += values[node.output].work if node.operator.startswith("Conv") else 0
    assert work / 800**2 / 1000 == pytest.approx(info.kflop_per_pixel, rel=1e-3)


def _padding(*pads: int) -> _Build:
    return [helper.make_node("Pad", ["image", "pads"], ["restored"])], [_constant("pads", pads)]


def _huge_padding() -> _Build:
    return _padding(0, 0, 10**6, 10**6, 0, 0, 0, 0)


def _padding_by_sums_of_sums() -> _Build:
    names = [f"sum{i}" for i in range(40)]
    nodes = [
        helper.make_node("Add", [before, before], [after])
        for before, after in zip(["pads", *names], names, strict=False)
    ]
    nodes.append(helper.make_node("Pad", ["image", names[-1]], ["restored"]))
    return nodes, [_constant("pads", [0, 0, 1, 1, 0, 0, 1, 1])]


def _doubling() -> _Build:
    names = ["image", *(f"double{i}" for i in range(50)), "restored"]
    nodes = [
        helper.make_node("Concat", [before] * 2, [after], axis=1)
        for before, after in itertools.pairwise(names)
    ]
    return nodes, []


def _huge_stride() -> _Build:
    node = helper.make_node("ConvTranspose", ["image", "w"], ["restored"], strides=[2**30] * 2)
    return [node], [_weights("w", 1, 1, 2, 2)]


def _constants_that_grow() -> _Build:
    # ONNX Runtime would compute them while it opens the file.
    nodes = [
        *(helper.make_node("Pad", ["w", "pads"], [f"big{i}"]) for i in range(100)),
        helper.make_node("Identity", ["image"], ["restored"]),
    ]
    pads = _constant("pads", [0, 0, 1000, 1000, 0, 0, 0, 0])
    return nodes, [_weights("w", 1, 1, 1, 1), pads]


def _all_kept() -> _Build:
    names = [f"copy{i}" for i in range(3000)]
    nodes = [helper.make_node("Relu", ["image"], [name]) for name in names]
    nodes.append(helper.make_node("Concat", names, ["joined"], axis=1))
    nodes.append(helper.make_node("Conv", ["joined", "w"], ["restored"]))
    return nodes, [_weights("w", 1, 3000, 1, 1)]


def _heavy() -> _Build:
    names = ["image", *(f"wide{i}" for i in range(299)), "restored"]
    nodes = [
        helper.make_node("Conv", [before, "w"], [after], pads=[150, 150, 150, 150])
        for before, after in itertools.pairwise(names)
    ]
    return nodes, [_weights("w", 1, 1, 301, 301)]


def _too_many_nodes() -> _Build:
    names = ["image", *(f"v{i}" for i in range(10_000)), "restored"]
    nodes = [
        helper.make_node("Relu", [before], [after]) for before, after in itertools.pairwise(names)
    ]
    return nodes, []


def _paddings_from_pixels() -> _Build:
    nodes = [
        helper.make_node("Cast", ["image"], ["pads"], to=TensorProto.INT64),
        helper.make_node("Pad", ["image", "pads"], ["restored"]),
    ]
    return nodes, []


def _modulo_zero() -> _Build:
    # In ONNX Runtime this is an integer division by zero, which ends the process.
    nodes = [
        helper.make_node("Shape", ["image"], ["size"]),
        helper.make_node("Mod", ["size", "zero"], ["rest"]),
        helper.make_node("Slice", ["image", "rest", "size"], ["restored"]),
    ]
    return nodes, [_constant("zero", [0, 0, 0, 0])]


def _no_block() -> _Build:
    return [helper.make_node("DepthToSpace", ["image"], ["restored"], blocksize=0)], []


def _no_stride() -> _Build:
    node = helper.make_node("Conv", ["image", "w"], ["restored"], strides=[0, 0])
    return [node], [_weights("w", 1, 1, 1, 1)]


def _shapes_that_do_not_fit() -> _Build:
    nodes = [
        helper.make_node("Pad", ["image", "pads"], ["wider"]),
        helper.make_node("Add", ["image", "wider"], ["restored"]),
    ]
    return nodes, [_constant("pads", [0, 0, 1, 1, 0, 0, 1, 1])]


def _an_input_that_is_not_there() -> _Build:
    return [helper.make_node("Relu", ["nothing"], ["restored"])], []


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (_huge_padding, "memory for"),
        (_padding_by_sums_of_sums, "memory for"),
        (_doubling, "memory for"),
        (_huge_stride, "memory for"),
        (_constants_that_grow, "memory for"),
        (_all_kept, "memory for"),
        (_heavy, "operations"),
        (_too_many_nodes, "10001 nodes"),
        (_paddings_from_pixels, "Pad for 'restored' cannot be followed: expected sizes"),
        (_modulo_zero, "divisor"),
        (_no_block, "blocksize"),
        (_no_stride, "strides"),
        (_shapes_that_do_not_fit, "cannot be followed"),
        (_an_input_that_is_not_there, "nothing"),
        (lambda: _padding(0, 0, -65, -65, 0, 0, 0, 0), "impossible shape"),
        (lambda: _padding(0, 0, 1, 0, 0, 0, 0, 0), "gives \\(1, 1, 65, 64\\)"),
    ],
)
def test_a_bomb_is_refused_before_it_runs(build: Any, words: str, tmp_path: Path) -> None:
    nodes, constants = build()
    path = tmp_path / "bomb.onnx"
    onnx.save(build_model(nodes, constants), path)
    started = time.monotonic()
    with pytest.raises(ModelError, match=words) as raised:
        RestorationModel(path, device="cpu")
    assert time.monotonic() - started < 60
    assert "bomb.onnx" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bomb_that_waits_for_its_size_is_refused_when_it_comes(tmp_path: Path) -> None:
    # rows from the 1000th on, concatenated with themselves
    nodes = [
        helper.make_node("Slice", ["image", "late", "end", "axis"], ["tail"]),
        helper.make_node("Concat", ["image", *["tail"] * 3], ["joined"], axis=2),
        helper.make_node("Relu", ["joined"], ["restored"]),
    ]
    constants = [_constant("late", [1000]), _constant("end", [2**62]), _constant("axis", [2])]
    path = tmp_path / "late.onnx"
    onnx.save(build_model(nodes, constants), path)
    model = RestorationModel(path, device="cpu")
    assert model.run(np.zeros((1, 1, 1000, 8), np.float32)).shape == (1, 1, 1000, 8)
    with pytest.raises(ModelError, match=r"late\.onnx.*gives \(1, 1, 1004, 8\)"):
        model.run(np.zeros((1, 1, 1001, 8), np.float32))


def test_an_attribute_that_is_given_twice_is_refused() -> None:
    node = helper.make_node("Conv", ["image", "w"], ["restored"], strides=[1, 1])
    node.attribute.add().CopyFrom(helper.make_attribute("strides", [2**30, 2**30]))
    model = build_model([node], [_weights("w", 1, 1, 1, 1)])
    with pytest.raises(ModelError, match="two attributes"):
        ModelGraph(model.SerializeToString(), 8)
