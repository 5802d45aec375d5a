"""By which steps the blocks of pixels were quantized: libjpeg's tables, upright or turned.

A table explains a block whose pixels come back from the nearest multiples of its steps, up to
rounding. What a decoder cut off at black and white is found on the way, as in `declipping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct
from argan_plugin.block_grids import evenly
from argan_plugin.declipping import BLOCKS_AT_ONCE, Shown, errors, nearest_multiples
from argan_plugin.quantization_tables import ijg_luma_table, nearest_luma_quality

# Above it steps of 1 to 3 explain anything.
_QUALITIES: Final = range(5, 93)

# Blocks that are looked at, first with all tables and then with those that are left; and how many
# different ones prove something, for any steps explain the few blocks of an even pattern.
_FEW_BLOCKS, _MOST_BLOCKS = 16, 96
_LEAST_DIFFERENT = 24
_LEAST_RANGE = 8
"""Grey levels from the darkest to the brightest pixel; of plainer blocks any steps explain one."""

# Steps explain a block if it comes back with this error: the square root of the mean square, in
# grey levels. Rounding alone makes 0.3, and the wrong steps of the highest quality 2 in text.
_EXPLAINED = 0.6
_LEAST_SHARE = 0.5
_NEARLY_ALL = 0.9

# How regular coefficients must be, those that their steps, of this or more, do not round to zero;
# and as if so many more lay anywhere.
_REGULAR = 0.5
_LEAST_STEP = 2
_PRIOR = 50

# A share of the pixels of text on white, but not of photographs, that is black or white.
_MUCH = 0.1

_ALIKE = 0.8
"""Tables are taken for alike if their first steps differ by less than this factor."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoundSteps:
    """A table that explains the blocks of a picture."""

    table: NDArray[np.float64]
    """Of shape (8, 8); that of a turned picture is turned."""

    regularity: float
    """How well coefficients keep to its multiples: 1 exactly, about 0 if they lie anywhere."""

    @property
    def quality(self) -> int:
        """The IJG quality of the table, 5-92."""
        both = (
            nearest_luma_quality(steps.astype(int).ravel().tolist())
            for steps in (self.table, self.table.T)
        )
        return next(quality for quality, same in both if same)


def much_is_cut(luma: NDArray[np.float32]) -> bool:
    """Tell whether a decoder has cut off much of grey levels from 0 to 255, as in text on white."""
    return float(Shown.of(luma).cut.mean()) > _MUCH


def find_steps(luma: NDArray[np.float32]) -> FoundSteps | None:
    """Return the steps that explain most blocks, or None if there are none.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        Grey levels from 0 to 255, from the corner of a block on.
    """
    height, width = (side // dct.BLOCK * dct.BLOCK for side in luma.shape)
    blocks = dct.split(luma[:height, :width]).reshape(-1, dct.BLOCK, dct.BLOCK)
    blocks = blocks[np.ptp(blocks, axis=(1, 2)) >= _LEAST_RANGE]
    if len(blocks) < _LEAST_DIFFERENT:
        return None
    # Those of which least is cut off, evenly from all over.
    cut = np.count_nonzero(Shown.of(blocks).cut, axis=(1, 2))
    limit = np.partition(cut, min(_MOST_BLOCKS, len(cut)) - 1)[min(_MOST_BLOCKS, len(cut)) - 1]
    blocks = evenly(blocks[cut <= limit], _MOST_BLOCKS)
    if len(np.unique(blocks.reshape(len(blocks), -1), axis=0)) < _LEAST_DIFFERENT:
        return None
    tables = _tables()
    left = _shares(_errors(evenly(blocks, _FEW_BLOCKS), tables)) >= _LEAST_SHARE
    if not left.any():
        return None
    tables = tables[left]
    found = _errors(blocks, tables)
    shares = _shares(found)
    if shares.max() < _LEAST_SHARE:
        return None
    # Multiples of large steps are multiples of small ones, too, up to rounding; and tables of about
    # one quality have many steps in common.
    coarsest = int((shares >= _NEARLY_ALL * shares.max()).argmax())
    alike = tables[coarsest:, 0, 0] > _ALIKE * tables[coarsest, 0, 0]
    best = np.where(alike, np.minimum(found, _EXPLAINED)[coarsest:].mean(axis=1), np.inf).argmin()
    table = tables[coarsest + int(best)]
    regularity = _regularity(blocks, table)
    if regularity < _REGULAR:
        return None
    return FoundSteps(table=table.astype(np.float64), regularity=regularity)


def _regularity(blocks: NDArray[np.float32], table: NDArray[np.float32]) -> float:
    """Return how well coefficients keep to multiples: 1 exactly, about 0 if they lie anywhere.

    As in `traces`, the mean cosine of those that count. Small steps explain whatever is smooth.
    """
    shown = Shown.of(dct.in_a_row(blocks))
    multiples = np.tile(table, len(blocks))
    pixels = nearest_multiples(shown, multiples)
    shown.limit(pixels)
    coefficients = dct.forward_plane(pixels)
    counting = (np.abs(coefficients) > multiples / 2) & (multiples >= _LEAST_STEP)
    cosines = np.cos(2 * np.pi * coefficients[counting] / multiples[counting])
    return float(cosines.sum() / (cosines.size + _PRIOR))


def _errors(blocks: NDArray[np.float32], tables: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far each table is from explaining each of the blocks (number, 8, 8)."""
    at_once = max(1, BLOCKS_AT_ONCE // len(blocks))
    row = dct.in_a_row(blocks)
    found = []
    for start in range(0, len(tables), at_once):
        some = tables[start : start + at_once]
        shown = Shown.of(np.tile(row, len(some)))
        multiples = dct.in_a_row(np.repeat(some, len(blocks), axis=0))
        found.append(errors(nearest_multiples(shown, multiples), shown).reshape(len(some), -1))
    return np.concatenate(found)


def _shares(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of the blocks each table explains."""
    shares: NDArray[np.float64] = (found < _EXPLAINED).mean(axis=1)
    return shares


@cache
def _tables() -> NDArray[np.float32]:
    """Return libjpeg's luma tables and those of turned pictures, the coarsest first."""
    upright = (ijg_luma_table(quality) for quality in _QUALITIES)
    return np.stack([table for both in upright for table in (both, both.T)]).astype(np.float32)
