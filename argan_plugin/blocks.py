"""What pixels show of the blocks of a JPEG compression: where they lie, and their steps.

The pixels of a file begin at the corner of a block. Those of a picture that was cut, turned or
shown on a screen need not, and a network that was trained on blocks where files have them restores
others less well. So their grid is looked for (`block_grids`), and the steps by which they were
quantized (`block_steps`). Both are those of the last compression. If `traces` show an earlier and
stronger one, its blocks are what is seen. How sure all that is, and what it is worth:
docs/real-files.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from argan_plugin import dct
from argan_plugin.block_grids import find_grids
from argan_plugin.block_steps import FoundSteps, find_steps, much_is_cut
from argan_plugin.traces import Compression, find_compression

# Where letters lie on white, other grids than that of the blocks can have more zeros.
_GRIDS_OF_TEXT = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Blocks:
    """Where the blocks of a compression lie, and what is known of their steps."""

    down: int = 0
    """Row of the first whole block, 0-7."""

    across: int = 0
    """Its column, 0-7."""

    steps: NDArray[np.float64] | None = None
    """The luma table by which the blocks were quantized last, of shape (8, 8), if it is known."""

    bounding: bool = True
    """Whether the steps say how wrong pixels can be: there was no stronger compression."""

    doubtful: bool = False
    """Whether some blocks may have other steps, or none."""

    @property
    def before(self) -> tuple[int, int]:
        """How many rows and columns the picture lacks to begin at the corner of a block."""
        return -self.down % dct.BLOCK, -self.across % dct.BLOCK

    @property
    def matter(self) -> bool:
        """Whether it makes a difference to say so."""
        return self.steps is not None or any(self.before)


def find_blocks(luma: NDArray[np.float32]) -> Blocks:
    """Look for the blocks of a JPEG compression in pixels.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        Grey levels from 0 to 255. Of a large picture the `middle` is enough.

    Returns
    -------
    Blocks
        If none are found, those of a file, and no steps.
    """
    grid, found = _last(luma)
    if grid is None:
        return Blocks()
    steps = None if found is None else found.table
    earlier = _earlier(luma, grid, steps)
    down, across = grid if earlier is None else (earlier.down, earlier.across)
    return Blocks(
        down=down,
        across=across,
        steps=steps if (down, across) == grid else None,
        bounding=earlier is None,
        doubtful=True,
    )


def shown_compression(luma: NDArray[np.float32]) -> Compression | None:
    """Return the compression whose blocks are seen in pixels, or None if there is none.

    As `find_compression` does, which is less sure where the last steps are not known.

    Parameters
    ----------
    luma : float32 array of shape (height, width)
        As for `find_blocks`.
    """
    grid, found = _last(luma)
    if grid is None or found is None:
        return find_compression(luma)
    return _earlier(luma, grid, found.table) or Compression(
        quality=found.quality,
        down=grid[0],
        across=grid[1],
        regularity=found.regularity,
        certainty="certain",
    )


def _earlier(
    luma: NDArray[np.float32], grid: tuple[int, int], steps: NDArray[np.float64] | None
) -> Compression | None:
    """Return a compression earlier and stronger than the last, given that one's grid and steps."""
    earlier = find_compression(luma[grid[0] :, grid[1] :], steps)
    if earlier is None:
        return None
    down, across = (grid[0] + earlier.down) % dct.BLOCK, (grid[1] + earlier.across) % dct.BLOCK
    return replace(earlier, down=down, across=across)


def _last(luma: NDArray[np.float32]) -> tuple[tuple[int, int] | None, FoundSteps | None]:
    """Return the grid of the last compression and its steps, as far as they are found."""
    grids, stands_out = find_grids(luma)
    tried = grids[: 1 if stands_out else 0]
    if much_is_cut(luma):
        tried = grids[:_GRIDS_OF_TEXT]
    for down, across in tried:
        found = find_steps(luma[down:, across:])
        if found is not None:
            return (down, across), found
    return (grids[0] if stands_out else None), None
