"""Pictures whose bands are not all colours: `restore` for each mode that files and Pillow have.

::

    L, RGB          restored as they are
    RGBA, RGBX, LA  the last band stays
    CMYK            the colours of C, M and Y, and K as a grey picture of its own

Adobe's JPEG files hold CMYK either as it is or as YCCK: the luma and chroma of the inks C, M and Y,
turned round, and K beside them (Adobe Technical Note 5116, 1992; libjpeg's jdcolor.c). Both times
the marks of compression are in the inks, so that is where they are removed, and no conversion comes
between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin.restoration import restore

RESTORED_MODES: Final = ("L", "LA", "RGB", "RGBA", "RGBX", "CMYK")
"""What can be restored, by Pillow's names."""

Progress = Callable[[int, int], None]


def restore_bands(
    pixels: NDArray[Any], mode: str, *, progress: Progress | None = None, **options: Any
) -> NDArray[Any]:
    """Restore a picture of any mode.

    Parameters
    ----------
    pixels : array of shape (height, width) or (height, width, bands)
        As Pillow has it in this mode; unsigned integers.
    mode : str
        One of `RESTORED_MODES`.
    progress, **options
        As in `restore`.

    Returns
    -------
    array
        New; the same shape and dtype.

    Raises
    ------
    ArganError, ValueError, TypeError
        As `restore` does.
    """
    if mode == "CMYK":
        white = np.iinfo(pixels.dtype).max
        light = white - pixels
        colours = restore(light[..., :3], progress=part_of(progress, 0, 2), **options)
        black = restore(light[..., 3], progress=part_of(progress, 1, 2), **options)
        return white - np.dstack([colours, black])
    if mode == "LA":
        result = pixels.copy()
        result[..., 0] = restore(pixels[..., 0], progress=progress, **options)
        return result
    return restore(pixels, progress=progress, **options)


def part_of(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """Return what reports the tiles of one of several equal parts, counted from 0, as those of all.

    Parts that turn out to be unequal make the total change, and nothing else.
    """
    if progress is None:
        return None
    return lambda done, total: progress(part * total + done, parts * total)
