"""The quantized luma coefficients of a JPEG file, and the pictures that they can stand for.

A JPEG encoder divides each coefficient c of a block by a step s and keeps the nearest whole number
n. So the file says of the original that (n - 1/2) s <= c <= (n + 1/2) s. The pictures for which
this holds everywhere are a convex set: a box in each block. The nearest point of a convex set is no
farther from any point of the set than the point itself is; if the original is in the set, going to
the nearest point can only come nearer to it. The idea is old: Zakhor, "Iterative procedures for
reduction of blocking effects in transform image coding", IEEE Transactions on Circuits and Systems
for Video Technology 2(1), 1992.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct
from argan_plugin.errors import ArganError, ImageFileError, UnsupportedImageError
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.native_stderr import silenced

SLACK: Final = 0.3
"""By how much the original's coefficients may lie outside their intervals, in grey levels.

libjpeg's transform (jfdctint.c) computes with integers. Its constants, rounded to 13 bits, can move
a coefficient by 0.121 for the worst of all 8-bit blocks, the rounding between its two passes by
0.113 and the last rounding by 0.0625: 0.297 together.
"""

# Of blocks at the edge, whose pixels outside the picture may be anything. The squared distance to
# the nearest point falls at least as 1 / n (Beck, First-order methods in optimization, th. 10.21).
_EDGE_STEPS = 64


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LumaCoefficients:
    """What a JPEG file states of its luma."""

    height: int
    """Rows of pixels."""

    width: int
    """Pixels along a row."""

    numbers: NDArray[np.int16]
    """The quantized coefficients, of shape (rows, columns, 8, 8): one block after the other, the
    last ones reaching beyond the picture if its size is no multiple of 8."""

    steps: NDArray[np.float64]
    """The quantization steps, of shape (8, 8)."""


def check_jpegio() -> None:
    """Raise ArganError, with what to do, if the package that reads coefficients is missing."""
    try:
        import jpegio  # noqa: F401 - takes a moment, so only where it is needed
    except ImportError as error:
        raise ArganError(
            "Consistency needs the coefficients in the file, and so the package pyjpegio: "
            "pip install 'argan-plugin[consistent]'."
        ) from error


def read_luma_coefficients(data: bytes) -> LumaCoefficients:
    """Read the quantized luma coefficients of a JPEG file's contents.

    Raises
    ------
    ImageFileError
        If the contents are no JPEG file, or a damaged one.
    UnsupportedImageError
        If the file does not hold luma at full size: CMYK, RGB, or luma that is subsampled.
    ArganError
        If the package pyjpegio is not installed.
    """
    info = read_jpeg_info(data)
    if not info.has_luma:
        kind = "RGB without a luma component" if info.mode == "RGB" else info.mode
        raise UnsupportedImageError(
            f"expected a JPEG file with a luma component (grey or YCbCr), but it holds {kind}"
        )
    numbers = _read_first_component(data)
    rows, columns = (-(-size // dct.BLOCK) for size in (info.height, info.width))
    if numbers.shape != (rows * dct.BLOCK, columns * dct.BLOCK):
        raise UnsupportedImageError(
            "expected a JPEG file that holds luma at full size, but its sampling is "
            f"{info.subsampling}"
        )
    return LumaCoefficients(
        height=info.height,
        width=info.width,
        numbers=dct.split(numbers.astype(np.int16)),
        steps=np.array(info.quantization[0], np.float64).reshape(dct.BLOCK, dct.BLOCK),
    )


def nearest_consistent(
    luma: NDArray[np.floating[Any]], coefficients: LumaCoefficients, first_row: int = 0
) -> NDArray[np.float64]:
    """Return the picture nearest to `luma` among those that a JPEG file can stand for.

    Whole blocks are an exact orthogonal projection. In blocks that reach beyond the picture the
    pixels outside are free: there is no closed form, so a fixed number of projected-gradient steps
    comes near to the nearest point. Every coefficient lies inside its interval in both cases.

    Parameters
    ----------
    luma
        (height, width), grey levels, black at 0 and white at 255, not limited to them: the rows of
        the picture from `first_row` on. Their number is a multiple of 8, or they go to the end.
    coefficients
        Of the file.
    first_row
        A multiple of 8.

    Returns
    -------
    ndarray
        float64, of the shape of `luma`; it may be below 0 or above 255.
    """
    height, width = luma.shape
    rows = slice(first_row // dct.BLOCK, -(-(first_row + height) // dct.BLOCK))
    centre = coefficients.numbers[rows] * coefficients.steps
    reach = coefficients.steps / 2 + SLACK
    low, high = centre - reach, centre + reach

    margins = (0, -height % dct.BLOCK), (0, -width % dct.BLOCK)
    target = dct.split(np.pad(luma - np.float64(dct.MIDDLE), margins))
    inside = dct.split(np.pad(np.ones(luma.shape, bool), margins))
    nearest = dct.inverse(dct.forward(target).clip(low, high))

    edge = ~inside.all(axis=(2, 3))
    if edge.any():
        pixels, seen, box = target[edge], inside[edge], (low[edge], high[edge])
        point = dct.inverse(centre[edge])
        for _ in range(_EDGE_STEPS):
            # a step against the gradient of half the squared distance in the picture's own pixels
            point = dct.inverse(dct.forward(np.where(seen, pixels, point)).clip(*box))
        nearest[edge] = point
    return dct.join(nearest)[:height, :width] + dct.MIDDLE


def _read_first_component(data: bytes) -> NDArray[Any]:
    """Return the quantized coefficients of a JPEG file's first component, blocks in place."""
    check_jpegio()
    import jpegio

    with tempfile.TemporaryDirectory() as folder:  # it reads nothing but files
        path = Path(folder, "picture.jpg")
        path.write_bytes(data)
        try:
            with silenced():  # libjpeg prints warnings
                numbers: NDArray[Any] = jpegio.read(str(path)).coef_arrays[0]
        except RuntimeError as error:
            raise ImageFileError(f"the JPEG file is damaged ({error})") from error
    return numbers
