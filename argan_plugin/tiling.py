"""Tiles: which pixels to read, which to keep, and where they go. It knows nothing of networks.

A convolutional network sees wrong neighbours near the edge of what it is given, so each tile is
read with context on every side, the halo, and only its middle is kept::

    +--------------------------+   read:  what the function gets, kept area plus halo
    |           halo           |          (cut off where the picture ends)
    |      +------------+      |
    | halo |    keep    | halo |   keep:  the middle of the function's result
    |      +------------+      |   write: where the middle lies in the whole picture
    |           halo           |
    +--------------------------+

The result equals the untiled one if nothing beyond the halo changes what is kept, and each tile is
read from a multiple of the network's total stride: then the network's strided layers sample the
same pixels as in the whole picture.

All tiles of a picture read the same shape, for which a GPU then plans its work and takes memory
once. A tile at the picture's end needs no halo there, so it keeps that much more; what rounding
leaves over, it reads further into the picture, where nothing is wrong::

    |-------------- read --------------|
    |          keep           |  halo  |
                     |-------------- read --------------|
                     |  halo  |    keep      |   halo   |
                                       |-------------- read --------------|
                                       |  halo  |           keep          |

No pixel is made up to fill a shape: a picture that fits into one tile is read as it is.
"""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin.errors import DeviceError
from argan_plugin.tile_axis import Axis
from argan_plugin.windows import Window, Windows

DEFAULT_TILE_PIXELS: Final = 1624**2
"""How many pixels a tile reads at most if no tile size is asked for. The halo of the default model
makes 25 % of extra work for a picture of 12 megapixels then, and 30 to 38 % for 24 to 100. More
is quicker and takes more memory, which docs/guarantees.md limits (docs/experiments.md, "The seventh
run")."""

SMALLEST_TILE_SIZE: Final = 64
"""Where halving stops when memory runs out: below it, nearly all the work would be halo."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile, as pairs of slices (rows, columns); see the drawing above."""

    read: Window
    """Which pixels of the whole picture the function gets."""

    keep: Window
    """Which part of the function's result is right."""

    write: Window
    """Where that part lies in the whole picture; together they cover it without overlap."""


def plan_tiles(
    height: int,
    width: int,
    *,
    tile_size: int | None,
    halo: int,
    size_multiple: int | tuple[int, int],
    area: Window | None = None,
    one_shape: bool = True,
) -> list[Tile]:
    """Cover a picture with tiles, row by row.

    Parameters
    ----------
    height, width : int
        Size of the whole picture, at least 1.
    tile_size : int or None
        Mean side of the kept area, at most, and at least 1; rounded up to a multiple of
        `size_multiple`. A tile reads this and two halos at most, but for rounding. With None,
        tiles have the shape that needs least work of those that read `DEFAULT_TILE_PIXELS`.
    halo : int
        Context on each side. It must be a multiple of the network's total stride.
    size_multiple : int or pair of int
        Tiles are kept from multiples of it, for rows and columns: of the network's total stride,
        and of the sides of chunks if tiles are to be made of whole ones.
    area : pair of slices, optional
        Cover only this part, which must begin at multiples of `size_multiple`. The halo may reach
        outside it.
    one_shape : bool
        Whether all tiles read the same shape. Where `size_multiple` is large, tiles at the end
        would read much for that.

    Returns
    -------
    list of Tile
    """
    rows, columns = area or (slice(0, height), slice(0, width))
    multiples = (size_multiple,) * 2 if isinstance(size_multiple, int) else size_multiple
    axes = [
        Axis(part, length, halo, multiple, one_shape)
        for part, length, multiple in zip((rows, columns), (height, width), multiples, strict=True)
    ]
    if tile_size is None:
        counts = _cheapest_counts(axes[0], axes[1])
    else:
        side = checked_tile_size(tile_size)
        counts = axes[0].count_for(side), axes[1].count_for(side)
    spans = [list(axis.spans(count)) for axis, count in zip(axes, counts, strict=True)]
    return [
        Tile(
            read=(row_read, column_read),
            keep=(row_keep, column_keep),
            write=(row_write, column_write),
        )
        for row_read, row_keep, row_write in spans[0]
        for column_read, column_keep, column_write in spans[1]
    ]


