"""Planes: what a network sees of a picture, which is its luma, or Y, Cb and Cr.

Batches and pictures hold one channel for luma, or R, G and B. A network of three planes gets Y, Cb
and Cr as JPEG files hold them, and is judged by Cb and Cr alone: Y is what guides it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argan_plugin import color, dct

COLOURED = 3
"""How many planes a picture in colour has."""

GREY = dct.MIDDLE / 255
"""Cb and Cr of what has no colour, in [0, 1]: ITU-T T.871, section 7."""


def to_planes(pixels: Tensor) -> Tensor:
    """Return what a network sees, float32 in [0, 1], of the same shape.

    Parameters
    ----------
    pixels
        uint8, luma ``(batch, 1, height, width)`` or R, G and B ``(batch, 3, height, width)``.
    """
    unit = pixels.float() / 255
    if unit.shape[1] != COLOURED:
        return unit
    red, green, blue = color.LUMA_WEIGHTS
    luma = red * unit[:, :1] + green * unit[:, 1:2] + blue * unit[:, 2:]
    cb = (unit[:, 2:] - luma) * (0.5 / (1 - blue)) + GREY
    cr = (unit[:, :1] - luma) * (0.5 / (1 - red)) + GREY
    return torch.cat([luma, cb, cr], dim=1)


def judged(planes: Tensor) -> Tensor:
    """Return the planes that a loss counts: luma, or Cb and Cr."""
    return planes[:, 1:] if planes.shape[1] == COLOURED else planes


def plane_count(picture: NDArray[np.uint8]) -> int:
    """Return how many planes a picture has, ``(height, width)`` or with colours behind."""
    return 1 if picture.ndim == 2 else COLOURED


def channels_first(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture as networks take it, ``(channel, height, width)``, in the same memory."""
    return picture.reshape(*picture.shape[:2], -1).transpose(2, 0, 1)


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma, uint8 ``(height, width)``, of a picture that may have colours."""
    if plane_count(picture) == 1:
        return picture
    return np.rint(color.luma(picture.astype(np.float32))).astype(np.uint8)
