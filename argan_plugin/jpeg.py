"""What a JPEG file says of itself, and an encode-decode round trip.

The quantization tables are those of ITU-T T.81 (JPEG), Annex K, Tables K.1 and K.2, scaled by
quality as libjpeg of the Independent JPEG Group (IJG) does it: the "quality" from 1 to 100 of most
programs is this one. A file does not hold its quality, only its tables; the quality given here is
an estimate from them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from argan_plugin.errors import ImageFileError, UnsupportedImageError

__all__ = [
    "JpegInfo",
    "Subsampling",
    "ijg_chroma_table",
    "ijg_luma_table",
    "read_jpeg_info",
    "round_trip",
]

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

# ITU-T T.81, Tables K.1 (luminance) and K.2 (chrominance), in row order; libjpeg's quality 50.
_LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA_TABLE = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
    ]
)

# The usual name of a subsampling, by how many luma samples lie along and down one chroma sample.
_SUBSAMPLING_NAMES = {
    (1, 1): "4:4:4",
    (1, 2): "4:4:0",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}

# JPEG_MAX_DIMENSION of libjpeg's jmorecfg.h; the format itself would allow 65,535.
_LARGEST_SIDE = 65500


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegInfo:
    """What the header of a JPEG file states, and the quality that its tables suggest."""

    width: int
    """Pixels along a row, as stored: an EXIF orientation is not applied."""

    height: int
    """Rows, as stored."""

    mode: str
    """Pillow's mode of the decoded picture: "L", "RGB" or "CMYK"."""

    progressive: bool
    """Whether the file is stored in several scans that refine each other."""

    subsampling: str | None
    """Chroma subsampling, "4:4:4", "4:2:2", "4:2:0", ...; a file without one of the usual patterns
    gets the sampling factors of its components ("2x2,1x1,2x1"). None for one component."""

    quality: int
    """The IJG quality, 1-100, whose luma table is nearest to that of the first component."""

    chroma_quality: int | None
    """The same for the chroma table; None for a file without chroma (grey, or stored as RGB or
    CMYK)."""

    ijg_tables: bool
    """Whether the tables are exactly those of `quality` and `chroma_quality`. If not, the writer
    had tables of its own, and both qualities are no more than the nearest."""

    quantization: tuple[tuple[int, ...], ...]
    """One quantization table for each component, 64 steps in row order (not in zigzag order)."""

    @property
    def has_luma(self) -> bool:
        """Whether its first component is luma: it is grey or YCbCr, not RGB or CMYK."""
        return self.mode == "L" or (self.mode == "RGB" and self.chroma_quality is not None)


def ijg_luma_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's luma quantization table.

    Parameters
    ----------
    quality
        IJG quality, 1-100.

    Returns
    -------
    ndarray
        int64 of shape (8, 8), in row order, each step from 1 to 255.

    Raises
    ------
    ValueError
        If the quality is not from 1 to 100.
    """
    return _scaled(_LUMA_TABLE, quality)


def ijg_chroma_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's chroma quantization table; everything else as for `ijg_luma_table`."""
    return _scaled(_CHROMA_TABLE, quality)


def read_jpeg_info(source: str | os.PathLike[str] | bytes) -> JpegInfo:
    """Read what a JPEG file says of itself. Only the header is read; no pixel is decoded.

    Parameters
    ----------
    source
        The path of a JPEG file, or the file's bytes.

    Raises
    ------
    ImageFileError
        If the file cannot be read, or is no JPEG file that Pillow understands.
    """
    name = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            # Not Image.open: it would refuse large pictures, and nothing is decoded here.
            image = JpegImageFile(file)
            if len(image.layer) != image.layers:
                raise SyntaxError("it has a second frame header")
            if any(across == 0 or down == 0 for _, across, down, _ in image.layer):
                raise SyntaxError("a component is sampled zero times")
            tables = [image.quantization[table] for *_, table in image.layer]
    except (OSError, SyntaxError, KeyError, ValueError) as error:
        # Pillow has OSError for a header that ends too soon, too; only the system's have a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageFileError(f"{name}: cannot be read: {error.strerror}.") from error
        raise ImageFileError(
            f"{name}: expected a JPEG file, but its header cannot be understood ({error})."
        ) from error

    quality, luma_is_ijg = _nearest_quality(tables[0], _luma_tables())
    chroma_quality, chroma_is_ijg = None, True
    if _has_chroma(image):
        chroma_quality, chroma_is_ijg = _nearest_quality(tables[1], _chroma_tables())
    return JpegInfo(
        width=image.width,
        height=image.height,
        mode=image.mode,
        progressive=bool(image.info.get("progressive")),
        subsampling=_subsampling([(across, down) for _, across, down, _ in image.layer]),
        quality=quality,
        chroma_quality=chroma_quality,
        ijg_tables=luma_is_ijg and chroma_is_ijg,
        quantization=tuple(tuple(table) for table in tables),
    )


