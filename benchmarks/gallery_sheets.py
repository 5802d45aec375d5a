"""Sheets of crops at 300 % with captions, as lossless WebP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CROP = (56, 72)
"""Height and width in pixels of what a panel shows."""

_ENLARGEMENT = 3
_GAP = 8
_LINE = 15
_FONT_SIZE = 12
_LABEL_WIDTH = 64
_INK, _PAPER = "#202020", "#ffffff"


@dataclass(frozen=True)
class Panel:
    """One crop and what stands under it."""

    pixels: NDArray[np.uint8]
    """The whole picture: grey ``(height, width)`` or RGB ``(height, width, 3)``."""
    lines: tuple[str, ...]
    """One or two."""


@dataclass(frozen=True)
class Row:
    """Panels of one part of a picture."""

    label: str
    crop: tuple[int, int]
    """Top and left of the part."""
    panels: Sequence[Panel]


def draw_sheet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows of panels under the names of their columns.

    Pixels are enlarged by repeating them, and the file is lossless: what shows is there.

    Parameters
    ----------
    path
        WebP file to write.
    columns
        As many as panels in each row.
    rows
        From top to bottom.
    """
    height, width = (side * _ENLARGEMENT for side in CROP)
    row_height = height + 2 * _LINE + _GAP
    sheet = Image.new(
        "RGB",
        (_LABEL_WIDTH + len(columns) * (width + _GAP), _LINE + _GAP + len(rows) * row_height),
        _PAPER,
    )
    canvas = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    for number, name in enumerate(columns):
        canvas.text((_LABEL_WIDTH + number * (width + _GAP), 3), name, fill=_INK, font=font)
    for position, row in enumerate(rows):
        top = _LINE + _GAP + position * row_height
        canvas.multiline_text((4, top), row.label, fill=_INK, font=font)
        for number, panel in enumerate(row.panels):
            left = _LABEL_WIDTH + number * (width + _GAP)
            sheet.paste(_enlarged(panel.pixels, row.crop), (left, top))
            canvas.multiline_text(
                (left, top + height + 1), "\n".join(panel.lines), fill=_INK, font=font, spacing=2
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, lossless=True, quality=100, method=6)


def _enlarged(pixels: NDArray[np.uint8], crop: tuple[int, int]) -> Image.Image:
    top, left = crop
    part = Image.fromarray(pixels[top : top + CROP[0], left : left + CROP[1]]).convert("RGB")
    size = (part.width * _ENLARGEMENT, part.height * _ENLARGEMENT)
    return part.resize(size, Image.Resampling.NEAREST)
