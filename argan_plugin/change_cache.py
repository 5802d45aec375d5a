"""What the network said of the planes seen last, so that it need not be asked again."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray


class ChangeCache:
    """Remembers the network's corrections of the planes that were restored last.

    With it, another strength is only another mixture: the network does not run again. One cache
    serves one picture or pyramid (its levels differ in shape, and so do not get mixed up) with one
    model and one value range, with chroma or without. A correction is float32: 4 bytes a pixel, as
    much as an RGBA picture of uint8, and 12 with chroma. Several threads may use it. A pickled copy
    is empty.

    Parameters
    ----------
    limit : int
        How many bytes it may hold; what was used longest ago goes first. By default 1 GiB, the
        corrections of 268 megapixels.
    """

    def __init__(self, limit: int = 2**30) -> None:
        self._limit = limit
        self._size = 0
        self._changes: OrderedDict[tuple[int, ...], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[ChangeCache], tuple[int]]:
        return ChangeCache, (self._limit,)

    def get(self, key: tuple[int, ...]) -> NDArray[np.float32] | None:
        """Return the correction of a plane, or None if it is not remembered."""
        with self._lock:
            change = self._changes.get(key)
            if change is not None:
                self._changes.move_to_end(key)
            return change

    def put(self, key: tuple[int, ...], change: NDArray[np.float32]) -> None:
        """Remember the correction of a plane, and forget others if there is no room."""
        with self._lock:
            replaced = self._changes.pop(key, None)
            self._size += change.nbytes - (0 if replaced is None else replaced.nbytes)
            self._changes[key] = change
            while self._size > self._limit:
                self._size -= self._changes.popitem(last=False)[1].nbytes
