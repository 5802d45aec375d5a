"""`restore_jpeg`: restore a JPEG file to a picture that the file can stand for."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import color
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.coefficients import (
    LumaCoefficients,
    nearest_consistent,
    read_luma_coefficients,
)
from argan_plugin.decoding import decoding, opened
from argan_plugin.devices import Device
from argan_plugin.errors import ImageFileError, UnsupportedImageError
from argan_plugin.inspection import (
    find_earlier,
    grey_levels,
    grid_of_earlier,
    steps_to_keep_to,
)
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.restoration import restore
from argan_plugin.tilewise import AnyModel, check_strength

_WHITE = 255
_ROWS = 512  # that are in floating point at once; a multiple of the blocks' 8


def restore_jpeg(
    source: str | os.PathLike[str] | bytes,
    *,
    consistent: bool = True,
    model: AnyModel = None,
    strength: float = 1.0,
    chroma: bool = False,
    tile_size: int | None = None,
    device: Device = "auto",
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> NDArray[np.uint8]:
    """Remove JPEG artifacts from a JPEG file, and keep to what the file says of the original.

    Parameters
    ----------
    source
        The path of a JPEG file, or the file's bytes.
    consistent
        Whether every coefficient of the restored luma is brought into the interval that the file's
        quantization leaves open, so that the result is one of the pictures which this file can
        stand for. It needs the package pyjpegio (``pip install 'argan-plugin[consistent]'``) and a
        grey or YCbCr file. Either way the file's quantization steps count, as by `restore` with
        `steps`, unless the pixels show an earlier and stronger compression.
    model, strength, chroma, tile_size, device, progress, cancel
        As in `restore`.

    Returns
    -------
    ndarray
        uint8, (height, width) for grey and (height, width, 3) for RGB, rows as they are stored: an
        EXIF orientation is not applied.

        The intervals hold for luma before it is rounded, up to 0.3 grey levels for an encoder's own
        rounding. Rounding to whole levels moves a coefficient by 0.3 typically, and colours that
        would leave 0 to 255 are limited to it.

    Raises
    ------
    ImageFileError
        If the file cannot be read, is no JPEG file, or is damaged.
    UnsupportedImageError
        If the file is neither grey nor RGB, or has no luma component and `consistent` is set.
    ArganError
        If `consistent` is set without pyjpegio; and as `restore` raises it.
    ValueError, TypeError
        If an option is wrong.

    Examples
    --------
    >>> restored = restore_jpeg("photo.jpg")  # doctest: +SKIP
    """
    check_strength(strength)
    name = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    with decoding(name, "a JPEG file"), opened(source) as file:
        data = file.read()
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        image.load()
    pixels = _pixels(image, name)
    stated = read_jpeg_info(data)
    earlier = find_earlier(grey_levels(pixels), stated)
    options: dict[str, Any] = {
        "model": model,
        "strength": strength,
        "chroma": chroma,
        "steps": steps_to_keep_to(stated, earlier),
        "grid": grid_of_earlier(stated, earlier),
        "tile_size": tile_size,
        "device": device,
        "progress": progress,
        "cancel": cancel,
    }
    if not consistent:
        return restore(pixels, **options)
    try:
        coefficients = read_luma_coefficients(data)
    except (ImageFileError, UnsupportedImageError) as error:
        raise type(error)(f"{name}: {error}. Pass consistent=False to do without.") from error
    return restore_consistently(pixels, coefficients, **options)


def restore_consistently(
    pixels: NDArray[np.uint8],
    coefficients: LumaCoefficients,
    *,
    strength: float = 1.0,
    chroma: bool = False,
    **options: Any,
) -> NDArray[np.uint8]:
    """Do what `restore_jpeg` does, with a file that is read already; options as in `restore`.

    Of these, `steps` and `grid` are to be given if `steps_to_keep_to` and `grid_of_earlier` do.
    """
    if strength == 0:
        return pixels.copy()
    find_change = colour_change if chroma else luma_change
    change = find_change(pixels, **options)
    return apply_change(pixels, consistent_change(pixels, change, coefficients, strength))


def consistent_change(
    pixels: NDArray[np.uint8],
    change: NDArray[np.float32],
    coefficients: LumaCoefficients,
    strength: float = 1.0,
) -> NDArray[np.float32]:
    """Return the change nearest to a scaled one that leads to a picture the file can stand for.

    Scaled first, then projected: what comes out is never farther from an original in the set than
    what `apply_change` makes of `change` with this strength, rounding apart.

    Parameters
    ----------
    pixels
        The decoded JPEG file, (height, width) or (height, width, 3).
    change
        What `luma_change` or `colour_change` returned for it.
    coefficients
        Of the same file.
    strength
        As in `restore`.

    Returns
    -------
    ndarray
        float32, of the shape of `change`, for `apply_change` without a strength. What it does to
        chroma is that of `change`, scaled.
    """
    if change.shape[:2] != (coefficients.height, coefficients.width):
        raise UnsupportedImageError(
            f"The change has the shape {change.shape}, but the JPEG file has "
            f"{coefficients.height} rows of {coefficients.width} pixels."
        )
    result = np.empty_like(change)
    for top in range(0, len(change), _ROWS):
        rows = slice(top, top + _ROWS)
        before = pixels[rows].astype(np.float32)
        luma = color.luma(before) if before.ndim == 3 else before
        result[rows] = change[rows] * np.float32(strength)
        of_luma = color.luma(result[rows]) if change.ndim == 3 else result[rows]
        wanted = luma + of_luma * np.float32(_WHITE)
        missing = (nearest_consistent(wanted, coefficients, top) - wanted) / _WHITE
        result[rows] += missing[..., np.newaxis] if change.ndim == 3 else missing
    return result


def _pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Return the pixels of a grey or RGB picture."""
    if image.mode not in ("L", "RGB"):
        raise UnsupportedImageError(
            f"{name}: expected a grey or RGB JPEG file, but its mode is {image.mode}; convert it "
            "to RGB with its colour profile first."
        )
    return np.asarray(image)
