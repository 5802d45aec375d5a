"""Checks an ONNX file's bytes before ONNX Runtime sees them, and reads the model's facts out of it.

Model files come from strangers. ONNX Runtime would read tensors out of other files, run loops
without end, and look for operators of others; a model of this project has none of these. Only the
fields that tell are decoded, by the tables below; they are from ``onnx.proto`` [1]_, and the
encoding is that of Protocol Buffers [2]_.

References
----------
.. [1] https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
.. [2] https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from argan_plugin.errors import ModelError
from argan_plugin.model_info import ModelInfo

LARGEST_FILE: Final = 512 * 2**20
"""Largest model file in bytes; the largest networks of the field in float32 fit."""

# Which fields of a message are messages to look into: {message: {field number: message}}.
_NESTED: Final = {
    "Model": {7: "Graph", 14: "Entry", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 10: "Tensor", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Tensor": {},
    "Entry": {},
}
_NODE_DOMAIN = 7
_ATTRIBUTE_SUBGRAPHS = (6, 11)
_TENSOR_EXTERNAL = (13, 14)  # external_data, data_location
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

# Real models have some thousands of fields; counting keeps a hostile file from taking minutes here.
_MOST_FIELDS = 1_000_000

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


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
        holds control flow, or uses operators that are not ONNX's own.
    """
    metadata: dict[str, str] = {}
    seen = 0
    pending: list[tuple[str, memoryview]] = [("Model", memoryview(data))]
    while pending:
        message, content = pending.pop()
        entry = {}
        for number, value in _fields(content):
            seen += 1
            if seen > _MOST_FIELDS:
                raise _not_onnx()
            if number in _NESTED[message]:
                pending.append((_NESTED[message][number], _expect_bytes(value)))
            elif message == "Entry":
                entry[number] = _text(value)
            else:
                _refuse(message, number, value)
        if message == "Entry":
            metadata[entry.get(_ENTRY_KEY, "")] = entry.get(_ENTRY_VALUE, "")
    return ModelInfo.from_metadata(metadata)


def _refuse(message: str, number: int, value: int | memoryview) -> None:
    """Raise if this field makes a model that must not run."""
    if message == "Tensor" and number in _TENSOR_EXTERNAL and value != 0:
        raise ModelError(
            "The model keeps data in another file. Export it again as a single file "
            "(external_data=False)."
        )
    if message == "Attribute" and number in _ATTRIBUTE_SUBGRAPHS:
        raise ModelError(
            "The model holds loops or branches, which no model of this project does. "
            "Use a file written by `python -m export`."
        )
    if message == "Node" and number == _NODE_DOMAIN and _text(value) not in ("", "ai.onnx"):
        raise ModelError(
            f"The model uses operators of {_text(value)[:100]!r}, not only ONNX's own. "
            "Use a file written by `python -m export`."
        )


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of one Protocol Buffers message; fixed-width values as bytes."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        if tag >= 2**32:  # ONNX Runtime would cut it and see another field
            raise _not_onnx()
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(content, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _not_onnx()
        if length > len(content) - position:
            raise _not_onnx()
        yield tag >> 3, content[position : position + length]
        position += length


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return the variable-length integer at `position`, and where it ends."""
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise _not_onnx()


def _expect_bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _not_onnx()
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_expect_bytes(value)).decode("utf-8", errors="replace")


def _not_onnx() -> ModelError:
    return ModelError(
        "The file is no ONNX model, or it is damaged. Use a file written by `python -m export`."
    )
