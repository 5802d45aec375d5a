"""Pictures and files that several tests read and write."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_random = np.random.default_rng(3)

PIXELS: dict[str, NDArray[Any]] = {
    "L": _random.integers(0, 256, (9, 7), np.uint8),
    "LA": _random.integers(0, 256, (9, 7, 2), np.uint8),
    "RGB": _random.integers(0, 256, (9, 7, 3), np.uint8),
    "RGBA": _random.integers(0, 256, (9, 7, 4), np.uint8),
    "I;16": _random.integers(0, 65536, (9, 7), np.uint16),
}
"""One picture of 9 rows for each of Pillow's modes that can be restored, without CMYK."""

DEEP: dict[str, NDArray[Any]] = {
    "LA": _random.integers(0, 65536, (9, 7, 2), np.uint16),
    "RGB": _random.integers(0, 65536, (9, 7, 3), np.uint16),
    "RGBA": _random.integers(0, 65536, (9, 7, 4), np.uint16),
}
"""Colours of 16 bits, which Pillow has no mode for."""

INKS: NDArray[np.uint8] = _random.integers(0, 256, (9, 7, 4), np.uint8)
"""C, M, Y and K."""


def png(depth: int, colour_type: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of one pixel, of kinds that Pillow cannot write (PNG, 11.2.2)."""
    header = struct.pack(">IIBBBBB", 1, 1, depth, colour_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", header),
        *chunks,
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        data += struct.pack(">I", len(body)) + kind + body + checksum
    return data


def encoded(image: Image.Image, pillow_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


def colour(**options: Any) -> bytes:
    return encoded(Image.fromarray(PIXELS["RGB"]), "JPEG", **options)


def pixels(path: str | Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def save(array: NDArray[Any], path: str | Path, **options: Any) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return Path(path)


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())
