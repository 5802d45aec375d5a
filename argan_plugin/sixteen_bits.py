"""Colours of 16 bits, which Pillow cuts down to 8 without a word.

imagecodecs decodes them, and `png` writes them as PNG; TIFF needs no encoder. All metadata stay
Pillow's business.
"""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from argan_plugin.errors import UnsupportedImageError

_BITS_PER_SAMPLE, _PHOTOMETRIC, _EXTRA_SAMPLES = 258, 262, 338
_PREMULTIPLIED = 1  # of ExtraSamples
_BLACK_IS_ZERO, _RGB = 1, 2  # of PhotometricInterpretation


def has_deep_colour(image: Image.Image) -> bool:
    """Whether an opened file, not loaded yet, holds 16 bits and more than grey alone.

    One transparent grey counts as a channel: it becomes alpha.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, ())
        return len(bits) > 1 and max(bits) > 8
    has_16_bits = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
    return has_16_bits and (not image.mode.startswith("I;16") or "transparency" in image.info)


def decode(data: bytes, image: Image.Image) -> NDArray[np.uint16]:
    """Decode the page or frame that a picture is at.

    Parameters
    ----------
    data : bytes
        The whole file.
    image : PIL.Image.Image
        The same file, opened, with `has_deep_colour`.

    Returns
    -------
    uint16 array of shape (height, width, 2, 3 or 4)
        Grey with alpha, RGB or RGBA; rows as they are stored.

    Raises
    ------
    UnsupportedImageError
        If the file holds something else than these.
    """
    import imagecodecs  # few files need it

    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        pixels = imagecodecs.png_decode(data)
        size = image.height, image.width
    else:
        tags = image.tag_v2
        # Not those of Pillow, which have been turned if there is an orientation.
        size = tags[TiffImagePlugin.IMAGELENGTH], tags[TiffImagePlugin.IMAGEWIDTH]
        extra = tags.get(_EXTRA_SAMPLES, ())
        if tags.get(_PHOTOMETRIC) != _RGB or extra[:1] == (_PREMULTIPLIED,):
            raise UnsupportedImageError(
                "expected RGB or RGBA where it has 16 bits, but this TIFF file holds other "
                "channels; convert it to RGB, or to 8 bits"
            )
        pixels = imagecodecs.tiff_decode(data, index=image.tell())
        if pixels.shape[:2] != size:  # stored channel by channel
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels[..., : 3 + (extra[:1] != (0,))]  # what the fourth is, nobody knows
    if pixels.dtype != np.uint16 or pixels.shape[:2] != size:
        raise UnsupportedImageError(
            f"expected 16 bits a channel, but its pixels are {pixels.dtype} of shape "
            f"{pixels.shape}; convert it to 8 bits"
        )
    return np.ascontiguousarray(pixels)


def write_tiff_page(file: IO[bytes], pixels: NDArray[np.uint16], options: dict[str, Any]) -> None:
    """Write colours of 16 bits as a page of a TIFF file, not compressed, as Pillow writes others.

    Parameters
    ----------
    file : binary file
        At the beginning, or a `PIL.TiffImagePlugin.AppendingTiffWriter` at a new page.
    pixels : uint16 array of shape (height, width, 2, 3 or 4)
    options : dict
        The keywords `exif`, `icc_profile` and `dpi` of Pillow's `Image.save`.
    """
    height, width, channels = pixels.shape
    page = TiffImagePlugin.ImageFileDirectory_v2()
    exif = Image.Exif()
    exif.load(options.get("exif") or b"")
    for tag in exif:
        page[tag] = exif[tag]
        if group := exif.get_ifd(tag):  # the EXIF and GPS directories
            page[tag] = dict(group)
    data = pixels.astype("<u2").tobytes()
    page[TiffImagePlugin.IMAGEWIDTH] = width
    page[TiffImagePlugin.IMAGELENGTH] = height
    page[_BITS_PER_SAMPLE] = (16,) * channels
    page[TiffImagePlugin.COMPRESSION] = 1
    page[_PHOTOMETRIC] = _RGB if channels > 2 else _BLACK_IS_ZERO
    page[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    page[TiffImagePlugin.ROWSPERSTRIP] = height
    page[TiffImagePlugin.STRIPOFFSETS] = 0  # Pillow adds where the page's tags end
    page[TiffImagePlugin.STRIPBYTECOUNTS] = len(data)
    if channels in (2, 4):
        page[_EXTRA_SAMPLES] = 2  # alpha, not multiplied into the colours
    if profile := options.get("icc_profile"):
        page[TiffImagePlugin.ICCPROFILE] = profile
    if dpi := options.get("dpi"):
        page[TiffImagePlugin.RESOLUTION_UNIT] = 2
        page[TiffImagePlugin.X_RESOLUTION], page[TiffImagePlugin.Y_RESOLUTION] = dpi
    page.save(file)
    file.write(data)
