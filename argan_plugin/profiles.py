"""Colour profiles: what inks look like on a screen."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION  # or paper's black would be a grey


def cmyk_to_srgb(
    frames: tuple[NDArray[np.uint8], ...], profile: bytes
) -> tuple[list[NDArray[np.uint8]], bytes]:
    """Turn inks into the colours that their profile says they have.

    Parameters
    ----------
    frames : arrays of shape (height, width, 4)
        C, M, Y and K, 0 being no ink.
    profile : bytes
        The ICC profile of the inks; empty or unusable for plain arithmetic, which is brighter and
        gaudier than any print.

    Returns
    -------
    frames : list of uint8 arrays of shape (height, width, 3)
    profile : bytes
        That of sRGB, or empty if there was none.
    """
    images = [_cmyk_image(frame) for frame in frames]
    try:
        inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        screen = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.buildTransform(
            inks, screen, "CMYK", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, _FLAGS
        )
        turned = [transform.apply(image) for image in images]
        return [np.asarray(image) for image in turned], screen.tobytes()
    except (ImageCms.PyCMSError, OSError, ValueError):  # no profile, damaged, or not one of inks
        return [np.asarray(image.convert("RGB")) for image in images], b""


def is_srgb(profile: bytes) -> bool:
    """Whether a profile says what everybody assumes where there is none."""
    try:
        description = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError):
        return False
    return description.lstrip().startswith("sRGB")


def _cmyk_image(frame: NDArray[Any]) -> Image.Image:
    height, width = frame.shape[:2]
    return Image.frombytes("CMYK", (width, height), frame.tobytes())
