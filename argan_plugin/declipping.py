"""What a JPEG decoder cut off beyond black and white, told by the quantization steps of the file.

Beside letters on white the luma of a JPEG file swings above 255 and below, and decoders cut off
what is above. What is left is darker than white on average, and a network that takes the mean of
what swings leaves a grey haze. But a decoded block is more than pixels: its coefficients are whole
multiples of the steps. So those are looked for that give the pixels which were not cut off, and
reach beyond black and white where others were. By turns the coefficients go to the nearest
multiples, and the pixels that are known to what they are: alternating projections, which come to a
good point, and not always to the best, for multiples are no convex set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct

_LEVELS: Final = 255
_BLACK: Final = np.float32(0.5)
_WHITE: Final = np.float32(_LEVELS - 0.5)
_UNKNOWN: Final = np.float32(1e6)  # beyond all that a block can hold

# By how many grey levels a block may differ from what the steps make of it, if they are in doubt.
# Text that was never compressed then comes back at 59 dB or more, and blocks of which much was cut
# off, where the nearest multiples are found less surely, still count (docs/experiments.md).
_STRANGE: Final = 4.0

# After three the pixels that were cut off are as near to the file's as after a hundred
# (docs/experiments.md, "The haze, and what decoders cut off").
_TURNS: Final = 3

# From this share of its pixels on a block is believed that black or white is its ground; half of it
# is worth a quarter. Chosen on validation pictures of the training set (docs/experiments.md).
_FULL_SHARE: Final = 0.25

BLOCKS_AT_ONCE: Final = 512
"""How many blocks to put side by side: their pixels stay in the processor's cache."""

# Pixels are whole numbers, so a coefficient often lies just half-way between two multiples, and the
# last bit of a sum, which may differ from tile to tile, must not decide.
_TIE: Final = np.float32(1e-3)


def cut_off(
    luma: NDArray[np.float32], steps: NDArray[np.float64], *, doubtful: bool = False
) -> NDArray[np.float32] | None:
    """Return by how much the luma of a JPEG file goes beyond what its decoder shows of it.

    Each block is treated by itself; one that is black or white all over tells nothing.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        As decoded from 8 bits, black at 0 and white at 1. It begins at the corner of a block of the
        file; of blocks that reach beyond it the pixels outside may be anything.
    steps : array of shape (8, 8)
        The luma quantization table of the file: grey levels of 8 bits.
    doubtful : bool
        Whether some blocks may have other steps, or none: those that these steps do not explain are
        left as they are.

    Returns
    -------
    float32 array of the shape of `luma`, or None
        What to add to `luma`: 0 or more where it is white, 0 or less where it is black, and 0
        elsewhere. None if that is 0 everywhere.
    """
    height, width = luma.shape
    margins = [(0, -side % dct.BLOCK) for side in luma.shape]
    is_whole = not any(after for _, after in margins)
    filled = luma if is_whole else np.pad(luma, margins, mode="edge")
    at = np.nonzero(_some_cut_off(filled))
    if not len(at[0]):
        return None
    excess = np.zeros(filled.shape, np.float32)
    blocks, of_blocks, outside = dct.split(filled), dct.split(excess), None  # views
    if not is_whole:
        outside = dct.split(np.pad(np.zeros(luma.shape, bool), margins, constant_values=True))
    for start in range(0, len(at[0]), BLOCKS_AT_ONCE):
        some = tuple(places[start : start + BLOCKS_AT_ONCE] for places in at)
        free = None if outside is None else dct.in_a_row(outside[some])
        found = _beyond(dct.in_a_row(blocks[some]), steps, free, doubtful)
        of_blocks[some] = found.reshape(dct.BLOCK, -1, dct.BLOCK).swapaxes(0, 1)
    return excess[:height, :width]


