"""What the JPEG file behind an array says of it, as long as the array is what the file shows."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.decoding import decoding, opened
from argan_plugin.errors import ImageFileError
from argan_plugin.inspection import find_earlier, grey_levels, steps_to_keep_to
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.windows import Window


def steps_behind(
    path: str | os.PathLike[str], pixels: NDArray[Any], window: Window
) -> tuple[int, ...] | None:
    """Return the quantization steps of a file that pixels were decoded from, for `restore`.

    Parameters
    ----------
    path : str or path-like
        Where the pixels are said to come from. It may be anything, and gone.
    pixels : array of shape (height, width) or (height, width, channels)
        A window of the picture.
    window : pair of slices
        Which rows and columns of the file's picture they are said to be.

    Returns
    -------
    tuple of int, or None
        None if the file is no JPEG file, or shows other pixels there, or if its steps say nothing
        (`steps_to_keep_to`).
    """
    rows, columns = window
    try:
        stated = read_jpeg_info(path)
        if rows.stop > stated.height or columns.stop > stated.width or not stated.has_luma:
            return None
        with decoding(path, "a JPEG file"), opened(path) as file:
            shown = np.asarray(Image.open(file, formats=("JPEG", "MPO")))
    except (ImageFileError, OSError):
        return None
    if not np.array_equal(shown[window], pixels):
        return None
    return steps_to_keep_to(stated, find_earlier(grey_levels(shown), stated))
