"""Plain grounds, gradients and even bars: where any change is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.illustrations import shade

Luma = NDArray[np.uint8]

_STEEPEST = 8.0  # as a ramp over an eighth of the patch: small pictures and buttons have such
_MOST_BANDS = 6
_WIDEST_BAR = 12


def ramp(shape: tuple[int, ...], angle: float) -> NDArray[np.float64]:
    """Return what rises linearly from 0 to 1 over ``(height, width)``, ``angle`` in radians."""
    height, width = shape
    along = np.add.outer(np.sin(angle) * np.arange(height), np.cos(angle) * np.arange(width))
    rising: NDArray[np.float64] = (along - along.min()) / np.ptp(along)
    return rising


def ground(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return a plain ground or, two times of three, a linear gradient, often between plain ends.

    Parameters
    ----------
    shape
        ``(height, width)``.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    first, last = shade(rng), shade(rng)
    if rng.random() < 1 / 3:
        return np.full(shape, first, np.uint8)
    steepness = _STEEPEST ** rng.random()
    share = ((ramp(shape, rng.uniform(0, 2 * np.pi)) - rng.random()) * steepness + 0.5).clip(0, 1)
    rounded: Luma = np.rint(first + (last - first) * share).astype(np.uint8)
    return rounded


def grating(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return sharp bars of two greys over the whole picture, in bands of one thickness each.

    Parameters and result as of :func:`ground`.
    """
    if rng.random() < 0.5:
        return np.ascontiguousarray(_upright_grating(shape[::-1], rng).T)
    return _upright_grating(shape, rng)


def _upright_grating(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    height, width = shape
    shades = np.array([shade(rng), shade(rng)], np.uint8)
    bands = int(rng.integers(1, _MOST_BANDS + 1))
    thickness = rng.integers(1, _WIDEST_BAR + 1, size=(bands, 1))
    phase = rng.integers(2 * _WIDEST_BAR, size=(bands, 1)) if rng.random() < 0.5 else 0
    rows = shades[(np.arange(width) + phase) // thickness % 2]
    return np.ascontiguousarray(rows[np.arange(height) * bands // height])
