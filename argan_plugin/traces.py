"""What the pixels themselves tell of a JPEG compression, on any 8x8 grid.

Quantization leaves the coefficients of a block at whole multiples of the steps. Decoded, saved
again or cut, a picture keeps that for as long as nothing coarser comes later: on the old grid its
coefficients still crowd around the multiples. So for each of the 64 grids and each quality of the
IJG tables this looks at the mean of cos(2 pi c / s) over the coefficients c of low frequencies,
where s is the step of that frequency: 1 if all lie at multiples, 0 or a little less if they lie
anywhere. Coefficients below s / 2 do not count, because every picture has many near zero. Where a
later compression has blurred the multiples too much, its blocks' zeros still tell the grid
(`block_grids`), if its steps are known.

The idea is that of Fan and de Queiroz, "Identification of bitmap compression history: JPEG
detection and quantizer estimation", IEEE Transactions on Image Processing 12(2), 2003. What it
finds and misses is measured by ``benchmarks/earlier_compression.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from argan_plugin import dct
from argan_plugin.block_grids import find_grid_before
from argan_plugin.quantization_tables import ijg_luma_table

_SIDE = 512
"""Of the middle of the picture that is looked at, in pixels: 4,096 blocks on each grid."""

HIGHEST_FOUND: Final = 92
"""Above this quality the steps of low frequencies are 1 to 3: lost in the rounding of pixels."""

_QUALITIES = range(5, HIGHEST_FOUND + 1)

_FREQUENCIES = [(down, across) for down in range(5) for across in range(5 - down)][1:]

# A histogram is all that is needed of the coefficients' sizes.
_BIN = 0.25
_BINS = 1600
_SIZES = (np.arange(_BINS) + 0.5) * _BIN

# A step below this leaves nothing in rounded pixels. A step under 1.5 of the file's own is not to
# be told from it, and an earlier compression so weak matters little.
_LEAST_STEP = 2
_LEAST_RATIO = 1.5

# What counts as found; chosen on the half of the training pictures that the benchmark leaves out.
# On the grid of a file's own steps its own coefficients can mimic a comb.
_FOUND = 0.3
_FOUND_ON_OWN_GRID = 0.4
_CERTAIN = 0.5

# Standard deviations of chance by which coefficients must keep to multiples on the grid where zeros
# are left of an earlier compression: chance alone had 3 in pages of text, and those that there were
# 10 and more (docs/experiments.md).
_SIGNIFICANT = 7

# Drawings, gradients and patterns repeat the same few blocks, which lie at multiples of anything.
_LEAST_DIFFERENT = 32

# As if so many coefficients more lay anywhere: few of them prove nothing.
_PRIOR = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Compression:
    """A JPEG compression that the pixels show."""

    quality: int
    """About which IJG quality, 5-92: the one whose luma table fits best."""

    down: int
    """Row of the picture's first whole block on this compression's grid, 0-7."""

    across: int
    """Its column, 0-7. Not (0, 0): the picture was cut or moved after this compression."""

    regularity: float
    """How well the coefficients keep to multiples of the steps: 1 exactly, 0 not at all."""

    certainty: Literal["likely", "certain"]
    """A word for the regularity: "certain" from 0.5 on; docs/real-files.md says how sure."""


def middle(height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns that `find_compression` looks at; they begin at a multiple of 8.

    Other parts of a large picture need not be decoded to grey levels for it.
    """
    tops = (max(0, size - _SIDE) // 2 // dct.BLOCK * dct.BLOCK for size in (height, width))
    rows, columns = (slice(top, top + _SIDE) for top in tops)
    return rows, columns


def find_compression(
    luma: NDArray[Any], own_steps: NDArray[Any] | None = None
) -> Compression | None:
    """Look for a JPEG compression in pixels, other than the file's own.

    Parameters
    ----------
    luma
        (height, width), grey levels from 0 to 255. Of a large picture the `middle` is enough.
    own_steps
        The luma table of the file that the pixels come from, of shape (8, 8), if it is a JPEG file:
        only stronger compressions are looked for then.

    Returns
    -------
    Compression or None
        The one that shows most; None if there is none, it was followed by something that blurs it
        (a resize, noise, a stronger compression), or the picture has too little
        detail.
    """
    window = luma[middle(*luma.shape)].astype(np.float32)
    if min(window.shape) < 2 * dct.BLOCK:
        return None
    tables = _tables()
    kept = np.zeros((dct.BLOCK**2, len(tables)))
    counted = np.zeros_like(kept)
    frequencies = dict(zip(_FREQUENCIES, _histograms(window), strict=True))
    for (down, across), histograms in frequencies.items():
        steps = tables[:, down, across]
        own = 0 if own_steps is None else own_steps[down, across]
        used = steps >= max(_LEAST_STEP, _LEAST_RATIO * own)
        waves, of_step, first = _waves(down, across)
        kept[:, used] += (histograms @ waves)[:, of_step[used]]
        totals = histograms.cumsum(axis=1, dtype=np.float64)
        counted[:, used] += totals[:, -1:] - totals[:, first[used] - 1]

    # The most significant, in standard deviations of the sum of as many cosines of random angles.
    significance = kept / np.sqrt(counted / 2 + _PRIOR)
    grid, number = map(int, np.unravel_index(significance.argmax(), significance.shape))
    regularity = float(kept[grid, number] / (counted[grid, number] + _PRIOR))
    on_own_grid = own_steps is not None and grid == 0
    if regularity < (_FOUND_ON_OWN_GRID if on_own_grid else _FOUND):
        before = None if own_steps is None else find_grid_before(window, own_steps[0, 0])
        if before is None:
            return None
        # Its zeros show the grid, and there the multiples show the quality, though blurred.
        grid = before[0] * dct.BLOCK + before[1]
        number = int(significance[grid].argmax())
        if significance[grid, number] < _SIGNIFICANT:
            return None
        regularity = float(kept[grid, number] / (counted[grid, number] + _PRIOR))
    down, across = divmod(grid, dct.BLOCK)
    if _different_blocks(window[down:, across:], tables[number]) < _LEAST_DIFFERENT:
        return None
    return Compression(
        quality=_QUALITIES[number],
        down=down,
        across=across,
        regularity=regularity,
        certainty="certain" if regularity >= _CERTAIN else "likely",
    )


def _different_blocks(window: NDArray[np.float32], steps: NDArray[np.int64]) -> float:
    """Return how many different blocks of low frequencies the steps leave, those of zeros aside.

    As many as there would be if all were equally frequent: e to the power of their entropy.
    """
    height, width = (size // dct.BLOCK * dct.BLOCK for size in window.shape)
    levels = np.rint(dct.forward(dct.split(window[:height, :width])) / steps).astype(np.int16)
    blocks = np.stack([levels[..., down, across].ravel() for down, across in _FREQUENCIES], axis=1)
    _, counts = np.unique(blocks[blocks.any(axis=1)], axis=0, return_counts=True)
    shares = counts / counts.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _histograms(window: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return, for each frequency, the sizes of its coefficients: (grids, bins).

    The coefficients of all grids at once are a convolution with the pattern of the frequency.
    """
    basis = dct.BASIS.astype(np.float32)
    height, width = (size - dct.BLOCK + 1 for size in window.shape)
    grids = np.arange(height)[:, np.newaxis] % dct.BLOCK * dct.BLOCK + np.arange(width) % dct.BLOCK
    rows = sliding_window_view(window, dct.BLOCK, axis=1)
    along = {across: rows @ basis[across] for across in range(5)}
    result = []
    for down, across in _FREQUENCIES:
        coefficients = sliding_window_view(along[across], dct.BLOCK, axis=0) @ basis[down]
        sizes = np.minimum(np.abs(coefficients) / _BIN, _BINS).astype(np.intp)
        places = grids * (_BINS + 1) + sizes
        counts = np.bincount(places.ravel(), minlength=dct.BLOCK**2 * (_BINS + 1))
        # without the last: what is beyond the largest size
        result.append(counts.reshape(dct.BLOCK**2, -1)[:, :-1].astype(np.float32))
    return result


@cache
def _tables() -> NDArray[np.int64]:
    """Return the luma tables of the qualities, of shape (qualities, 8, 8)."""
    return np.stack([ijg_luma_table(quality) for quality in _QUALITIES])


@cache
def _waves(
    down: int, across: int
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
    """Return what a frequency's histograms are held against.

    Returns
    -------
    waves
        cos(2 pi c / s) of shape (bins, steps), 0 for sizes c that do not count.
    of_step
        For each quality, which of the steps it has.
    first
        For each quality, the first bin that counts; never 0.
    """
    steps, of_step = np.unique(_tables()[:, down, across], return_inverse=True)
    angles = 2 * np.pi * _SIZES[:, np.newaxis] / steps
    waves = np.where(_SIZES[:, np.newaxis] > steps / 2, np.cos(angles), 0).astype(np.float32)
    return waves, of_step, np.searchsorted(_SIZES, steps / 2)[of_step]
