"""Text, line art, figures and plain grounds: what photographs do not teach.

Compression leaves its most visible marks beside sharp edges on flat ground. Such pictures are rare
among photographs, and a network that has not seen them blurs them.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.illustrations import illustrate, shade

Luma = NDArray[np.uint8]

_PLAIN_SHARE = 0.7  # the others are captions and marks on a photograph
_SMOOTH_SHARE = 0.6  # drawn at twice the size, then reduced; the others have hard edges
_MOST_MARKS = 12
_SOFT_SHARE = 0.2  # as after a scan or an enlargement
_SOFTEST = 1.5  # radius of a Gaussian in pixels
_ILLUSTRATED_SHARE = 0.4
_DITHERED_SHARE = 0.1  # the whole source in black and white, as scans and old printers have it
_MOST_PERIOD = 4
# Nothing but a plain ground or a gradient: a white page must come back white up to its edges.
_BARE_SHARE = 0.3
_STEEPEST = 8.0  # as a ramp over an eighth of the patch: small pictures and buttons have such
_GRATING_SHARE = 0.2  # nothing but even bars: what is periodic is most easily taken for a trace
_MOST_BANDS = 6
_WIDEST_BAR = 12
_FONT_SIZES = (8, 40)
_CHARACTERS = string.ascii_letters + string.digits + ".,:;!?()-+=" + " " * 12


def draw(source: Luma, rng: np.random.Generator) -> Luma:
    """Return an illustration, ``source`` dithered, a plain ground, even bars, or text and lines.

    Some are softened.

    Parameters
    ----------
    source
        Luma, uint8 ``(height, width)``. Most often only its size is used, under a plain ground.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    drawing = _drawing(source, rng)
    if rng.random() < _SOFT_SHARE:
        blur = ImageFilter.GaussianBlur(rng.uniform(0, _SOFTEST))
        return np.asarray(Image.fromarray(drawing).filter(blur))
    return drawing


def _drawing(source: Luma, rng: np.random.Generator) -> Luma:
    if rng.random() < _ILLUSTRATED_SHARE:
        return illustrate(source, rng)
    if rng.random() < _DITHERED_SHARE:
        return np.asarray(Image.fromarray(source).convert("1").convert("L"))
    if rng.random() < _BARE_SHARE:
        return _ground(source.shape, rng)
    if rng.random() < _GRATING_SHARE:
        return _grating(source.shape, rng)
    return draw_marks(source, rng)


def draw_marks(source: Luma, rng: np.random.Generator) -> Luma:
    """Return a copy of ``source`` with text, lines and shapes drawn on it; see :func:`draw`."""
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


def ramp(shape: tuple[int, ...], angle: float) -> NDArray[np.float64]:
    """Return what rises linearly from 0 to 1 over ``(height, width)``, ``angle`` in radians."""
    height, width = shape
    along = np.add.outer(np.sin(angle) * np.arange(height), np.cos(angle) * np.arange(width))
    rising: NDArray[np.float64] = (along - along.min()) / np.ptp(along)
    return rising


def _ground(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return a plain ground or, two times of three, a linear gradient, often between plain ends."""
    first, last = shade(rng), shade(rng)
    if rng.random() < 1 / 3:
        return np.full(shape, first, np.uint8)
    steepness = _STEEPEST ** rng.random()
    share = ((ramp(shape, rng.uniform(0, 2 * np.pi)) - rng.random()) * steepness + 0.5).clip(0, 1)
    ground: Luma = np.rint(first + (last - first) * share).astype(np.uint8)
    return ground


def _grating(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return sharp bars of two greys over the whole picture, in bands of one thickness each."""
    if rng.random() < 0.5:
        return np.ascontiguousarray(_upright_grating(shape[::-1], rng).T)
    return _upright_grating(shape, rng)


def _upright_grating(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    height, width = shape
    shades = np.array([shade(rng), shade(rng)], np.uint8)
    bands = int(rng.integers(1, _MOST_BANDS + 1))
    thickness = rng.integers(1, _WIDEST_BAR + 1, size=(bands, 1))
    phase = rng.integers(2 * _WIDEST_BAR, size=(bands, 1)) if rng.random() < 0.5 else 0
    rows = shades[(np.arange(width) + phase) // thickness % 2]
    return np.ascontiguousarray(rows[np.arange(height) * bands // height])


def _point(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(size[0])), int(rng.integers(size[1]))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _text(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scale: int, rng: np.random.Generator
) -> None:
    letters = rng.choice(list(_CHARACTERS), (int(rng.integers(1, 8)), int(rng.integers(3, 40))))
    canvas.multiline_text(
        _point((size[0], size[1]), rng),
        "\n".join("".join(line) for line in letters),
        fill=shade(rng),
        font=_font(int(rng.integers(*_FONT_SIZES)) * scale),
        anchor="mm" if len(letters) == 1 else None,
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
