"""Checks an ONNX file's bytes before ONNX Runtime sees them, and reads the model's facts out of it.

Model files come from strangers. ONNX Runtime would read tensors out of other files, run loops
without end, look for operators of others, and fill memory with a tensor that takes ten bytes in the
file; a model of this project has none of these. Only the fields that tell are decoded, by the
tables below; they are from ``onnx.proto`` [1]_. What running a model takes is for `model_graph`.

References
----------
.. [1] https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from argan_plugin import operators, protobuf
from argan_plugin.errors import ModelError
from argan_plugin.model_info import ModelInfo

LARGEST_FILE: Final = 512 * 2**20
"""Largest model file in bytes; the largest networks of the field in float32 fit."""

# Which fields of a message are messages to look into: {message: {field number: message}}.
_NESTED: Final = {
    "Model": {7: "Graph", 14: "Entry"},
    "Graph": {1: "Node", 5: "Tensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 10: "Tensor"},
    "Tensor": {},
    "Entry": {},
}

_OTHER_FILE = "keeps data in another file. Export it again as a single file (external_data=False)."
_CONTROL_FLOW = (
    "holds loops or branches, which no model of this project does. Use a file written by "
    "`python -m export`."
)
_SPARSE = "holds sparse tensors, which can be huge. Use a file written by `python -m export`."
_FUNCTIONS = "defines operators of its own. Use a file written by `python -m export`."

# What no model of this project holds: {message: {field number: what is wrong with it}}.
_REFUSED: Final = {
    "Model": {25: _FUNCTIONS},
    "Graph": {15: _SPARSE},
    "Attribute": {6: _CONTROL_FLOW, 11: _CONTROL_FLOW, 22: _SPARSE, 23: _SPARSE},
    "Tensor": {13: _OTHER_FILE, 14: _OTHER_FILE},  # external_data, data_location
}
_NODE_OPERATOR, _NODE_DOMAIN = 4, 7
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_TEXTS: Final = {"Node": (_NODE_OPERATOR, _NODE_DOMAIN), "Entry": (_ENTRY_KEY, _ENTRY_VALUE)}
_TENSOR_SIZE = 1

# Real models have some thousands of fields; counting keeps a hostile file from taking minutes here.
_MOST_FIELDS = 1_000_000

# The smallest elements have four bits.
_MOST_ELEMENTS_A_BYTE = 2


def read_model_file(path: Path) -> bytes:
    """Return the bytes of a model file.

    Raises
    ------
    ModelError
        If it is missing, no file, larger than `LARGEST_FILE`, or cannot be read.
    """
    try:
        if not path.is_file():
            kind = "is a folder or a device" if path.exists() else "does not exist"
            raise ModelError(f"The model file {path} {kind}. Give the path of an ONNX file.")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_FILE:
        raise ModelError(
            f"The model file {path} is larger than {LARGEST_FILE // 2**20} MiB, the limit for one."
        )
    return data


def inspect_model(data: bytes) -> ModelInfo:
    """Return the facts in an ONNX file, after looking for what no model of this project holds.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ModelInfo

    Raises
    ------
    ModelError
        If the bytes are no ONNX model or not one of this project, or if it refers to other files,
        holds control flow, or uses an operator that is not in `operators.RULES`.
    """
    try:
        metadata = _inspect(memoryview(data))
    except protobuf.WireError as error:
        raise ModelError(
            "The file is no ONNX model, or it is damaged. Use a file written by `python -m export`."
        ) from error
    return ModelInfo.from_metadata(metadata)


def _inspect(data: memoryview) -> dict[str, str]:
    """Return the model's metadata; raise WireError or ModelError if it must not run."""
    metadata: dict[str, str] = {}
    seen = 0
    pending: list[tuple[str, memoryview]] = [("Model", data)]
    while pending:
        message, content = pending.pop()
        texts: dict[int, str] = {}
        elements, most_elements = 1, _MOST_ELEMENTS_A_BYTE * len(content)
        for number, value in protobuf.fields(content):
            seen += 1
            if seen > _MOST_FIELDS:
                raise protobuf.WireError("too many fields")
            if number in _NESTED[message]:
                pending.append((_NESTED[message][number], protobuf.as_bytes(value)))
            elif number in _REFUSED.get(message, ()) and value != 0:
                raise ModelError(f"The model {_REFUSED[message][number]}")
            elif number in _TEXTS.get(message, ()):
                texts[number] = protobuf.as_text(value)
            elif message == "Tensor" and number == _TENSOR_SIZE:
                for length in protobuf.as_integers(value):
                    elements *= length
                    if not 0 <= elements <= most_elements:
                        raise protobuf.WireError("a tensor of more elements than its bytes hold")
        if message == "Entry":
            metadata[texts.get(_ENTRY_KEY, "")] = texts.get(_ENTRY_VALUE, "")
        elif message == "Node":
            _check_operator(texts.get(_NODE_OPERATOR, ""), texts.get(_NODE_DOMAIN, ""))
    return metadata


def _check_operator(operator: str, domain: str) -> None:
    """Raise unless a node's operator is one of those that are allowed."""
    if domain not in ("", "ai.onnx"):
        raise ModelError(
            f"The model uses operators of {domain[:100]!r}, not only ONNX's own. Use a file "
            "written by `python -m export`."
        )
    if operator not in operators.RULES:
        raise ModelError(
            f"The model uses the operator {operator[:100]!r}, which no model of this project does. "
            "Use a file written by `python -m export`."
        )
