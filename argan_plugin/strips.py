"""Strips: a few rows at a time, so that what is computed of them stays in the processor's cache.

A pass of numpy over a whole tile reads and writes main memory, and a pixel needs a dozen passes. In
strips they take a third of the time; `python -m benchmarks.profile_file` measures them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

STRIP_PIXELS: Final = 2**15
"""How many pixels a strip has, or a row if it is longer. Three channels of float32 are 400 kB: half
of a usual level-2 cache."""


def strips(height: int, width: int) -> Iterator[slice]:
    """Yield the rows of each strip of a picture, from the top.

    Parameters
    ----------
    height, width : int
        At least 1.
    """
    rows = math.ceil(STRIP_PIXELS / width)
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))
