"""PNG files of one picture: the pixels by imagecodecs, all that stands beside them by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COMPRESS_LEVEL: Final = 2
"""zlib's. Level 6, which is usual, takes three times as long: docs/speed.md."""

LARGEST_SIDE: Final = 1_000_000
"""In pixels. libpng writes no more, and reads no more unless it is told to (PNG_USER_WIDTH_MAX)."""

# PNG_FILTER_PAETH of libpng. To try all filters for each row takes longer and makes files 0.5 %
# smaller: docs/experiments.md.
_PAETH_FILTER = 0x80

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_SIZE = len(_SIGNATURE) + 25  # with the chunk IHDR, which comes first


def write_png(file: IO[bytes], pixels: NDArray[Any], options: dict[str, Any]) -> None:
    """Write grey, grey with alpha, RGB or RGBA of 8 or 16 bits as a PNG file.

    Parameters
    ----------
    file : binary file
    pixels : uint8 or uint16 array of shape (height, width) or (height, width, 2, 3 or 4)
        At most `LARGEST_SIDE` pixels a side.
    options : dict
        Metadata, as keywords of Pillow's `Image.save`.
    """
    import imagecodecs  # here, for many processes write no PNG

    # Left to itself imagecodecs grows its memory and copies the result. An empty array takes what
    # is written to it alone; a bytearray, which the type hints want, would be filled with zeros.
    encoded = imagecodecs.png_encode(
        np.ascontiguousarray(pixels),
        level=COMPRESS_LEVEL,
        filter=_PAETH_FILTER,
        out=np.empty(_most_bytes(pixels), np.uint8),  # type: ignore[arg-type]
    )
    file.write(encoded[:_HEADER_SIZE])
    for chunk in _metadata_chunks(options):
        file.write(chunk)
    file.write(encoded[_HEADER_SIZE:])


def _most_bytes(pixels: NDArray[Any]) -> int:
    """Return what a file of noise cannot exceed.

    Each row begins with a byte for its filter. Of that zlib makes at most 1/8 + 1/64 more
    (`deflateBound`), and libpng cuts it into chunks of 8 KiB with 12 bytes around each.
    """
    rows = len(pixels)
    return (pixels.nbytes + rows) * 5 // 4 + 1024


def _metadata_chunks(options: dict[str, Any]) -> Iterator[bytes]:
    """Let Pillow write the metadata around a picture of one pixel, and take all but that."""
    one_pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(one_pixel, "PNG", **options)
    data, place = one_pixel.getvalue(), len(_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunk = data[place : place + length + 12]  # with its length, its type and its checksum
        if not chunk[4:5].isupper():  # IHDR, IDAT and IEND, without which there is no picture
            yield chunk
        place += len(chunk)
