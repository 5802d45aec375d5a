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

from collections.abc import Iterator
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

_LARGEST_PRODUCT = 2**18
"""Multiplications that OpenBLAS leaves to one thread."""


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
    for (down, across), histograms in zip(_FREQUENCIES, _histograms(window), strict=True):
        own = 0 if own_steps is None else own_steps[down, across]
        used = tables[:, down, across] >= max(_LEAST_STEP, _LEAST_RATIO * own)
        waves, first, of_quality = _waves(down, across)
        # Larger steps are those of lower qualities: what is used comes last.
        unused = of_quality[used].min(initial=len(first))
        of_used = of_quality[used] - unused
        kept[:, used] += _held_against(histograms, waves[:, unused:])[:, of_used]
        counted[:, used] += _from(histograms, first[unused:])[:, of_used]

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


def _histograms(window: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield, for each frequency, the sizes of its coefficients: (grids, bins).

    There are as many bins as the largest size needs. The coefficients of all grids at once are a
    convolution with the pattern of the frequency, first downwards and then, turned, downwards
    again, where the values of a window are as far apart as BLAS takes them.
    """
    basis = dct.BASIS.astype(np.float32)
    in_bins = basis / np.float32(_BIN)
    height, width = (size - dct.BLOCK + 1 for size in window.shape)
    of_row, of_column = np.arange(height) % dct.BLOCK, np.arange(width) % dct.BLOCK
    turned = {}
    for down, across in _FREQUENCIES:
        if down not in turned:
            columns = sliding_window_view(window, dct.BLOCK, axis=0) @ basis[down]
            turned[down] = np.ascontiguousarray(columns.T)
        sizes = sliding_window_view(turned[down], dct.BLOCK, axis=0) @ in_bins[across]
        np.abs(sizes, out=sizes)
        np.minimum(sizes, _BINS, out=sizes)
        bins = int(sizes.max()) + 1
        places = sizes.astype(np.intp)
        places += of_row * (dct.BLOCK * bins)
        places += of_column[:, np.newaxis] * bins
        counts = np.bincount(places.ravel(), minlength=dct.BLOCK**2 * bins)
        # without what is beyond the largest size
        yield counts.reshape(dct.BLOCK**2, bins)[:, :_BINS].astype(np.float32)


def _held_against(
    histograms: NDArray[np.float32], waves: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the product of histograms with as many bins of the waves: (grids, steps)."""
    waves = waves[: histograms.shape[1]]
    # OpenBLAS sets all its threads to work on a large product, and they go on spinning after it,
    # where the network's threads want to begin.
    at_once = 2
    while at_once < len(histograms) and 2 * at_once * waves.size <= _LARGEST_PRODUCT:
        at_once *= 2
    some = histograms.reshape(-1, at_once, histograms.shape[1])
    return (some @ waves).reshape(len(histograms), -1)


def _from(histograms: NDArray[np.float32], first: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return how many are in each of the ascending bins or above it: (grids, bins)."""
    result = np.zeros((len(histograms), len(first)), np.float32)
    there = np.count_nonzero(first < histograms.shape[1])
    if there:
        between = np.add.reduceat(histograms, first[:there], axis=1)
        result[:, :there] = between[:, ::-1].cumsum(axis=1)[:, ::-1]
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
        cos(2 pi c / s) of shape (bins, steps), 0 for sizes c that do not count; steps ascend.
    first
        For each step, the first bin that counts.
    of_quality
        For each quality, which of the steps it has.
    """
    steps, of_quality = np.unique(_tables()[:, down, across], return_inverse=True)
    angles = 2 * np.pi * _SIZES[:, np.newaxis] / steps
    waves = np.where(_SIZES[:, np.newaxis] > steps / 2, np.cos(angles), 0).astype(np.float32)
    return waves, np.searchsorted(_SIZES, steps / 2), of_quality
