"""Make a picture smaller by whole pixels' means, one part at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argan_plugin.arrays import as_floats


def edges(length: int, smaller: int) -> NDArray[np.intp]:
    """Return where the pixels begin and end whose mean each smaller pixel is, along one axis.

    Parameters
    ----------
    length, smaller : int
        Lengths of the axis, 1 <= smaller <= length.

    Returns
    -------
    integer array of shape (smaller + 1,)
        Strictly rising, from 0. If `smaller` is `length` over a whole factor, rounded down or up,
        steps are this factor: the rest is left out, or gives a mean of fewer pixels. Otherwise the
        steps differ by one at most.
    """
    factor = round(length / smaller)
    if smaller in (length // factor, math.ceil(length / factor)):
        return np.minimum(np.arange(smaller + 1) * factor, length)
    return np.arange(smaller + 1) * length // smaller


def means(pixels: NDArray[Any], limits: list[NDArray[np.intp]]) -> NDArray[Any]:
    """Return the means of boxes of pixels.

    Parameters
    ----------
    pixels : array of n axes
        Integers of up to 32 bits, or floats.
    limits : list of n integer arrays
        As `edges` gives them, or parts of that from which the first number is taken away; the last
        number is the length of that axis.

    Returns
    -------
    array of the same dtype
        Integers are rounded to the nearest, halves to even. A box with NaN is NaN.
    """
    result: NDArray[Any] = as_floats(pixels)
    for axis, bounds in enumerate(limits):
        counts = np.diff(bounds)
        if (counts == 1).all():
            continue
        result = np.add.reduceat(result, bounds[:-1], axis=axis)
        shape = [1] * result.ndim
        shape[axis] = len(counts)
        result /= counts.reshape(shape).astype(result.dtype)
    if pixels.dtype.kind in "ui":
        np.rint(result, out=result)
    return result.astype(pixels.dtype)
