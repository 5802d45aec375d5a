"""Drawings: what photographs do not teach.

Compression leaves its most visible marks beside sharp edges on flat ground. Such pictures are rare
among photographs, and a network that has not seen them blurs them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.charts import chart
from training.grounds import grating, ground
from training.illustrations import illustrate
from training.marks import draw_marks
from training.micrographs import micrograph
from training.pages import page
from training.screens import pixel_art, screened

Luma = NDArray[np.uint8]

_SOFT_SHARE = 0.2  # as after a scan or an enlargement
_SOFTEST = 1.5  # radius of a Gaussian in pixels


def draw(source: Luma, rng: np.random.Generator) -> Luma:
    """Return one of the kinds of drawings, each as often as its share says; some are softened.

    Parameters
    ----------
    source
        Luma, uint8 ``(height, width)``. Most often only its size is used, under a plain ground.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    kind = _KINDS[int(np.searchsorted(_LIMITS, rng.random(), side="right"))]
    drawing = kind(source, rng)
    if rng.random() < _SOFT_SHARE:
        blur = ImageFilter.GaussianBlur(rng.uniform(0, _SOFTEST))
        return np.asarray(Image.fromarray(drawing).filter(blur))
    return drawing


def _dithered(source: Luma, _: np.random.Generator) -> Luma:
    """Return ``source`` in black and white, as scans and old printers have it."""
    return np.asarray(Image.fromarray(source).convert("1").convert("L"))


def _of_size_alone(
    kind: Callable[[tuple[int, ...], np.random.Generator], Luma],
) -> Callable[[Luma, np.random.Generator], Luma]:
    return lambda source, rng: kind(source.shape, rng)


_SHARES: dict[Callable[[Luma, np.random.Generator], Luma], float] = {
    illustrate: 0.23,
    draw_marks: 0.18,
    # Nothing but a plain ground or a gradient: a white page must come back white up to its edges.
    _of_size_alone(ground): 0.13,
    _of_size_alone(page): 0.1,
    micrograph: 0.1,
    screened: 0.07,
    # Nothing but even bars: what is periodic is most easily taken for a trace.
    _of_size_alone(grating): 0.07,
    _of_size_alone(chart): 0.06,
    pixel_art: 0.04,
    _dithered: 0.02,
}
_KINDS = list(_SHARES)
_LIMITS = np.cumsum(list(_SHARES.values()))[:-1]
