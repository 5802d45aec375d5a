"""JPEG files for the tests, and how far a luma is from what such a file states."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from argan_plugin import dct
from argan_plugin.coefficients import read_luma_coefficients

Picture = NDArray[np.uint8]


def encoded(pixels: Picture, **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    return file.getvalue()


def decoded(data: bytes) -> Picture:
    return np.asarray(Image.open(io.BytesIO(data)))


def stored_luma(pixels: Picture) -> NDArray[np.float64]:
    """Return the luma that libjpeg's encoder sees: of JFIF, rounded to whole levels."""
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))[..., 0].astype(np.float64)


def excess(luma: NDArray[Any], data: bytes) -> float:
    """Return by how many grey levels a coefficient of a whole block leaves its interval."""
    stated = read_luma_coefficients(data)
    height, width = (size // 8 * 8 for size in luma.shape)
    coefficients = dctn(dct.split(luma[:height, :width] - 128.0), axes=(2, 3), norm="ortho")
    numbers = stated.numbers[: height // 8, : width // 8]
    return float(np.max(np.abs(coefficients - numbers * stated.steps) - stated.steps / 2))


def error(luma: NDArray[Any], original: NDArray[Any]) -> float:
    return float(np.linalg.norm(luma.astype(np.float64) - original))
