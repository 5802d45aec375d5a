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
from argan_plugin.model_file import inspect_model, read_model_file
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
        (_external_constant, "another file"),
        (_external_sparse, "another file"),
        (_loop, "loops or branches"),
        (_custom_operator, "com.evil"),
        (_custom_operator_in_a_function, "com.evil"),
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
            inspect_model(bytes(bad[: dice.randint(1, len(bad))]))
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
