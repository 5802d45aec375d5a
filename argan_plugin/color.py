"""The one definition of luma and chroma, and how a change of them goes back into colours.

JPEG files hold Y, Cb and Cr as JFIF defines them (full range, ITU-R BT.601 weights). The network
corrects Y alone. Adding the same number to R, G and B changes Y by that number, because the weights
sum to one, and leaves Cb and Cr as they are. Going through `Image.convert("YCbCr")` would round
each pixel to whole levels twice; here an unchanged luma leaves the colours unchanged, bit for bit.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", bound=np.floating[Any])

LUMA_WEIGHTS: Final = (0.299, 0.587, 0.114)
"""Weights of R, G and B in Y: JFIF 1.02 (ITU-T T.871), section 7, after ITU-R BT.601."""


def luma(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the JFIF full-range luma of colours.

    Parameters
    ----------
    rgb : float32 array of shape (..., 3)
        Non-linear R, G and B as files hold them, in any range.

    Returns
    -------
    float32 array of shape (...)
        Luma in the same range.
    """
    # Written out, not a matrix product: each pixel's rounding is then the same in any tile.
    red, green, blue = (np.float32(weight) for weight in LUMA_WEIGHTS)
    result: NDArray[np.float32] = rgb[..., 0] * red
    result += rgb[..., 1] * green
    result += rgb[..., 2] * blue
    return result


def chroma(rgb: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the JFIF full-range chroma of colours, with zero for grey.

    Parameters
    ----------
    rgb : float32 array of shape (height, width, 3)
        Non-linear R, G and B.
    y : float32 array of shape (height, width)
        Their `luma`.

    Returns
    -------
    float32 array of shape (2, height, width)
        Cb and Cr in the same unit, each from -1/2 to 1/2 of the range.
    """
    planes: NDArray[np.float32] = np.stack([rgb[..., 2] - y, rgb[..., 0] - y])
    red, _, blue = LUMA_WEIGHTS
    planes[0] *= np.float32(0.5 / (1 - blue))
    planes[1] *= np.float32(0.5 / (1 - red))
    return planes


def rgb_change(luma_change: NDArray[_Float], chroma_change: NDArray[_Float]) -> NDArray[_Float]:
    """Return by how much R, G and B change when luma and chroma do.

    Parameters
    ----------
    luma_change : float array of shape (height, width)
        Of Y.
    chroma_change : float array of shape (2, height, width)
        Of Cb and Cr, in the same unit.

    Returns
    -------
    float array of shape (height, width, 3)
        With zero for chroma, `luma_change` three times, bit for bit.
    """
    of = luma_change.dtype.type
    red, green, blue = LUMA_WEIGHTS
    # The inverse of `luma` and `chroma`: ITU-T T.871, section 7.
    red_minus_luma = chroma_change[1] * of(2 * (1 - red))
    blue_minus_luma = chroma_change[0] * of(2 * (1 - blue))
    green_minus_luma = -(red_minus_luma * of(red / green) + blue_minus_luma * of(blue / green))
    differences = np.stack([red_minus_luma, green_minus_luma, blue_minus_luma], axis=-1)
    differences += luma_change[..., np.newaxis]
    return differences


def add_luma_change(rgb: NDArray[_Float], change: NDArray[_Float]) -> None:
    """Change colours in place: their luma by `change`, and their chroma not at all.

    Parameters
    ----------
    rgb : float array of shape (..., 3)
        Non-linear R, G and B; overwritten, and not limited to any range.
    change : float array of shape (...)
        What to add to the luma, in the same unit.
    """
    for channel in range(3):  # twice as fast as one sum with a last axis of three
        rgb[..., channel] += change
