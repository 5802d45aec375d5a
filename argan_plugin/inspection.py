"""`inspect_jpeg`: what a file says of its compression, what its pixels say, and what to do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import color, dct
from argan_plugin.blocks import shown_compression
from argan_plugin.decoding import decoding, opened
from argan_plugin.formats import READ_FORMATS
from argan_plugin.jpeg import JpegInfo, read_jpeg_info
from argan_plugin.traces import HIGHEST_FOUND, Compression, find_compression, middle

WORTHWHILE_UP_TO: Final = 90
"""The highest JPEG quality at which restoring gains more than it may spoil.

Measured by ``benchmarks/harmless.py``: see docs/real-files.md.
"""

_WHITE = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegInspection:
    """What is known of a picture file's JPEG compression."""

    format: str
    """Pillow's name: "JPEG", "MPO" (JPEG with something behind it), "PNG", ..."""

    width: int
    """Pixels along a row, as stored: an EXIF orientation is not applied."""

    height: int
    """Rows, as stored."""

    mode: str
    """Pillow's mode of the decoded picture: "L", "RGB", "CMYK", ..."""

    file: JpegInfo | None
    """What the file's header says; None if it is no JPEG file."""

    earlier: Compression | None
    """A JPEG compression that the pixels show beside the file's own: an earlier and stronger one.
    Of a file that is no JPEG file, any one. None is no proof that there was none."""

    quality: int | None
    """The lowest IJG quality of both, 1-100; None if neither is known."""

    worthwhile: bool
    """Whether restoring can be expected to bring the picture nearer to its original."""

    reason: str
    """Why, in a sentence."""


def inspect_jpeg(source: str | os.PathLike[str] | bytes) -> JpegInspection:
    """Tell how strongly a picture was compressed as JPEG, by its file and by its pixels.

    Parameters
    ----------
    source
        The path of a picture file, or the file's bytes. It need not be a JPEG file: a PNG file can
        hold what was one. Of several pages or frames the first counts.

    Raises
    ------
    ImageFileError
        If it cannot be read, is no picture, or is damaged.

    Examples
    --------
    >>> if inspect_jpeg("photo.jpg").worthwhile: ...  # doctest: +SKIP
    """
    name = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    with (
        decoding(name, "a picture file"),
        opened(source) as file,
        Image.open(file, formats=READ_FORMATS) as image,
    ):
        levels = grey_levels(_middle_pixels(image))
        kind, (width, height), mode = str(image.format), image.size, image.mode
    header = read_jpeg_info(source) if kind in ("JPEG", "MPO") else None
    earlier = find_earlier(levels, header)
    worthwhile, reason = _judge(header, earlier)
    known = [found.quality for found in (header, earlier) if found is not None]
    return JpegInspection(
        format=kind,
        width=width,
        height=height,
        mode=mode,
        file=header,
        earlier=earlier,
        quality=min(known, default=None),
        worthwhile=worthwhile,
        reason=reason,
    )


def grey_levels(pixels: NDArray[Any], *, inks: bool = False) -> NDArray[np.float32]:
    """Return the luma of the middle of a picture, where compressions are looked for.

    Parameters
    ----------
    pixels
        uint8 or uint16, (height, width) for grey or (height, width, channels): grey with alpha,
        RGB, RGBA or CMYK.
    inks
        Whether four channels are CMYK.

    Returns
    -------
    ndarray
        float32 from 0 to 255, (height, width) of the middle.
    """
    part = pixels[middle(*pixels.shape[:2])]
    if part.ndim == 3:
        part = part[..., :3] if part.shape[2] >= 3 else part[..., 0]
    levels = part.astype(np.float32) * np.float32(_WHITE / np.iinfo(pixels.dtype).max)
    if inks:
        levels = _WHITE - levels
    return color.luma(levels) if levels.ndim == 3 else levels


def find_earlier(levels: NDArray[np.float32], file: JpegInfo | None) -> Compression | None:
    """Look for a compression in `grey_levels` beside that of the JPEG file that they come from."""
    if file is None:
        return shown_compression(levels)
    own_steps = np.array(file.quantization[0]).reshape(dct.BLOCK, dct.BLOCK)
    found = find_compression(levels, own_steps)
    # So weak a compression leaves the traces of an earlier one sharp: what is vague is chance.
    if found is not None and found.certainty != "certain" and file.quality > HIGHEST_FOUND:
        return None
    return found


def why_to_skip(above: int, file: JpegInfo | None, earlier: Compression | None) -> str | None:
    """Say why a picture needs nothing if compressions above a quality count for nothing.

    None if it does need something: the pixels can tell of a compression that the file hides.
    """
    if earlier is not None and earlier.quality <= above:
        return None
    if file is None:
        return f"no JPEG file, and its pixels show no JPEG quality of {above} or less"
    if file.quality <= above:
        return None
    return f"its JPEG quality is above {above}, and its pixels show no lower one"


def steps_to_keep_to(file: JpegInfo | None, earlier: Compression | None) -> tuple[int, ...] | None:
    """Return the steps that say how wrong the pixels of a file can be, for `restore`.

    None if none say it: the file holds no luma at full size (it is no JPEG file, CMYK or RGB, or
    its luma is subsampled), or its pixels show an earlier compression, whose errors are not those
    of the file's own steps.
    """
    if file is None or earlier is not None or not (file.has_luma and file.first_is_whole):
        return None
    return file.quantization[0]


def grid_of_earlier(file: JpegInfo | None, earlier: Compression | None) -> tuple[int, int] | None:
    """Return where the blocks lie of what shows in a file's pixels, for `restore`.

    None if it is to look for them. It sees pixels alone, in which a later compression can hide an
    earlier one from who does not know its steps.
    """
    if file is None or earlier is None or (earlier.down, earlier.across) == (0, 0):
        return None
    return earlier.down, earlier.across


def _judge(file: JpegInfo | None, earlier: Compression | None) -> tuple[bool, str]:
    """Tell whether restoring is worthwhile, and why."""
    if earlier is not None and earlier.quality <= WORTHWHILE_UP_TO:
        again = "a" if file is None else "an earlier, stronger"
        return True, (
            f"the pixels show {again} JPEG compression at about quality {earlier.quality}"
        )
    if file is None:
        return False, "it is no JPEG file, and its pixels show no JPEG compression"
    if file.quality <= WORTHWHILE_UP_TO:
        return True, f"blocks and ringing are to be expected at quality {file.quality}"
    return False, (
        f"above quality {WORTHWHILE_UP_TO} there is little to gain and something to lose, "
        "and the pixels show no earlier, stronger compression"
    )


def _middle_pixels(image: Image.Image) -> NDArray[Any]:
    """Return the middle of a picture as grey or RGB pixels."""
    rows, columns = middle(image.height, image.width)
    part = image.crop(
        (columns.start, rows.start, min(columns.stop, image.width), min(rows.stop, image.height))
    )
    if part.mode.startswith("I;16"):  # in one of two byte orders
        return np.asarray(part).astype(np.uint16)
    return np.asarray(part.convert("L" if part.mode in ("1", "L", "LA", "La") else "RGB"))
