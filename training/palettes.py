"""Colours for drawings, which are made in greys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.planes import COLOURED

Luma = NDArray[np.uint8]
Colours = NDArray[np.uint8]

_GREYS = 256
_MOST_COLOURS_BETWEEN = 3  # of the darkest and the lightest
# Shares, each of its own draw.
_COLOURLESS = 0.3  # black on white
_ON_GREY = 0.5  # coloured text on white paper, or in a dark editor
_BY_WORDS = 0.5  # as editors colour code, and maps and charts their signs
_MOST_PALETTES = 5
_LINES = (8, 40)  # pixels, the height of what has one row of colours
_WORDS = (6, 90)  # pixels


def coloured(drawing: Luma, rng: np.random.Generator) -> Colours:
    """Return a drawing in colours by chance: each grey has its own, which places may change.

    Parameters
    ----------
    drawing
        uint8 ``(height, width)``.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width, 3)``. Some have no colour, and the most common grey, which is the
        ground most often, has one colour everywhere.
    """
    if rng.random() < _COLOURLESS:
        return colourless(drawing)
    number = int(rng.integers(2, _MOST_PALETTES + 1)) if rng.random() < _BY_WORDS else 1
    ground = int(np.bincount(drawing.ravel(), minlength=_GREYS).argmax())
    colour = (
        np.full(COLOURED, ground) if rng.random() < _ON_GREY else rng.integers(0, _GREYS, COLOURED)
    )
    palettes = np.stack([_palette(ground, colour, rng) for _ in range(number)])
    result: Colours = palettes[_words(drawing.shape, number, rng), drawing]
    return result


def colourless(luma: Luma) -> Colours:
    """Return a picture in colour that shows none."""
    return np.repeat(luma[..., np.newaxis], COLOURED, axis=2)


def _palette(ground: int, colour: NDArray[np.int64], rng: np.random.Generator) -> Colours:
    """Return the colour of each grey, uint8 ``(256, 3)``, of which that of the ground is given."""
    between = rng.integers(1, _GREYS - 1, int(rng.integers(_MOST_COLOURS_BETWEEN + 1)))
    greys = np.unique([0, *between, ground, _GREYS - 1])
    colours = rng.integers(0, _GREYS, (len(greys), COLOURED))
    colours[greys == ground] = colour
    levels = np.arange(_GREYS)
    channels = [np.interp(levels, greys, channel) for channel in colours.T]
    palette: Colours = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return palette


def _words(shape: tuple[int, ...], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which of ``number`` palettes each place has, ``(height, width)``."""
    rows, columns = shape
    which = np.zeros((rows, columns), np.int64)
    line = int(rng.integers(*_LINES))
    top = -int(rng.integers(line))
    while top < rows:
        lengths = rng.integers(*_WORDS, columns // _WORDS[0] + 1)
        row = np.repeat(rng.integers(number, size=len(lengths)), lengths)
        which[max(top, 0) : top + line] = row[:columns]
        top += line
    return which
