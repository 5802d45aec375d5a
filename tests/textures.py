"""A picture with detail at all frequencies, as photographs have it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def texture(height: int = 200, width: int = 240, seed: int = 5) -> NDArray[np.uint8]:
    """Return uint8 (height, width) of noise at several scales, without clipping."""
    noise = np.random.default_rng(seed).normal(size=(4, height, width))
    planes = [
        gaussian_filter(plane, sigma) * sigma * 30
        for plane, sigma in zip(noise, (0.7, 1.5, 4, 12), strict=True)
    ]
    levels: NDArray[np.float64] = 128 + np.sum(planes, axis=0)
    return levels.clip(16, 239).astype(np.uint8)
