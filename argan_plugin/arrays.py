"""Pixel formats: which arrays are pictures, what is black and white in them, and rounding back.

Pixels come and go in the caller's dtype and range; the network sees float32 with black at 0 and
white at 1. The scale depends on the dtype or on the caller's word, never on the picture: if it were
the maximum of the picture, a tile would differ from the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from argan_plugin.errors import UnsupportedImageError

Nonfinite = Literal["raise", "pass"]
"""What to do with NaN and infinity: refuse the picture, or leave those pixels as they are."""


@dataclass(frozen=True, slots=True)
class ValueRange:
    """What is black and what is white in an array, in the array's own units."""

    low: float
    high: float

    @property
    def span(self) -> float:
        """The distance from black to white, positive."""
        return self.high - self.low


def colour_view(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """Return the pixels to restore, as a view of the picture.

    Parameters
    ----------
    image : array of shape (height, width), or with one axis more of 3 or 4 channels
        One picture: luma, RGB or RGBA.
    channel_axis : int or None
        Which axis holds the channels; None means the last one of three.

    Returns
    -------
    array of shape (height, width) or (height, width, 3)
        Without alpha. Writing into it writes into `image`.

    Raises
    ------
    UnsupportedImageError
        If it is no array, has no pixels, or another shape.
    """
    if not isinstance(image, np.ndarray):
        raise _no_array(image)
    axis = channel_position(image, channel_axis)
    return image if axis is None else np.moveaxis(image, axis, -1)[..., :3]


def channel_position(image: Any, channel_axis: int | None) -> int | None:
    """Return which axis of one picture holds its channels, from 0; None for luma.

    Parameters
    ----------
    image : any array of shape (height, width), or with one axis more of 3 or 4 channels
        Not necessarily of numpy: only the shape is looked at.
    channel_axis : int or None
        As in `colour_view`.

    Raises
    ------
    UnsupportedImageError
        As `colour_view` does.
    """
    shape = getattr(image, "shape", None)
    if not isinstance(shape, tuple) or not isinstance(getattr(image, "dtype", None), np.dtype):
        raise _no_array(image)
    if 0 in shape:
        raise UnsupportedImageError(f"The picture has no pixels: its shape is {shape}.")
    if len(shape) == 2 and channel_axis is None:
        return None
    if len(shape) == 3:
        axis = -1 if channel_axis is None else channel_axis
        if not -3 <= axis < 3:
            raise UnsupportedImageError(
                f"channel_axis must be -3 to 2 for an array of 3 axes, not {channel_axis}."
            )
        if shape[axis] in (3, 4):
            return axis % 3
    expected = (
        "2 axes (height, width) for luma, or 3 axes with 3 or 4 channels last for RGB or RGBA"
        if channel_axis is None
        else f"3 axes, and 3 or 4 channels on axis {channel_axis}"
    )
    raise UnsupportedImageError(
        f"A picture must have {expected}, not the shape {shape}. Set channel_axis if the "
        "channels are elsewhere; take image[..., 0] of a single channel; restore the planes of a "
        "stack one by one."
    )


def _no_array(image: object) -> UnsupportedImageError:
    return UnsupportedImageError(
        f"A picture must be a numpy array, not {type(image).__module__}."
        f"{type(image).__qualname__}. Use image.filter(ARGANFilter()) for Pillow, and "
        "numpy.asarray(image) for others."
    )


def find_value_range(
    pixels: NDArray[Any],
    value_range: tuple[float, float] | None,
    nonfinite: Nonfinite = "raise",
) -> ValueRange:
    """Return what is black and white, after making sure that the pixels can be restored.

    Parameters
    ----------
    pixels : array of any shape, not empty
        Integers of up to 32 bits or floats of up to 64 bits, in any byte order.
    value_range : pair of numbers or None
        Black and white in the pixels' units. By default the whole range of uint8 and uint16, and 0
        to 1 for floats.
    nonfinite : {"raise", "pass"}
        Whether NaN and infinity are an error.

    Returns
    -------
    ValueRange

    Raises
    ------
    UnsupportedImageError
        For another dtype, NaN or infinity if they are an error, or floats outside 0 to 1 when no
        `value_range` is given.
    ValueError
        If `value_range` does not rise, is not finite, or does not fit the dtype, or if `nonfinite`
        is another word.
    """
    if nonfinite not in get_args(Nonfinite):
        raise ValueError(f"nonfinite must be one of {get_args(Nonfinite)}, not {nonfinite!r}")
    dtype = pixels.dtype
    if not (dtype.kind in "ui" and dtype.itemsize <= 4) and not (
        dtype.kind == "f" and dtype.itemsize <= 8
    ):
        raise UnsupportedImageError(
            "Pixels must be integers of up to 32 bits or floats of up to 64 bits, not "
            f"{dtype}. Convert the picture with image.astype(...)."
        )
    known = _known_range(dtype, value_range)
    if dtype.kind == "f":
        # The extremes are NaN if any pixel is, and need no second array as isfinite would.
        lowest, highest = float(pixels.min()), float(pixels.max())
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            if nonfinite == "raise":
                raise UnsupportedImageError(
                    'The picture holds NaN or infinity. Pass nonfinite="pass" to leave those '
                    "pixels as they are, or replace them first, as with numpy.nan_to_num."
                )
            finite = np.isfinite(pixels)
            lowest = float(pixels.min(where=finite, initial=known.high))
            highest = float(pixels.max(where=finite, initial=known.low))
        if value_range is None and not (lowest >= known.low and highest <= known.high):
            raise UnsupportedImageError(
                f"Floats are taken to be 0 (black) to 1 (white), but these are {lowest:g} to "
                f"{highest:g}. Pass value_range=(black, white)."
            )
    return known


def to_unit(pixels: NDArray[Any], value_range: ValueRange) -> NDArray[np.float32]:
    """Return pixels as native float32, black at 0 and white at 1, values beyond limited to them."""
    # Over: far beyond a narrow range, and limited then. Invalid: signalling NaN, which stays NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        unit = as_floats(pixels)
        if value_range.low:
            unit -= unit.dtype.type(value_range.low)
        unit /= unit.dtype.type(value_range.span)
        if not _is_whole_range(pixels.dtype, value_range):  # or no pixel can be beyond
            np.clip(unit, 0, 1, out=unit)
        return unit.astype(np.float32, copy=False)


def as_floats(pixels: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return a copy of the pixels in a native float dtype that holds their values exactly."""
    return pixels.astype(_float_dtype(pixels.dtype))


def limit_and_round(
    values: NDArray[np.floating[Any]],
    pixels: NDArray[Any],
    value_range: ValueRange,
    *,
    out: NDArray[Any],
) -> None:
    """Bring changed pixels back into their range and dtype.

    A value is limited to the range between black and white, but a pixel that was beyond it before
    may stay there: nothing is clipped that was not changed.

    Parameters
    ----------
    values : float array
        The changed pixels, in the pixels' units; overwritten.
    pixels : array of the same shape
        The pixels before the change.
    value_range : ValueRange
        What is black and white.
    out : array of the shape and dtype of `pixels`
        Where they go; may be `pixels`. Integers are rounded to the nearest, halves to even.
    """
    lowest: Any = values.dtype.type(value_range.low)
    highest: Any = values.dtype.type(value_range.high)
    if not _is_whole_range(pixels.dtype, value_range):  # or no pixel can be beyond
        lowest = np.minimum(pixels, lowest, dtype=values.dtype)
        highest = np.maximum(pixels, highest, dtype=values.dtype)
    np.clip(values, lowest, highest, out=values)
    if pixels.dtype.kind in "ui":
        np.rint(values, out=values)
    np.copyto(out, values, casting="unsafe")


def _known_range(dtype: np.dtype[Any], value_range: tuple[float, float] | None) -> ValueRange:
    """Return the range that the caller gives, or the one that everybody means for this dtype."""
    if value_range is None:
        if dtype.kind == "f":
            return ValueRange(0.0, 1.0)
        if dtype.kind == "u" and dtype.itemsize <= 2:
            return ValueRange(0.0, float(np.iinfo(dtype).max))
        raise UnsupportedImageError(
            f"What is black and white in an array of {dtype} cannot be known. Pass "
            "value_range=(black, white)."
        )
    low, high = (float(limit) for limit in value_range)
    limits = np.iinfo(dtype) if dtype.kind in "ui" else np.finfo(dtype)
    spans = np.finfo(_float_dtype(dtype))  # pixels are divided by the span
    if not (
        float(limits.min) <= low < high <= float(limits.max)
        and float(spans.tiny) <= high - low <= float(spans.max)
    ):
        raise ValueError(
            f"value_range must be (black, white), rising and within {dtype}, not {value_range}"
        )
    return ValueRange(low, high)


def _is_whole_range(dtype: np.dtype[Any], value_range: ValueRange) -> bool:
    """Tell whether black and white are the least and the greatest number of an integer dtype."""
    if dtype.kind not in "ui":
        return False
    limits = np.iinfo(dtype)
    return (value_range.low, value_range.high) == (limits.min, limits.max)


def _float_dtype(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """Return the smallest float type from float32 on that holds each value of a dtype."""
    holds = dtype.itemsize <= (4 if dtype.kind == "f" else 2)  # float32 has 24 bits of mantissa
    return np.float32 if holds else np.float64
