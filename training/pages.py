"""Pages of text: in a few fonts, and in made-up characters for all scripts that those lack."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Luma = NDArray[np.uint8]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Upright, slanted, bold, with serifs and of one width, as matplotlib brings them. DejaVu Serif is
# left to benchmarks/drawn_pictures.py, which asks for text in a font that nobody has seen.
_FONTS = (
    "STIXGeneral",
    "STIXGeneralItalic",
    "STIXGeneralBol",
    "cmr10",
    "DejaVuSansMono",
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
)
_CHARACTERS = string.ascii_letters + string.digits + ".,:;!?()-+=" + " " * 12
_SIZES = (8, 40)  # pixels
_LEADING = (1.0, 1.6)
_MOST_LINES = 6  # of one size
_MADE_UP_SHARE = 0.5
_DARK_SHARE = 0.25  # light on dark, as editors and captions have it
_LEAST_CONTRAST = 80  # grey levels
_SCALE = 3
_REPERTOIRE = 24
_MOST_STROKES = 9
_PENS = (0.05, 0.14)  # of a character's size
_INSIDE = 0.08  # of a character's size, from its neighbours


def letters(number: int, rng: np.random.Generator) -> str:
    """Return Latin letters, digits, signs and blanks by chance."""
    return "".join(rng.choice(list(_CHARACTERS), number))


@cache
def font(size: int, name: str | None = None) -> _Font:
    """Return Pillow's own font, or one that matplotlib brings, of ``size`` pixels."""
    if name is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(matplotlib.get_data_path(), f"fonts/ttf/{name}.ttf"), size)


def page(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return lines of text from edge to edge.

    Parameters
    ----------
    shape
        ``(height, width)``.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    height, width = shape
    paper, ink = _paper_and_ink(rng)
    image = Image.new("L", (width, height), paper)
    write = _made_up if rng.random() < _MADE_UP_SHARE else _typed
    top = -rng.integers(_SIZES[1])
    while top < height:
        size = round(np.exp(rng.uniform(*np.log(_SIZES))))
        lines = int(rng.integers(1, _MOST_LINES + 1))
        step = round(size * rng.uniform(*_LEADING))
        write(image, size, range(top, top + lines * step, step), ink, rng)
        top += lines * step
    return np.asarray(image)


def _paper_and_ink(rng: np.random.Generator) -> tuple[int, int]:
    paper, ink = 255, 0
    if rng.random() < 0.5:
        paper = int(rng.integers(_LEAST_CONTRAST, 256))
        ink = int(rng.integers(paper - _LEAST_CONTRAST + 1))
    return (ink, paper) if rng.random() < _DARK_SHARE else (paper, ink)


def _typed(image: Image.Image, size: int, tops: range, ink: int, rng: np.random.Generator) -> None:
    canvas = ImageDraw.Draw(image)
    number = int(rng.integers(len(_FONTS) + 1))
    typeface = font(size, (*_FONTS, None)[number])
    left = -int(rng.integers(size))
    for top in tops:
        text = letters(4 * image.width // size + 4, rng)
        canvas.text((left, top), text, fill=ink, font=typeface)


def _made_up(
    image: Image.Image, size: int, tops: range, ink: int, rng: np.random.Generator
) -> None:
    """Write characters that no script has, of strokes within a square, as Chinese ones are."""
    pen = rng.uniform(*_PENS)
    most = int(rng.integers(2, _MOST_STROKES + 1))
    straight, advance = rng.random(), rng.uniform(0.6, 1.1)
    glyphs = [_glyph(size, pen, most, straight, rng) for _ in range(_REPERTOIRE)]
    for top in tops:
        left = -float(rng.integers(size))
        while left < image.width:
            if rng.random() < 0.9:  # the others are blanks
                image.paste(ink, (round(left), top), glyphs[rng.integers(_REPERTOIRE)])
            left += size * advance


def _glyph(
    size: int, pen: float, most: int, straight: float, rng: np.random.Generator
) -> Image.Image:
    """Return a mask of strokes: lines that stand, lie or slant, and arcs."""
    side = size * _SCALE
    image = Image.new("L", (side, side))
    canvas = ImageDraw.Draw(image)
    for _ in range(int(rng.integers((most + 1) // 2, most + 1))):
        thickness = max(1, round(side * pen * rng.uniform(0.6, 1.2)))
        start, end = (place * side for place in rng.uniform(_INSIDE, 1 - _INSIDE, (2, 2)))
        near, far = _INSIDE * side, (1 - _INSIDE) * side
        if rng.random() < straight:
            ends = (
                (near, start[1], far, start[1]),
                (start[0], near, start[0], far),
                (*start, *end),
            )
            canvas.line(ends[rng.integers(len(ends))], fill=255, width=thickness)
        else:
            (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
            turn = rng.uniform(0, 360)
            box = (left, top, right, bottom)
            canvas.arc(box, turn, turn + rng.uniform(60, 360), fill=255, width=thickness)
    return image.reduce(_SCALE)
