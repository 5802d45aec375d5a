"""What a JPEG file says of itself, and an encode-decode round trip."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from argan_plugin.errors import ImageFileError, UnsupportedImageError
from argan_plugin.quantization_tables import nearest_chroma_quality, nearest_luma_quality

__all__ = [
    "JpegInfo",
    "Subsampling",
    "read_jpeg_info",
    "round_trip",
]

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

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

    @property
    def first_is_whole(self) -> bool:
        """Whether the first component has a sample for each pixel, as luma has in most files."""
        if self.subsampling is None or "," not in self.subsampling:
            return True
        factors = [tuple(map(int, part.split("x"))) for part in self.subsampling.split(",")]
        return factors[0] == tuple(map(max, zip(*factors, strict=True)))


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

    quality, luma_is_ijg = nearest_luma_quality(tables[0])
    chroma_quality, chroma_is_ijg = None, True
    if _has_chroma(image):
        chroma_quality, chroma_is_ijg = nearest_chroma_quality(tables[1])
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
