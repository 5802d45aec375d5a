"""The wire format of Protocol Buffers, as far as an ONNX file needs it.

A message is a row of fields, each a number and a value; what the numbers mean is up to the reader.
The encoding is that of [1]_.

References
----------
.. [1] https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """Bytes that are no message."""


def fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of one message; fixed-width values come as bytes.

    Raises
    ------
    WireError
        If the bytes are no message.
    """
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        if tag >= 2**32:  # ONNX Runtime would cut it and see another field
            raise WireError("a field number of more than 29 bits")
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
            raise WireError(f"a field of kind {kind}")
        if length > len(content) - position:
            raise WireError("a field that is cut off")
        yield tag >> 3, content[position : position + length]
        position += length


def as_bytes(value: int | memoryview) -> memoryview:
    """Return the value of a field that must be a message, a string or bytes."""
    if isinstance(value, int):
        raise WireError("a number where bytes are expected")
    return value


def as_text(value: int | memoryview) -> str:
    """Return the value of a field that must be a string; bytes that are no UTF-8 are marked."""
    return bytes(as_bytes(value)).decode("utf-8", errors="replace")


def as_integers(value: int | memoryview) -> Iterator[int]:
    """Yield the value of an int64 field, or the values of a packed row of them."""
    if isinstance(value, int):
        yield _signed(value)
        return
    position = 0
    while position < len(value):
        number, position = _varint(value, position)
        yield _signed(number)


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
    raise WireError("a number that does not end")


def _signed(number: int) -> int:
    """Return 64 bits as a number in two's complement."""
    number &= 2**64 - 1
    return number - 2**64 if number >= 2**63 else number
