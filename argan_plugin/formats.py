"""The file formats: which are read and written, by which suffix, and what each can hold."""

from __future__ import annotations

import importlib.util
from typing import Final

from PIL import features

from argan_plugin.picture import Picture
from argan_plugin.png import LARGEST_SIDE as LARGEST_SIDE_OF_PNG

READABLE_SUFFIXES: Final = frozenset(
    (
        ".avif",
        ".bmp",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
    )
)
"""What a file in a folder must end with, in lower case, to be taken for a picture. GIF is read when
it is named alone: a folder's GIF files are drawings and animations, and hardly ever JPEG's."""

READ_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""What is read, by Pillow's names. Formats that Pillow hands on to other programs (EPS, WMF) stay
out: files come from strangers. So does JPEG XL, whose plugin decodes a file before Pillow can see
how large it is."""

FORMAT_OF_SUFFIX: Final = {
    ".avif": "AVIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".jxl": "JXL",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""What a file to be written may end with, in lower case, and the format it gets (Pillow's name)."""

LOSSLESS: Final = frozenset(("JXL", "PNG", "TIFF", "WEBP"))
"""The formats that are written without loss."""

_NAMES = {"JXL": "JPEG XL", "WEBP": "WebP"}
_HOLD_16_BITS = ("PNG", "TIFF")
_HOLD_ANIMATION = ("PNG", "WEBP", "TIFF")
HOLD_CMYK: Final = ("JPEG", "TIFF")
"""The formats that hold inks; for the others they become RGB."""

# JPEG: libjpeg's JPEG_MAX_DIMENSION. WebP: 14 bits (RFC 9649, 2.6). AVIF: libavif encodes larger
# pictures, and refuses to decode them again (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT).
_LARGEST_SIDE = {"AVIF": 32768, "JPEG": 65500, "PNG": LARGEST_SIDE_OF_PNG, "WEBP": 16383}


def why_not(pillow_format: str, picture: Picture) -> str | None:
    """Say why a format cannot hold a picture, or cannot be written here; None if it can.

    Parameters
    ----------
    pillow_format : str
        A value of `FORMAT_OF_SUFFIX`.
    picture : Picture
        What is to be written.

    Returns
    -------
    str or None
        A sentence without the last stop, and what to do.
    """
    name = _NAMES.get(pillow_format, pillow_format)
    if pillow_format == "JXL" and importlib.util.find_spec("pillow_jxl") is None:
        return "JPEG XL needs another package: pip install pillow-jxl-plugin"
    if pillow_format == "AVIF" and not features.check("avif"):
        return "this Pillow was built without AVIF: pip install --force-reinstall pillow"
    side, largest = max(picture.pixels.shape[:2]), _LARGEST_SIDE.get(pillow_format)
    if largest is not None and side > largest:
        others = "TIFF" if side > LARGEST_SIDE_OF_PNG else "PNG or TIFF"
        return f"{name} cannot hold {side} pixels a side, only {largest}; write {others}"
    frames = len(picture.frames)
    if frames > 1 and picture.animation is None and pillow_format != "TIFF":
        return f"{name} cannot hold {frames} pages; write TIFF"
    if frames > 1 and pillow_format not in _HOLD_ANIMATION:
        return f"{name} cannot hold {frames} frames; write PNG, WebP or TIFF"
    if picture.has_16_bits and pillow_format not in _HOLD_16_BITS:
        return f"{name} cannot hold 16 bits; write PNG or TIFF"
    if picture.has_16_bits and frames > 1 and pillow_format != "TIFF":
        return f"an animated {name} cannot hold 16 bits; write TIFF"
    if pillow_format == "JPEG" and any(mode.endswith("A") for mode in picture.modes):
        return "JPEG cannot hold transparency; write PNG, WebP or TIFF"
    return None
