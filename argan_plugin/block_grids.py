"""Where the 8x8 blocks of JPEG compressions may lie in pixels.

Quantization leaves most coefficients of a block at zero, and of eight by eight pixels anywhere else
only what nature does. So on the grid of the blocks more coefficients are next to zero than on the
63 others. Where the counts of the best two are apart by chance, it is by about their square root.

A compression on another grid moves these zeros by about half of its steps, and has zeros of its
own. How many those are on a grid hangs on how far its rows and its columns are from that one's:
what a grid has beyond is left of an earlier compression.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct

_CELL = 2 * dct.BLOCK
"""Side in pixels of what holds a block on each of the grids."""

_MOST_CELLS = 128
_LEAST_VARIANCE = 4
"""In squared grey levels: plain cells have the same coefficients on all grids."""

# Rounded pixels move a coefficient that is zero by 0.3 grey levels, rounded colours by 0.35.
_NEXT_TO_ZERO = 0.6

# By how many square roots of its own count the best grid must be ahead of the next one.
_AHEAD = 1.2

# A compression moves a zero of another grid by less than this share of its first step, mostly.
_MOVED = 0.45

_MOST_CELLS_BEFORE = 512
_AHEAD_BEFORE = 1.0

# Cells at once: their coefficients stay in the processor's cache.
_AT_ONCE = 32


def find_grids(luma: NDArray[np.float32]) -> tuple[list[tuple[int, int]], bool]:
    """Return all grids, the likeliest first, and whether that one stands out.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        Grey levels from 0 to 255.

    Returns
    -------
    grids : list of (int, int)
        Row and column of the first whole block of each, 0-7.
    stands_out : bool
    """
    counts = _zeros(luma, _NEXT_TO_ZERO, _MOST_CELLS).ravel()
    order = np.argsort(-counts, kind="stable")
    first, second = counts[order[:2]].tolist()
    stands_out = first - second >= _AHEAD * max(1, first) ** 0.5
    return [divmod(int(grid), dct.BLOCK) for grid in order], stands_out


def find_grid_before(luma: NDArray[np.float32], first_step: float) -> tuple[int, int] | None:
    """Look for the grid of an earlier and stronger compression.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        Grey levels from 0 to 255, from the corner of a block of the last compression on.
    first_step : float
        Of the table of the last compression, in grey levels.

    Returns
    -------
    (int, int) or None
        Row and column of its first whole block, 1-7; None if there is none. One that shares the
        rows or the columns of the last compression is not looked for.
    """
    counts = _zeros(luma, max(_NEXT_TO_ZERO, _MOVED * first_step), _MOST_CELLS_BEFORE)
    others = counts[1:, 1:].astype(np.float64)
    left = others - others.mean(axis=0) - others.mean(axis=1, keepdims=True) + others.mean()
    second, first = np.partition(left.ravel(), -2)[-2:]
    if first - second < _AHEAD_BEFORE * max(1.0, others.mean()) ** 0.5:
        return None
    down, across = np.unravel_index(left.argmax(), left.shape)
    return int(down) + 1, int(across) + 1


def _zeros(luma: NDArray[np.float32], limit: float, most: int) -> NDArray[np.intp]:
    """Return how many coefficients are less than `limit` on each grid, (8, 8).

    Parameters
    ----------
    luma, limit
        In grey levels.
    most : int
        Blocks to look at on each grid, at most.
    """
    rows, columns = ((side + 1) // _CELL for side in luma.shape)  # of a cell all but one are needed
    missing = [
        (0, max(0, number * _CELL - side))
        for number, side in zip((rows, columns), luma.shape, strict=True)
    ]
    whole = np.pad(luma[: rows * _CELL, : columns * _CELL], missing, mode="edge")
    cells = whole.reshape(rows, _CELL, columns, _CELL).swapaxes(1, 2)
    cells = evenly(cells[cells.var(axis=(2, 3)) > _LEAST_VARIANCE], most)
    counts = np.zeros((dct.BLOCK, dct.BLOCK), np.intp)
    windows = _windows()
    for start in range(0, len(cells), _AT_ONCE):
        # Of all blocks in a cell: (cell, row, column's offset and frequency), then for the rows.
        along = cells[start : start + _AT_ONCE] @ windows
        found = along.swapaxes(1, 2) @ windows
        small = np.abs(found, out=found) < limit
        # (cell, column's offset, its frequency, row's offset, its frequency)
        number = small.reshape(-1, *(dct.BLOCK,) * 4).sum(axis=0, dtype=np.intp)
        counts += number.sum(axis=(1, 3)).T
    return counts


@cache
def _windows() -> NDArray[np.float32]:
    """Return what takes the pixels of a row of a cell to coefficients: (pixel, offset * frequency).

    Of eight pixels from each of the first eight on.
    """
    result = np.zeros((_CELL, dct.BLOCK, dct.BLOCK), np.float32)
    for offset in range(dct.BLOCK):
        result[offset : offset + dct.BLOCK, offset] = dct.BASIS.T
    return result.reshape(_CELL, -1)


def evenly(many: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return at most so many of them, evenly from all over."""
    if len(many) <= most:
        return many
    return many[np.linspace(0, len(many) - 1, most).astype(np.intp)]
