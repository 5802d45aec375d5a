"""Sums over windows whose rounding does not depend on where a tile begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Plane = NDArray[np.float32]


def window_sums(values: _Plane, side: int, axis: int) -> _Plane:
    """Return the sums over all windows of `side` values along an axis, which gets shorter.

    By doubling. A running sum would be faster by little, and its rounding would depend on where it
    begins.
    """
    length = values.shape[axis] - side + 1

    def part(sums: _Plane, start: int, count: int) -> _Plane:
        where = [slice(None)] * sums.ndim
        where[axis] = slice(start, start + count)
        return sums[tuple(where)]

    total: _Plane | None = None
    covered, size, powers = 0, 1, values
    while True:
        if side & size:
            here = part(powers, covered, length)
            total = here.copy() if total is None else np.add(total, here, out=total)
            covered += size
        if covered == side:
            assert total is not None
            return total
        count = powers.shape[axis] - size
        powers = part(powers, 0, count) + part(powers, size, count)
        size *= 2
