"""Pictures that code draws, so that they are free of any JPEG and of any licence.

Text and line art are what JPEG spoils most; bars, dots and grain are where a network is likely
to fail. Pillow's built-in font is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_WIDTH, _HEIGHT = 256, 192
_OVERSAMPLING = 4

_SENTENCE = "Sphinx of black quartz, judge my vow. 0123456789"
_CODE = (
    (("def ", "#c792ea"), ("restore", "#82aaff"), ("(image, strength=", "#eeffff")),
    (("    # what JPEG threw away stays lost", "#6a8a5a"),),
    (("    change", "#eeffff"), (" = ", "#89ddff"), ("network(luma(image))", "#eeffff")),
    (("    if ", "#c792ea"), ("strength ", "#eeffff"), ("< ", "#89ddff"), ("1.0", "#f78c6c")),
    (("        warn(", "#eeffff"), ('"only in part"', "#c3e88d"), (")", "#eeffff")),
    (("    return ", "#c792ea"), ("image + change", "#eeffff")),
)


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


@cache
def _serif_font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Serif, of the version that matplotlib brings."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSerif.ttf"), size)


def text() -> Pixels:
    """Return black text of 8 to 26 pixels on white, uint8 ``(192, 256)``."""
    return _page(_font)


def serif_text() -> Pixels:
    """Return what :func:`text` does, in a font that :mod:`training.pages` does not have."""
    return _page(_serif_font)


def code() -> Pixels:
    """Return coloured text on a dark ground as an editor shows it, uint8 ``(192, 256, 3)``."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "#263238")
    canvas = ImageDraw.Draw(image)
    font = _font(13)
    for number in range(9):
        left, top = 6.0, 6 + number * 20
        for words, colour in _CODE[number % len(_CODE)]:
            canvas.text((left, top), words, fill=colour, font=font)
            left += font.getlength(words)
    return np.asarray(image)


def line_art() -> Pixels:
    """Return thin smooth lines, arcs and hatching, black on white, uint8 ``(192, 256)``."""
    scale = _OVERSAMPLING
    image = Image.new("L", (_WIDTH * scale, _HEIGHT * scale), 255)
    canvas = ImageDraw.Draw(image)
    for radius in range(8, 90, 9):
        box = [(128 - radius) * scale, (96 - radius) * scale]
        box += [(128 + radius) * scale, (96 + radius) * scale]
        canvas.arc(box, radius, radius + 250, fill=0, width=scale)
    for number in range(13):
        canvas.line((0, number * 16 * scale, 90 * scale, 96 * scale), fill=0, width=scale)
    for left in range(176, 256, 4):
        canvas.line(
            (left * scale, 190 * scale, (left + 40) * scale, 110 * scale), fill=0, width=scale
        )
    phase = np.linspace(0, 6 * np.pi, 400)
    x, y = np.linspace(0, _WIDTH * scale, 400), (30 + 22 * np.sin(phase)) * scale
    canvas.line([*zip(x.tolist(), y.tolist(), strict=True)], fill=90, width=2 * scale)
    return np.asarray(image.reduce(scale))


