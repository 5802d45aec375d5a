"""libjpeg's quantization tables, and the quality of a table.

The tables are those of ITU-T T.81 (JPEG), Annex K, Tables K.1 and K.2, scaled by quality as libjpeg
of the Independent JPEG Group (IJG) does it: the "quality" from 1 to 100 of most programs is this
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

# ITU-T T.81, Tables K.1 (luminance) and K.2 (chrominance), in row order; libjpeg's quality 50.
_LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA_TABLE = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
    ]
)


def ijg_luma_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's luma quantization table.

    Parameters
    ----------
    quality
        IJG quality, 1-100.

    Returns
    -------
    ndarray
        int64 of shape (8, 8), in row order, each step from 1 to 255.

    Raises
    ------
    ValueError
        If the quality is not from 1 to 100.
    """
    return _scaled(_LUMA_TABLE, quality)


def ijg_chroma_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's chroma quantization table; everything else as for `ijg_luma_table`."""
    return _scaled(_CHROMA_TABLE, quality)


def nearest_luma_quality(table: Sequence[int]) -> tuple[int, bool]:
    """Estimate the quality that a luma table was made for; a file does not hold it.

    Parameters
    ----------
    table
        64 steps in row order, at least 1.

    Returns
    -------
    quality : int
        IJG quality, 1-100, of the nearest of libjpeg's tables.
    same : bool
        Whether the table is libjpeg's of that quality.
    """
    return _nearest(table, _luma_tables())


def nearest_chroma_quality(table: Sequence[int]) -> tuple[int, bool]:
    """Do for a chroma table what `nearest_luma_quality` does for luma."""
    return _nearest(table, _chroma_tables())


def _scaled(table: NDArray[np.int64], quality: int) -> NDArray[np.int64]:
    """Scale a table of Annex K as libjpeg does for baseline files.

    The formulas are those of jpeg_quality_scaling and jpeg_add_quant_table in its jcparam.c.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality: expected 1 to 100, got {quality}.")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * percent + 50) // 100, 1, 255)


@cache
def _luma_tables() -> NDArray[np.int64]:
    """Return the luma tables of quality 1 to 100, shape (100, 64)."""
    return np.stack([ijg_luma_table(quality).ravel() for quality in range(1, 101)])


@cache
def _chroma_tables() -> NDArray[np.int64]:
    """Return the chroma tables of quality 1 to 100, shape (100, 64)."""
    return np.stack([ijg_chroma_table(quality).ravel() for quality in range(1, 101)])


def _nearest(table: Sequence[int], ijg_tables: NDArray[np.int64]) -> tuple[int, bool]:
    """Return the quality whose table is nearest, and whether it is the same.

    The distance is the mean ratio of the steps, so that the large steps of the high frequencies,
    where most coefficients are zero in any case, do not outvote the small ones. Steps over 255,
    which only 16-bit tables have, count as 255: the tables compared with are limited to that. Of
    several qualities with the same table (chroma at 1 to 3) it is the lowest.
    """
    steps = np.clip(np.asarray(table), 1, 255)
    distance = np.abs(np.log(ijg_tables / steps)).mean(axis=1)
    best = int(distance.argmin())
    return best + 1, bool((ijg_tables[best] == steps).all())
