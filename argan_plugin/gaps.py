"""Pixels that are NaN or infinite, where the caller wants them passed through.

They come out with their bits as they were. A network would spread them as far as it looks, so it
sees the mean of what is near in their place. That mean is taken within a window of fixed size and
in a fixed order: tiles equal the whole picture.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin.box_filter import window_sums

_RADIUS: Final = 8  # a block of JPEG: what is further away tells little

_GREY = np.float32(0.5)  # where nothing is near


def gap_halo(size_multiple: int) -> int:
    """Return how far the mean looks, in pixels, as a multiple of `size_multiple`."""
    return math.ceil(_RADIUS / size_multiple) * size_multiple


def find_gaps(pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Tell which pixels have a channel that is NaN or infinite.

    Parameters
    ----------
    pixels : array of shape (height, width) or (height, width, channel)

    Returns
    -------
    bool array of shape (height, width), or None
        None if there are no such pixels.
    """
    if pixels.dtype.kind != "f":
        return None
    finite = np.isfinite(pixels)
    if finite.all():
        return None
    whole: NDArray[np.bool_] = finite if finite.ndim == 2 else finite.all(axis=-1)
    return ~whole


def fill_gaps(colours: NDArray[np.float32], gaps: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return colours with the mean of their neighbours in the gaps.

    Parameters
    ----------
    colours : float32 array of shape (height, width) or (height, width, channel)
        In [0, 1] outside the gaps.
    gaps : bool array of shape (height, width)

    Returns
    -------
    float32 array of the shape of `colours`
        Means over those of the 17 x 17 pixels around that are no gaps, half grey where all are.
    """
    planes = np.moveaxis(np.atleast_3d(colours), -1, 0)
    known = _sums_around(np.where(gaps, np.float32(0), planes))
    count = _sums_around(np.where(gaps, np.float32(0), np.float32(1)))
    means = np.where(count > 0, known / np.maximum(count, 1), _GREY)
    filled = np.where(gaps, means, planes)
    return np.ascontiguousarray(np.moveaxis(filled, 0, -1).reshape(colours.shape))


def _sums_around(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum over the window around each pixel; outside the picture is nothing."""
    widths = [(0, 0)] * (planes.ndim - 2) + [(_RADIUS, _RADIUS)] * 2
    sums = np.pad(planes, widths)
    for axis in (-2, -1):
        sums = window_sums(sums, 2 * _RADIUS + 1, axis)
    return sums