def map_tiles(
    function: Callable[[list[NDArray[Any]]], list[NDArray[Any]]],
    image: NDArray[Any] | Windows,
    *,
    tile_size: int | None,
    halo: int,
    size_multiple: int,
    at_once: Callable[[int, int], int] | None = None,
    out: NDArray[Any] | Windows | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """Apply a function to a picture tile by tile.

    When the function runs out of memory (``MemoryError``), it gets half as many tiles at once; when
    one is too much, this tile and those after it are done in tiles of half the side, down to
    `SMALLEST_TILE_SIZE`. One ``RuntimeWarning`` at the end says so.

    Parameters
    ----------
    function : callable
        Maps each array (height, width, ...) of a list to an array of the same height and width. All
        in a list have one shape. What it gives for a pixel may depend only on pixels within `halo`
        of it.
    image : array or Windows of shape (height, width, ...)
        The whole picture; the function gets its windows, views of an array.
    tile_size, halo, size_multiple : int
        As in `plan_tiles`.
    at_once : callable, optional
        ``at_once(height, width)``: how many windows of this size the function is to get at once. By
        default one.
    out : array or Windows of shape (height, width, ...), optional
        Where to put the result. By default a new array of the function's dtype.
    progress : callable, optional
        ``progress(done, total)``, called after each tile from the calling thread. `total` grows
        when tiles are halved.

    Returns
    -------
    array of shape (height, width, ...)
        `out`, or the new array.

    Raises
    ------
    DeviceError
        If memory does not suffice for a tile of `SMALLEST_TILE_SIZE`.
    """
    height, width = image.shape[:2]
    plan = partial(plan_tiles, height, width, halo=halo, size_multiple=size_multiple)
    pending = plan(tile_size=tile_size)
    most = 1 if at_once is None else at_once(*_size(pending[0]))
    done = 0
    halved = False
    whole: Any = out
    while pending:
        tile = pending[0]
        now = _of_one_size(pending[:most])
        try:
            results = function([image[other.read] for other in now])
        except MemoryError as error:
            if len(now) > 1:
                most = len(now) // 2
                continue
            # The side that was really tried: the picture may be smaller than the tile size. But
            # tiles at its ends keep more than that.
            tried = max(part.stop - part.start for part in tile.write)
            tried = tried if tile_size is None else min(tried, tile_size)
            tile_size = tried // 2
            if tile_size < SMALLEST_TILE_SIZE:
                raise DeviceError(
                    f"Not enough memory for a tile of {tried} pixels, and smaller ones would not "
                    'help. Close other programs, or use device="cpu" if a GPU is in use.'
                ) from error
            halved = True
            pending = [
                smaller
                for larger in pending
                for smaller in plan(tile_size=tile_size, area=larger.write)
            ]
            continue
        del pending[: len(now)]
        total = done + len(now) + len(pending)
        for tile, result in zip(now, results, strict=True):
            if whole is None:
                whole = np.empty((height, width, *result.shape[2:]), result.dtype)
            whole[tile.write] = result[tile.keep]
            done += 1
            if progress is not None:
                progress(done, total)
    if halved:
        warnings.warn(
            "There was not enough memory for a tile, so smaller ones were used, which takes more "
            f"time: tile_size={tile_size}.",
            RuntimeWarning,
            stacklevel=2,
        )
    returned: NDArray[Any] = whole
    return returned


def _size(tile: Tile) -> tuple[int, int]:
    rows, columns = tile.read
    return rows.stop - rows.start, columns.stop - columns.start


def _of_one_size(tiles: list[Tile]) -> list[Tile]:
    """Return the first tile and those right after it that read as much."""
    return list(itertools.takewhile(lambda tile: _size(tile) == _size(tiles[0]), tiles))


def checked_tile_size(tile_size: int) -> int:
    """Return `tile_size` as an int.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is below 1.
    """
    checked = operator.index(tile_size)
    if checked < 1:
        raise ValueError(f"tile_size must be at least 1, not {checked}")
    return checked


def _cheapest_counts(rows: Axis, columns: Axis) -> tuple[int, int]:
    """Return how many rows and columns of tiles read fewest pixels together.

    n tiles in a row read n - 1 times two halos more than there is: what is best is a square tile
    for a large picture, and no cut at all along a side that is short enough.
    """
    best: tuple[int, int, int] | None = None
    for count in range(1, math.ceil(rows.size / rows.multiple) + 1):
        height = rows.reads(count)
        if best is not None and count * height * columns.size >= best[0]:
            break  # more rows cannot be better, whatever the columns
        across = columns.fewest(DEFAULT_TILE_PIXELS // height)
        pixels = count * height * across * columns.reads(max(across, 1))
        if across and (best is None or pixels < best[0]):
            best = pixels, count, across
    if best is None:  # halos alone are more than a tile should read
        return rows.count_for(2 * rows.halo), columns.count_for(2 * columns.halo)
    return best[1], best[2]