def cartoon() -> Pixels:
    """Return even and shaded areas within dark outlines, as clip art has it, uint8 ``(192, 256)``.

    Ellipses and arcs by Pillow; :mod:`training.illustrations` has curves and polygons by chance.
    """
    scale = _OVERSAMPLING
    image = Image.new("L", (_WIDTH * scale, _HEIGHT * scale), 255)
    canvas = ImageDraw.Draw(image)

    def box(left: int, top: int, right: int, bottom: int) -> tuple[int, int, int, int]:
        return left * scale, top * scale, right * scale, bottom * scale

    canvas.rectangle(box(0, 150, 256, 192), fill=150)
    canvas.ellipse(box(20, 158, 130, 182), fill=105)  # the shadow
    shine = Image.radial_gradient("L").point(lambda value: 250 - value // 2)
    for place in (box(20, 46, 140, 170), box(168, 16, 232, 80)):
        size = place[2] - place[0], place[3] - place[1]
        disc = Image.new("L", size)
        ImageDraw.Draw(disc).ellipse((0, 0, *size), fill=255)
        image.paste(shine.resize(size), place, disc)
        canvas.ellipse(place, outline=0, width=3 * scale)
    for left in (54, 88):
        canvas.ellipse(box(left, 82, left + 18, 110), fill=255, outline=0, width=2 * scale)
        canvas.ellipse(box(left + 6, 92, left + 13, 103), fill=0)
    canvas.chord(box(52, 104, 108, 150), 10, 170, fill=70, outline=0, width=2 * scale)
    canvas.polygon([(x * scale, y * scale) for x, y in ((158, 150), (200, 96), (244, 150))], 200)
    canvas.rounded_rectangle(box(180, 112, 228, 166), 8 * scale, 40, 0, 2 * scale)
    canvas.arc(box(150, 96, 250, 176), 200, 340, fill=0, width=2 * scale)
    return np.asarray(image.reduce(scale))


def tones() -> Pixels:
    """Return greys as print has them, by round dots of one ink, uint8 ``(192, 256)``.

    Dots 4 to 9 pixels apart whose areas are the tones, within black outlines. The screens of
    :mod:`training.screens` are sums of cosines.
    """
    scale = _OVERSAMPLING
    down, across = np.mgrid[0 : _HEIGHT * scale, 0 : _WIDTH * scale] / scale
    ball = np.hypot(across - 170, down - 70) < 50
    shine = 0.1 + 0.5 * np.hypot(across - 150, down - 50) / 70
    ink = _dots_of(0.08 + 0.5 * across / _WIDTH, down, across, 6, 45)
    ink = np.where(down > 130, _dots_of(np.full_like(down, 0.35), down, across, 9, 15), ink)
    ink = np.where(ball, _dots_of(shine, down, across, 4, 45), ink)
    ink |= (across < 80) & (down < 60) & ((across + down) % 20 < 2)  # hatching
    image = Image.fromarray(np.where(ink, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    canvas.ellipse([side * scale for side in (120, 20, 220, 120)], outline=0, width=2 * scale)
    canvas.line((0, 130 * scale, _WIDTH * scale, 130 * scale), fill=0, width=2 * scale)
    return np.asarray(image.reduce(scale))


def _dots_of(
    ink: NDArray[np.float64],
    down: NDArray[np.float64],
    across: NDArray[np.float64],
    period: float,
    angle: float,
) -> NDArray[np.bool_]:
    """Return where dots cover the share ``ink`` of the paper, on a square grid at an angle."""
    turned = np.exp(1j * np.radians(angle)) * (across + 1j * down) / period
    away = np.hypot(turned.real - np.rint(turned.real), turned.imag - np.rint(turned.imag))
    covered: NDArray[np.bool_] = away < np.sqrt(ink / np.pi)
    return covered


def bars() -> Pixels:
    """Return sharp bars of 1 to 8 pixels in two greys, uint8 ``(192, 256)``."""
    return _gratings(_HEIGHT, _WIDTH)


def rungs() -> Pixels:
    """Return what :func:`bars` does, with bars that lie, uint8 ``(192, 256)``."""
    return np.ascontiguousarray(_gratings(_WIDTH, _HEIGHT).T)


def dots() -> Pixels:
    """Return a grey ramp in black and white by ordered dithering, uint8 ``(192, 256)``.

    The 4x4 matrix of Bayer, "An optimum method for two-level rendition of continuous-tone
    pictures", IEEE International Conference on Communications, 1973.
    """
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    thresholds = np.tile((bayer + 0.5) / 16, (_HEIGHT // 4, _WIDTH // 4))
    return np.where(np.linspace(0, 1, _WIDTH) > thresholds, 255, 0).astype(np.uint8)


def grain() -> Pixels:
    """Return Gaussian noise of 12 grey levels on a slope, as film has it, uint8 ``(192, 256)``."""
    slope = np.add.outer(np.linspace(40, 120, _HEIGHT), np.linspace(0, 90, _WIDTH))
    noise = np.random.default_rng(0).normal(0, 12, slope.shape)
    return np.rint(slope + noise).clip(0, 255).astype(np.uint8)


def fluorescence(photons: int = 30) -> Pixels:
    """Return cells that glow, with so many photons where they are brightest, uint8 ``(192, 256)``.

    Discs with rims and nuclei, softened by Pillow; :mod:`training.micrographs` has other shapes.
    """
    image = Image.new("L", (_WIDTH, _HEIGHT), 12)
    canvas = ImageDraw.Draw(image)
    for left, top, side in (
        (20, 16, 70),
        (92, 88, 84),
        (150, 14, 56),
        (190, 110, 60),
        (16, 112, 50),
    ):
        canvas.ellipse((left, top, left + side, top + side * 5 // 6), fill=70, outline=180, width=3)
        canvas.ellipse(
            (left + side // 3, top + side // 4, left + side * 2 // 3, top + side // 2), 230
        )
    light = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2))) / 230
    seen = np.random.default_rng(0).poisson(photons * light)
    return np.rint(seen * (255 / (1.4 * photons))).clip(0, 255).astype(np.uint8)


def _page(font: Callable[[int], _Font]) -> Pixels:
    image = Image.new("L", (_WIDTH, _HEIGHT), 255)
    canvas = ImageDraw.Draw(image)
    top = 4
    for size in (8, 10, 12, 14, 18, 22, 26):
        canvas.text((6, top), _SENTENCE, fill=0, font=font(size))
        top += size + 10
    return np.asarray(image)


def _gratings(height: int, width: int) -> Pixels:
    columns = np.arange(width)
    rows = [np.where(columns // thickness % 2, 90, 180) for thickness in range(1, 9)]
    return np.repeat(rows, height // len(rows), axis=0).astype(np.uint8)
