"""Text, lines, boxes, bars and patterns at any place, over one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.illustrations import shade
from training.pages import font, letters

Luma = NDArray[np.uint8]

_PLAIN_SHARE = 0.7  # the others are captions and marks on a photograph
_SMOOTH_SHARE = 0.6  # drawn at twice the size, then reduced; the others have hard edges
_MOST_MARKS = 12
_MOST_PERIOD = 4
_FONT_SIZES = (8, 40)


def draw_marks(source: Luma, rng: np.random.Generator) -> Luma:
    """Return text, lines and shapes over a plain ground or over ``source``.

    Parameters and result as of :func:`training.drawings.draw`.
    """
    height, width = source.shape
    scale = 2 if rng.random() < _SMOOTH_SHARE else 1
    if rng.random() < _PLAIN_SHARE:
        image = Image.new("L", (width * scale, height * scale), shade(rng))
    else:
        image = Image.fromarray(source).resize((width * scale, height * scale))
    canvas = ImageDraw.Draw(image)
    marks = (_text, _text, _lines, _box, _bars, _pattern)
    for _ in range(int(rng.integers(1, _MOST_MARKS + 1))):
        mark: Callable[..., None] = marks[rng.integers(len(marks))]
        mark(canvas, image.size, scale, rng)
    return np.asarray(image.reduce(scale) if scale > 1 else image)


def _point(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(size[0])), int(rng.integers(size[1]))


def _text(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    lines = [letters(int(rng.integers(3, 40)), rng) for _ in range(int(rng.integers(1, 8)))]
    canvas.multiline_text(
        _point((size[0], size[1]), rng),
        "\n".join(lines),
        fill=shade(rng),
        font=font(int(rng.integers(*_FONT_SIZES)) * scale),
        anchor="mm" if len(lines) == 1 else None,
    )


def _lines(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    points = [_point(size, rng) for _ in range(int(rng.integers(2, 8)))]
    canvas.line(points, fill=shade(rng), width=int(rng.integers(1, 6)) * scale)


def _box(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    (x0, y0), (x1, y1) = _point(size, rng), _point(size, rng)
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    shape = canvas.rectangle if rng.random() < 0.5 else canvas.ellipse
    fill = shade(rng) if rng.random() < 0.5 else None
    shape(box, fill=fill, outline=shade(rng), width=int(rng.integers(1, 5)) * scale)


def _bars(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    """Draw parallel bars: a bar code, a fence, a table's rules."""
    (x, y), grey = _point(size, rng), shade(rng)
    length, upright = int(rng.integers(8, 96)) * scale, rng.random() < 0.5
    thickness = int(rng.integers(1, 8)) * scale
    step = thickness + int(rng.integers(1, 10)) * scale
    for start in range(0, int(rng.integers(2, 16)) * step, step):
        box = (
            (x + start, y, x + start + thickness - 1, y + length)
            if upright
            else (x, y + start, x + length, y + start + thickness - 1)
        )
        canvas.rectangle(box, fill=grey)


def _pattern(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    """Fill a box with a pattern of few pixels: dots, bars, a chequerboard, a screen of print."""
    (x0, y0), (x1, y1) = _point(size, rng), _point(size, rng)
    width, height = abs(x1 - x0) + 1, abs(y1 - y0) + 1
    period = rng.integers(1, _MOST_PERIOD + 1, size=2)
    cell = np.kron(rng.random(period) < 0.5, np.ones((scale, scale))).astype(bool)
    repeats = -(-height // cell.shape[0]), -(-width // cell.shape[1])
    mask = Image.fromarray(np.tile(cell, repeats)[:height, :width])
    canvas.bitmap((min(x0, x1), min(y0, y1)), mask, fill=shade(rng))
