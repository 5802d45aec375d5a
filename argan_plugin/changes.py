"""The network's correction apart from the picture, so that it is computed once for all strengths.

``apply_change(image, luma_change(image), strength=s)`` equals ``restore(image, strength=s)``.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin import arrays
from argan_plugin.arrays import Nonfinite, ValueRange
from argan_plugin.correction import applied
from argan_plugin.devices import Device
from argan_plugin.errors import UnsupportedImageError
from argan_plugin.tilewise import (
    AnyModel,
    Grid,
    Progress,
    check_strength,
    map_correction,
    open_correction,
)


def luma_change(
    image: NDArray[Any],
    *,
    model: AnyModel = None,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    grid: Grid = None,
    tile_size: int | None = None,
    device: Device = "auto",
    progress: Progress = None,
    cancel: threading.Event | None = None,
) -> NDArray[np.float32]:
    """Return the network's correction, to be applied later with any strength.

    Parameters
    ----------
    image, model, channel_axis, value_range, nonfinite, steps, grid, tile_size, device, progress
        As in `restore`.
    cancel
        As in `restore`.

    Returns
    -------
    float32 array of shape (height, width)
        Restored luma minus luma, in units of the range: 1 is the step from black to white.

    Raises
    ------
    ArganError, ValueError, TypeError
        As `restore` does.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    change = open_correction(
        pixels, limits, nonfinite, model, device, cancel, chroma=False, steps=steps, grid=grid
    )
    return map_correction(change.changes, pixels, change, tile_size, progress, out=None)


def colour_change(
    image: NDArray[Any],
    *,
    model: AnyModel = None,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    grid: Grid = None,
    tile_size: int | None = None,
    device: Device = "auto",
    progress: Progress = None,
    cancel: threading.Event | None = None,
) -> NDArray[np.float32]:
    """Return the correction of luma and chroma, to be applied later with any strength.

    Parameters
    ----------
    image, model, channel_axis, value_range, nonfinite, steps, grid, tile_size, device, progress
        As in `restore`.
    cancel
        As in `restore`.

    Returns
    -------
    float32 array of shape (height, width, 3), or (height, width) for a grey picture
        What ``restore(image, chroma=True)`` adds to R, G and B, in units of the range.

    Raises
    ------
    ArganError, ValueError, TypeError
        As `restore` does.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    change = open_correction(
        pixels, limits, nonfinite, model, device, cancel, chroma=True, steps=steps, grid=grid
    )
    return map_correction(change.changes, pixels, change, tile_size, progress, out=None)


def apply_change(
    image: NDArray[Any],
    change: NDArray[np.float32],
    *,
    strength: float = 1.0,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
) -> NDArray[Any]:
    """Apply a correction: ``apply_change(image, luma_change(image))`` equals ``restore(image)``.

    With `colour_change` it equals ``restore(image, chroma=True)``.

    Parameters
    ----------
    image, strength, channel_axis, value_range, nonfinite
        As in `restore`.
    change : float32 array of shape (height, width) or (height, width, 3)
        What `luma_change` or `colour_change` returned for this picture.

    Returns
    -------
    array
        As `restore` returns it.

    Raises
    ------
    UnsupportedImageError
        As in `restore`, or if `change` has another height or width.
    ValueError
        If `strength` is not 0 to 10.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    check_strength(strength)
    if change.shape not in (pixels.shape[:2], pixels.shape):
        raise UnsupportedImageError(
            f"The change has the shape {change.shape}, but the picture has {pixels.shape[:2]} "
            "pixels. Use luma_change or colour_change of the same picture."
        )
    result = image.copy()
    if strength == 0:
        return result
    applied(pixels, change, limits, strength, out=arrays.colour_view(result, channel_axis))
    return result


def _examine(
    image: NDArray[Any],
    channel_axis: int | None,
    value_range: tuple[float, float] | None,
    nonfinite: Nonfinite,
) -> tuple[NDArray[Any], ValueRange]:
    """Return a view of the pixels to restore, and their black and white."""
    pixels = arrays.colour_view(image, channel_axis)
    return pixels, arrays.find_value_range(pixels, value_range, nonfinite)
