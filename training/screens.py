"""What print and old screens make of tones: dots and lines of one ink, and few large pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.illustrations import illustrate

Luma = NDArray[np.uint8]

_SCALE = 3  # drawn so much larger, then reduced, which smooths edges as printers and scanners do
_PERIODS = (3.0, 10.0)  # pixels from dot to dot
_DOTTED = 0.8  # the others are lines
_DIAGONAL = 0.5  # at 45 degrees, as black ink is; the others at any angle
_DRAWN_SHARE = 0.6  # of what has tones; the others are photographs
_FADED_SHARE = 0.3
_MOST_FADED = 60  # grey levels from black, and from white
_PIXEL_SIDES = (2, 5)
_LEVELS = (2, 17)


def screened(source: Luma, rng: np.random.Generator) -> Luma:
    """Return ``source``, or an illustration, in one ink: the darker, the larger are its dots.

    A point is inked where a sum of two cosines is above the tone, which gives round dots in light
    tones, a chequerboard in the middle ones and round holes in dark ones; see R. Ulichney,
    "Digital Halftoning", MIT Press, 1987, chapter 5.

    Parameters
    ----------
    source
        Luma, uint8 ``(height, width)``.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    tones = _tones(source, rng)
    height, width = tones.shape
    large = Image.fromarray(tones).resize((width * _SCALE, height * _SCALE))
    period = np.exp(rng.uniform(*np.log(_PERIODS))) * _SCALE
    angle = np.pi / 4 if rng.random() < _DIAGONAL else rng.uniform(0, np.pi)
    # Black and white stay even: their thresholds lie beyond those of any point.
    threshold = np.asarray(large, np.float32) * (1.02 / 255) - 0.01
    x = np.arange(width * _SCALE, dtype=np.float32) * (2 * np.pi / period)
    y = np.arange(height * _SCALE, dtype=np.float32)[:, None] * (2 * np.pi / period)
    wave = np.cos(x * np.cos(angle) + y * np.sin(angle))
    if rng.random() < _DOTTED:
        wave = (wave + np.cos(y * np.cos(angle) - x * np.sin(angle))) / 2
    paper = wave < 2 * threshold - 1
    printed = np.asarray(Image.fromarray(paper.astype(np.uint8) * 255).reduce(_SCALE))
    if rng.random() < _FADED_SHARE:
        ink, ground = rng.integers(_MOST_FADED, size=2) * (1, -1) + (0, 255)
        printed = np.rint(ink + printed * ((ground - ink) / 255)).astype(np.uint8)
    return printed


def pixel_art(source: Luma, rng: np.random.Generator) -> Luma:
    """Return an illustration, or ``source`` made small, in large square pixels.

    Half of them have a few levels of grey alone. Parameters and result as of :func:`screened`.
    """
    side = int(rng.integers(*_PIXEL_SIDES, endpoint=True))
    height, width = source.shape
    small = Image.fromarray(source).resize((-(-width // side) + 1, -(-height // side) + 1))
    tones = _tones(np.asarray(small), rng)
    if rng.random() < 0.5:
        steps = int(rng.integers(*_LEVELS)) - 1
        tones = np.rint(np.rint(tones * (steps / 255)) * (255 / steps)).astype(np.uint8)
    top, left = rng.integers(side, size=2).tolist()
    large = np.kron(tones, np.ones((side, side), np.uint8))
    return np.ascontiguousarray(large[top : top + height, left : left + width])


def _tones(source: Luma, rng: np.random.Generator) -> Luma:
    return illustrate(source, rng) if rng.random() < _DRAWN_SHARE else source
