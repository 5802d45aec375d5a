"""Model files come from strangers: each way in that is closed has a file here that tries it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from argan_plugin import model_file
from argan_plugin.errors import ModelError
from argan_plugin.model import RestorationModel
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_graph import ModelGraph
from tests.conftest import build_model, tiny_info, tiny_model


def _add(weight: onnx.TensorProto) -> onnx.ModelProto:
    return build_model([helper.make_node("Add", ["image", weight.name], ["restored"])], [weight])


def _zero() -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(1, np.float32), "zero")


def _external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def _external_initializer() -> onnx.ModelProto:
    return _add(_external(_zero()))


def _external_constant() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=_external(_zero())),
        helper.make_node("Add", ["image", "zero"], ["restored"]),
    ]
    return build_model(nodes)


def _external_sparse() -> onnx.ModelProto:
    model = _add(_zero())
    values = model.graph.sparse_initializer.add().values
    values.CopyFrom(_external(_zero()))
    return model


def _loop() -> onnx.ModelProto:
    body = helper.make_graph([], "body", [], [])
    return build_model([helper.make_node("Loop", ["", ""], ["restored"], body=body)])


def _graph_in_an_innocent_operator() -> onnx.ModelProto:
    body = helper.make_graph([], "body", [], [])
    return build_model([helper.make_node("Relu", ["image"], ["restored"], body=body)])


def _many_graphs() -> onnx.ModelProto:
    bodies = [helper.make_graph([], "body", [], [])] * 2
    return build_model([helper.make_node("Relu", ["image"], ["restored"], bodies=bodies)])


def _sparse_of_terabytes() -> onnx.ModelProto:
    model = _add(_zero())
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "huge"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "at"))
    sparse.dims.extend([2**20, 2**20])
    return model


def _tensor_of_terabytes() -> onnx.ModelProto:
    weight = _zero()
    weight.dims[:] = [2**20, 2**20]
    return _add(weight)


def _operator(name: str) -> Callable[[], onnx.ModelProto]:
    return lambda: build_model([helper.make_node(name, ["image"], ["restored"])])


def _custom_operator() -> onnx.ModelProto:
    node = helper.make_node("Exfiltrate", ["image"], ["restored"], domain="com.evil")
    return build_model([node], domains=["com.evil"])


def _custom_operator_in_a_function() -> onnx.ModelProto:
    model = _add(_zero())
    node = helper.make_node("Exfiltrate", ["x"], ["y"], domain="com.evil")
    model.functions.append(
        helper.make_function("local", "f", ["x"], ["y"], [node], [helper.make_opsetid("", 20)])
    )
    return model


def test_the_facts_of_a_good_model_are_read_without_onnx() -> None:
    assert inspect_model(tiny_model().SerializeToString()) == tiny_info()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (_external_initializer, "another file"),
        (_external_constant, "another file|'Constant'"),
        (_external_sparse, "sparse"),
        (_loop, "'Loop'"),
        (_graph_in_an_innocent_operator, "loops or branches"),
        (_many_graphs, "loops or branches"),
        (_sparse_of_terabytes, "sparse"),
        (_tensor_of_terabytes, "damaged"),
        (_custom_operator, "com.evil"),
        (_custom_operator_in_a_function, "operators of its own"),
        *(
            (_operator(name), f"'{name}'")
            for name in ("ConstantOfShape", "Expand", "Tile", "Range", "Scan", "If", "Resize")
        ),
    ],
)
def test_what_no_model_of_this_project_holds_is_refused(
    build: Callable[[], onnx.ModelProto], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        inspect_model(build().SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x89PNG\r\n\x1a\n", b"\xff" * 100])
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="Use a file written by"):
        inspect_model(data)


def test_a_field_number_that_another_reader_would_cut_is_refused() -> None:
    # field 7 + 2**29: cut to 32 bits, this tag is that of the graph
    cut = bytes([0b0111010 | 0x80, 0x80, 0x80, 0x80, 0x10, 0])
    with pytest.raises(ModelError, match="no ONNX model"):
        inspect_model(tiny_model().SerializeToString() + cut)


def test_a_tensor_with_endless_axes_is_refused_at_once() -> None:
    weight = _zero()
    weight.dims[:] = [1] * 100 + [3] * 100_000
    with pytest.raises(ModelError, match="damaged"):
        inspect_model(_add(weight).SerializeToString())


def test_types_nested_without_end_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # a sequence of sequences of …, 10,000 deep, as the type of a value; onnx cannot write it
    nested = b""
    for _ in range(10_000):
        nested = _field(4, _field(1, nested))  # TypeProto.sequence_type, Sequence.elem_type
    value = _field(7, _field(13, _field(1, b"deep") + _field(2, nested)))  # graph, value_info
    path = tmp_path / "deep.onnx"
    path.write_bytes(tiny_model().SerializeToString() + value)
    with pytest.raises(ModelError, match=r"deep\.onnx: ONNX Runtime cannot open"):
        RestorationModel(path, device="cpu")
    assert capfd.readouterr() == ("", "")


def _field(number: int, content: bytes) -> bytes:
    length, size = [], len(content)
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([number << 3 | 2, *length]) + content


def test_a_file_of_endless_fields_is_refused() -> None:
    with pytest.raises(ModelError, match="no ONNX model"):
        inspect_model(b"\x08\x01" * 1_000_001)


def test_damaged_models_give_an_answer_or_a_model_error() -> None:
    good = tiny_model().SerializeToString()
    dice = random.Random(5)
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 8)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        try:
            data = bytes(bad[: dice.randint(1, len(bad))])
            ModelGraph(data, inspect_model(data).size_multiple).check((1, 1, 40, 40))
        except ModelError as error:
            assert "\n" not in str(error)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx does not exist"):
        read_model_file(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="is a folder"):
        read_model_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="is a folder or a device"):
        read_model_file(tmp_path / "pipe.onnx")


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(model_file, "LARGEST_FILE", 2**20)
    path = tmp_path / "large.onnx"
    path.write_bytes(bytes(2**20))
    assert len(read_model_file(path)) == 2**20
    path.write_bytes(bytes(2**20 + 1))
    with pytest.raises(ModelError, match="larger than 1 MiB"):
        read_model_file(path)
