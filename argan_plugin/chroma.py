"""Chroma with less blocking and bleeding, by a network of its own that luma guides.

JPEG stores Cb and Cr at half the size, most often, and with coarser steps than Y, so at low quality
colours come in blocks of 16 pixels and run over edges. Y, which is stored at the full size, shows
where they end: the shipped network of chroma sees all three as the file has them, and restores Cb
and Cr, whatever the subsampling of the file was. It needs nothing of the network that restores
luma, so a tile needs no more context than the one of both that looks farther.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_info import ModelInfo
from argan_plugin.weights import CHROMA, model_path

_GREY: Final = np.float32(dct.MIDDLE / 255)

# What every change is made smaller by. It costs at low quality and gains at high, where the network
# alone loses in files of 4:4:4 (docs/experiments.md, "A network for chroma").
_LEAST_CHANGE: Final = np.float32(0.25 / 255)

# What has less colour than this has none, but for rounding, and must stay grey: a change of it is
# made smaller by more.
_COLOURLESS: Final = np.float32(0.5 / 255)
_LEAST_CHANGE_OF_GREY: Final = np.float32(1 / 255)


@cache
def chroma_info() -> ModelInfo:
    """Return the facts of the shipped model of chroma.

    Raises
    ------
    ModelError
        If this installation ships none.
    """
    return inspect_model(read_model_file(model_path(CHROMA)))


def planes_of(luma: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the network of chroma sees.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        Black at 0 and white at 1.
    chroma : float32 array of shape (2, height, width)
        Cb and Cr as `color.chroma` returns them, black to white being 1.

    Returns
    -------
    float32 array of shape (3, height, width)
        Y, Cb and Cr as files hold them: grey is 128 of 255.
    """
    planes = np.empty((3, *luma.shape), np.float32)
    planes[0] = luma
    np.add(chroma, _GREY, out=planes[1:])
    return planes


def chroma_change(given: NDArray[np.float32], restored: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what to add to Cb and Cr.

    Parameters
    ----------
    given : float32 array of shape (3, height, width)
        From `planes_of`.
    restored : float32 array of shape (3, height, width)
        What the network makes of it.

    Returns
    -------
    float32 array of shape (2, height, width)
        Smaller than the network's by a quarter of a level of 8 bits, in grey by a whole one; what
        is less than that is none.
    """
    # The graph cuts off what is beyond 255, as Cr of pure red is by half a level.
    change: NDArray[np.float32] = restored[1:] - np.clip(given[1:], 0, 1)
    colourless = (np.abs(given[1:] - _GREY) < _COLOURLESS).all(axis=0)
    size = np.abs(change)
    size -= np.where(colourless, _LEAST_CHANGE_OF_GREY, _LEAST_CHANGE)
    np.maximum(size, 0, out=size)
    return np.copysign(size, change, out=change)