def _some_cut_off(plane: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return in which blocks some pixels were cut off, and not all on one side."""
    black, white = _BLACK / _LEVELS, _WHITE / _LEVELS
    rows = plane.reshape(-1, dct.BLOCK, plane.shape[1])
    highest, lowest = rows.max(axis=1), rows.min(axis=1)
    for _ in range(3):  # of two, four, eight columns: quicker than at once
        highest = np.maximum(highest[:, ::2], highest[:, 1::2])
        lowest = np.minimum(lowest[:, ::2], lowest[:, 1::2])
    some: NDArray[np.bool_] = (highest >= white) & (lowest < white)
    some |= (lowest <= black) & (highest > black)
    return some


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shown:
    """Blocks side by side as a decoder shows them, and between which limits their pixels were."""

    pixels: NDArray[np.float32]
    """Grey levels about JPEG's middle."""

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    """Equal to the pixels where nothing was cut off."""

    @classmethod
    def of(cls, levels: NDArray[np.float32]) -> Shown:
        """Return it for pixels from 0 to 255."""
        pixels = levels - np.float32(dct.MIDDLE)
        lowest = np.where(levels > _BLACK, pixels, -_UNKNOWN)
        highest = np.where(levels < _WHITE, pixels, _UNKNOWN)
        return cls(pixels=pixels, lowest=lowest, highest=highest)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Where something was cut off."""
        cut: NDArray[np.bool_] = self.lowest != self.highest
        return cut

    def limit(self, pixels: NDArray[np.float32]) -> None:
        """Bring pixels between the limits, in place."""
        np.maximum(pixels, self.lowest, out=pixels)
        np.minimum(pixels, self.highest, out=pixels)


def nearest_multiples(shown: Shown, multiples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pixels whose coefficients are whole multiples, and which come near to those shown.

    Parameters
    ----------
    shown : Shown
        Of blocks side by side, (8, width).
    multiples : float32 array of shape (8, width)
        Of what each coefficient is a multiple.

    Returns
    -------
    float32 array of shape (8, width)
        As `Shown.pixels`, but not kept to the limits.
    """
    pixels = shown.pixels
    # Where nothing was cut off, each turn would begin from what is shown.
    for turn in range(_TURNS if shown.cut.any() else 1):
        if turn:
            shown.limit(pixels)
        numbers = dct.forward_plane(pixels)
        numbers /= multiples
        numbers += _TIE
        np.rint(numbers, out=numbers)
        numbers *= multiples
        pixels = dct.inverse_plane(numbers)
    return pixels


def errors(pixels: NDArray[np.float32], shown: Shown) -> NDArray[np.float64]:
    """Return by how much each block differs from what is shown where nothing was cut off.

    The square root of the mean square, in grey levels; 0 if all was cut off.
    """
    known = ~shown.cut
    squares = pixels - shown.pixels
    squares *= squares
    squares *= known
    # One axis after the other, the long one first, which is several times as fast as both.
    sums = squares.sum(axis=0).reshape(-1, dct.BLOCK).sum(axis=1, dtype=np.float64)
    counts = known.sum(axis=0).reshape(-1, dct.BLOCK).sum(axis=1)
    result: NDArray[np.float64] = np.sqrt(sums / np.maximum(counts, 1))
    return result


def _beyond(
    luma: NDArray[np.float32],
    steps: NDArray[np.float64],
    outside: NDArray[np.bool_] | None,
    doubtful: bool,
) -> NDArray[np.float32]:
    """Return what `cut_off` does for a row of blocks, of which some pixels may be anything."""
    shown = Shown.of(luma * np.float32(_LEVELS))
    share = _shares(shown.cut, outside)
    if outside is not None:
        shown.lowest[outside], shown.highest[outside] = -_UNKNOWN, _UNKNOWN
    multiples = np.tile(steps.astype(np.float32), luma.shape[1] // dct.BLOCK)
    pixels = nearest_multiples(shown, multiples)
    # Where few pixels were cut off, black or white is not the ground but what ringing reached, and
    # they are nearer to the ground as they are.
    trust = np.minimum((share / _FULL_SHARE) ** 2, 1) / _LEVELS
    if doubtful:
        trust[errors(pixels, shown) > _STRANGE] = 0
    shown.limit(pixels)
    pixels -= shown.pixels
    pixels *= np.repeat(trust.astype(np.float32), dct.BLOCK)
    return pixels


def _shares(where: NDArray[np.bool_], outside: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return the share of each block in a row where something holds, of what is inside."""
    counts = where if outside is None else where & ~outside
    of_blocks = (dct.BLOCK, -1, dct.BLOCK)
    inside = dct.BLOCK**2
    if outside is not None:
        inside = inside - np.count_nonzero(outside.reshape(of_blocks), axis=(0, 2))
    shares: NDArray[np.float64] = np.count_nonzero(counts.reshape(of_blocks), axis=(0, 2)) / inside
    return shares
