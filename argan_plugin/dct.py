"""JPEG's transform: the orthonormal two-dimensional DCT-II of 8x8 blocks (ITU-T T.81, A.3.3).

Orthonormal, so that a distance between coefficients is the distance between the pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
"""Side of a block in pixels."""

MIDDLE = 128
"""What JPEG takes from 8-bit samples before it transforms them: T.81, A.3.1. Chroma's grey."""

_FREQUENCY = np.arange(BLOCK)[:, np.newaxis]
BASIS = np.cos((2 * np.arange(BLOCK) + 1) * _FREQUENCY * np.pi / (2 * BLOCK)) / np.sqrt(BLOCK / 2)
BASIS[0] /= np.sqrt(2)
"""The transform of one row of pixels: one frequency in each row."""


def forward(blocks: NDArray[Any]) -> NDArray[Any]:
    """Return the coefficients of blocks of pixels, both of shape (..., 8, 8), in float32 or 64.

    Frequencies rise downwards and to the right; a block's mean times 8 is its first coefficient.
    """
    basis = BASIS.astype(blocks.dtype, copy=False)
    result: NDArray[Any] = basis @ blocks @ basis.T
    return result


def inverse(coefficients: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of coefficients: `forward` undone."""
    basis = BASIS.astype(coefficients.dtype, copy=False)
    result: NDArray[Any] = basis.T @ coefficients @ basis
    return result


def forward_plane(plane: NDArray[Any]) -> NDArray[Any]:
    """Return the coefficients of a plane, those of a block where its pixels were.

    Far quicker than `forward` of `split`: a product for each row of blocks, not for each block.

    Parameters
    ----------
    plane : contiguous float array of shape (height, width)
        Whole blocks. No block's result hangs on another.
    """
    basis = BASIS.astype(plane.dtype, copy=False)
    width = plane.shape[1]
    downwards = basis @ plane.reshape(-1, BLOCK, width)
    result: NDArray[Any] = downwards.reshape(-1, width, BLOCK) @ basis.T
    return result.reshape(plane.shape)


def inverse_plane(coefficients: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of a plane of coefficients: `forward_plane` undone."""
    basis = BASIS.astype(coefficients.dtype, copy=False)
    width = coefficients.shape[1]
    downwards = coefficients.reshape(-1, width, BLOCK) @ basis
    result: NDArray[Any] = basis.T @ downwards.reshape(-1, BLOCK, width)
    return result.reshape(coefficients.shape)


def split(plane: NDArray[Any]) -> NDArray[Any]:
    """Return the blocks of a plane as a view: (8 rows, 8 columns) to (rows, columns, 8, 8)."""
    height, width = plane.shape
    shape = height // BLOCK, BLOCK, width // BLOCK, BLOCK
    return plane.reshape(shape).swapaxes(1, 2)


def join(blocks: NDArray[Any]) -> NDArray[Any]:
    """Return a plane of blocks: `split` undone, a copy."""
    rows, columns = blocks.shape[:2]
    return blocks.swapaxes(1, 2).reshape(rows * BLOCK, columns * BLOCK)


def in_a_row(blocks: NDArray[Any]) -> NDArray[Any]:
    """Return blocks (number, 8, 8) side by side, where they are transformed soonest: a copy."""
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(BLOCK, -1)