def round_trip(
    image: NDArray[np.uint8],
    *,
    quality: int | None = None,
    qtables: Sequence[Sequence[int]] | None = None,
    subsampling: Subsampling = "4:4:4",
) -> NDArray[np.uint8]:
    """Encode an image as JPEG in memory and decode it again, both by libjpeg.

    Parameters
    ----------
    image
        uint8, 0-255: (height, width) for grey, (height, width, 3) for RGB.
    quality
        IJG quality, 1-100. Give either this or `qtables`.
    qtables
        Quantization tables of 64 steps in row order: one, or one for luma and one for chroma.
    subsampling
        Chroma subsampling; a grey image has none.

    Returns
    -------
    ndarray
        uint8, of the shape of `image`; a new, writable array.

    Raises
    ------
    UnsupportedImageError
        If `image` has another dtype or shape, no pixels, or a side over the 65,500 pixels that
        libjpeg takes.
    ValueError
        If not exactly one of `quality` and `qtables` is given, or a setting is out of its range.
    """
    # Training calls this thousands of times a second, so nothing is checked twice: Pillow sees to
    # the contents of the tables.
    if image.dtype != np.uint8 or (image.ndim != 2 and image.shape[2:] != (3,)):
        raise UnsupportedImageError(
            "JPEG round trip: expected a uint8 array of shape (height, width) or "
            f"(height, width, 3), got {image.dtype} of shape {image.shape}."
        )
    if not (0 < image.shape[0] <= _LARGEST_SIDE and 0 < image.shape[1] <= _LARGEST_SIDE):
        raise UnsupportedImageError(
            f"JPEG round trip: expected sides of 1 to {_LARGEST_SIDE} pixels, "
            f"got shape {image.shape}."
        )
    if (quality is None) == (qtables is None):
        raise ValueError("JPEG round trip: give either quality or qtables, not both or none.")
    # Pillow would take 0 and -1 for its default, values above 100 for 100, and "4:1:1" for 4:2:0.
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality: expected 1 to 100, got {quality}.")
    if subsampling not in ("4:4:4", "4:2:2", "4:2:0"):
        raise ValueError(f"JPEG subsampling: expected 4:4:4, 4:2:2 or 4:2:0, got {subsampling}.")
    settings: dict[str, Any] = {"qtables": qtables} if quality is None else {"quality": quality}
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", subsampling=subsampling, **settings)
    return np.array(Image.open(file, formats=("JPEG",)))


def _scaled(table: NDArray[np.int64], quality: int) -> NDArray[np.int64]:
    """Scale a table of Annex K as libjpeg does for baseline files.

    The formulas are those of jpeg_quality_scaling and jpeg_add_quant_table in its jcparam.c.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality: expected 1 to 100, got {quality}.")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * percent + 50) // 100, 1, 255)


@cache
def _luma_tables() -> NDArray[np.int64]:
    """Return the luma tables of quality 1 to 100, shape (100, 64)."""
    return np.stack([ijg_luma_table(quality).ravel() for quality in range(1, 101)])


@cache
def _chroma_tables() -> NDArray[np.int64]:
    """Return the chroma tables of quality 1 to 100, shape (100, 64)."""
    return np.stack([ijg_chroma_table(quality).ravel() for quality in range(1, 101)])


def _nearest_quality(table: Sequence[int], ijg_tables: NDArray[np.int64]) -> tuple[int, bool]:
    """Return the quality whose table is nearest, and whether it is the same.

    The distance is the mean ratio of the steps, so that the large steps of the high frequencies,
    where most coefficients are zero in any case, do not outvote the small ones. Steps over 255,
    which only 16-bit tables have, count as 255: the tables compared with are limited to that. Of
    several qualities with the same table (chroma at 1 to 3) it is the lowest.
    """
    steps = np.clip(np.asarray(table), 1, 255)
    distance = np.abs(np.log(ijg_tables / steps)).mean(axis=1)
    best = int(distance.argmin())
    return best + 1, bool((ijg_tables[best] == steps).all())


def _has_chroma(image: JpegImageFile) -> bool:
    """Whether the components are luma and chroma, by the rules of libjpeg's jdapimin.c."""
    components = [component for component, *_ in image.layer]
    transform = image.info.get("adobe_transform")
    if len(components) == 3:
        if "jfif" in image.info:
            return True
        return transform != 0 if transform is not None else bytes(components) != b"RGB"
    return len(components) == 4 and transform == 2


def _subsampling(factors: list[tuple[int, int]]) -> str | None:
    """Name the subsampling of the components, given their factors (across, down)."""
    if len(factors) == 1:
        return None
    (luma_across, luma_down), (across, down), *others = factors
    # A fourth component, the K of CMYK or YCCK, is sampled like the first.
    if others[0] == (across, down) and luma_across % across == 0 and luma_down % down == 0:
        ratio = (luma_across // across, luma_down // down)
        if ratio in _SUBSAMPLING_NAMES:
            return _SUBSAMPLING_NAMES[ratio]
    return ",".join(f"{across}x{down}" for across, down in factors)
