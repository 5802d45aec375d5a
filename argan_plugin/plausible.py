"""What the quantization steps of a JPEG file make plausible of a correction.

An encoder rounds each coefficient of luma to a multiple of its step s. So none is wrong by more
than s / 2, and one that may lie anywhere in between is wrong by s² / 12 in the mean square. The
network sees pixels and no file: it has to guess how much there is to correct, and is wrong itself.
Where there is little to correct, in files of high quality, that is more than what it mends. So of
the change c that it wants in a coefficient, this is kept::

    limited(c, s / 2) * (s² / 12) / (s² / 12 + NETWORK_ERROR)

The factor is that of Wiener ("Extrapolation, interpolation, and smoothing of stationary time
series", 1949) for a signal of the first power with noise of the second: nearly 1 for the steps of
low quality, nearly 0 where a step leaves no room for an error that could be seen.

All of this holds for what was compressed once. What was compressed before, and resized since, is
wrong by more than the last steps tell, and shows no blocks by which that would be seen. The network
sees it: where it goes beyond half a step in many coefficients of a block, and not by so little that
it may be its own error, its change is kept as it is.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin import dct
from argan_plugin.strips import strips

NETWORK_ERROR: Final = 2.0
"""The mean square by which the network itself is taken to be wrong in a coefficient, in squared
grey levels. ``benchmarks/network_error.py`` tries others: with less, photographs gain a little
more on average, but the one that gains least gains less, and even bars lose more."""

BEYOND: Final = (4.0, 8.0)
"""In how many of a block's 64 coefficients a change may go beyond half a step and still be bound as
a whole, and in how many it is not bound at all. Chosen by validation pictures, resized ones and
drawings, beside others: docs/experiments.md, "When the last steps do not bind"."""

_WHITE = 255


def as_table(steps: ArrayLike) -> NDArray[np.float64]:
    """Return a quantization table of shape (8, 8), given its 64 steps in row order.

    Raises
    ------
    ValueError
        If they are not 64, or one is less than 1.
    """
    table = np.asarray(steps, np.float64)
    if table.size != dct.BLOCK**2 or not (table >= 1).all():
        raise ValueError(
            "steps must be the 64 quantization steps of a JPEG file's luma, 1 or more each; they "
            f"are {table.size}, from {table.min(initial=np.inf):g}"
        )
    return table.reshape(dct.BLOCK, dct.BLOCK)


def plausible_change(
    change: NDArray[np.float32],
    steps: NDArray[np.float64],
    *,
    network_error: float = NETWORK_ERROR,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return what the steps of a file make plausible of a change of its luma.

    Each block is treated by itself. Where many coefficients go beyond half a step, see `BEYOND`, it
    stays as it is. One that does so by three times the root of the network's error counts as a
    whole, and the less, the less far it goes: what differs by the last bits of a float, as between
    devices, gives what differs by hardly more.

    Parameters
    ----------
    change : float32 array of shape (height, width)
        1 being the step from black to white. It begins at the corner of a block of the file;
        blocks that reach beyond it are filled by repeating its edge.
    steps : array of shape (8, 8)
        The luma quantization table of the file: grey levels of 8 bits.
    network_error : float, optional
        The mean square by which the network is taken to be wrong in a coefficient, in squared grey
        levels of 8 bits, more than 0.
    out : float32 array of the shape of `change`, optional
        Where to put the result; may be `change`. By default a new array.

    Returns
    -------
    float32 array of the shape of `change`
    """
    height, width = change.shape
    blocks = math.ceil(height / dct.BLOCK), math.ceil(width / dct.BLOCK)
    reach = np.tile((steps / 2 / _WHITE).astype(np.float32), blocks[1])
    room = steps**2 / 12
    share = np.tile((room / (room + network_error)).astype(np.float32), blocks[1])
    result = np.empty_like(change) if out is None else out
    for strip in strips(blocks[0], width * dct.BLOCK):  # rows of blocks
        rows = slice(strip.start * dct.BLOCK, strip.stop * dct.BLOCK)
        part = change[rows]
        margins = (0, -len(part) % dct.BLOCK), (0, -width % dct.BLOCK)
        whole = np.pad(part, margins, mode="edge") if any(map(any, margins)) else part
        kept = dct.forward_plane(np.ascontiguousarray(whole))
        rows_of_blocks = kept.reshape(-1, *reach.shape)
        unbound = _unbound(rows_of_blocks, reach, 3 * math.sqrt(network_error) / _WHITE)
        np.minimum(rows_of_blocks, reach, out=rows_of_blocks)
        np.maximum(rows_of_blocks, -reach, out=rows_of_blocks)
        rows_of_blocks *= share
        within = slice(len(part)), slice(width)
        pixels = dct.inverse_plane(kept)[within]
        if unbound.any():
            shares = unbound.repeat(dct.BLOCK, axis=0).repeat(dct.BLOCK, axis=1)[within]
            pixels += shares * (part - pixels)
        result[rows] = pixels
    return result


def _unbound(
    coefficients: NDArray[np.float32], reach: NDArray[np.float32], whole: float
) -> NDArray[np.float32]:
    """Return the share of its change that each block keeps whatever the steps say.

    Shape (rows, columns), of coefficients (rows, 8, 8 columns); see `plausible_change`.
    """
    beyond = np.abs(coefficients)
    beyond -= reach
    beyond *= np.float32(1 / whole)
    np.clip(beyond, 0, 1, out=beyond)
    counts = beyond.sum(axis=1).reshape(len(beyond), -1, dct.BLOCK).sum(axis=2)
    few, many = BEYOND
    shares: NDArray[np.float32] = ((counts - few) / (many - few)).clip(0, 1)
    return shares
