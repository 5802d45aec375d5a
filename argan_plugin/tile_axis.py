"""Where tiles begin and end along one axis of a picture; see `tiling` for the drawings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a picture that is to be covered with tiles."""

    part: slice
    """What is to be covered; it begins at a multiple of `multiple`."""

    length: int
    """The picture's, of which tiles may read all."""

    halo: int
    """Context on each side, a multiple of the network's total stride."""

    multiple: int
    """Tiles are kept from multiples of it, which is one of the network's total stride."""

    one_shape: bool
    """Whether all tiles read equally many pixels."""

    @property
    def size(self) -> int:
        """How many pixels are to be covered."""
        return int(self.part.stop - self.part.start)

    def count_for(self, tile_size: int) -> int:
        """Return how many tiles it takes if they keep at most this on average, rounded up."""
        return math.ceil(self.size / (math.ceil(tile_size / self.multiple) * self.multiple))

    def fewest(self, longest: int) -> int:
        """Return how many tiles make each of them read at most `longest` pixels; 0 if none do."""
        guesses = [1, 2]
        extra = self.length % self._grid if self.one_shape else 0
        kept = (longest - extra - 2 * self.halo) // self.multiple * self.multiple
        if kept > 0:  # the tiles at both ends keep a halo more, if there is room for it
            guesses += [math.ceil((self.size - 2 * self.halo) / kept), math.ceil(self.size / kept)]
        possible = (count for count in sorted(guesses) if count > 0)
        fewest = next((count for count in possible if self.reads(count) <= longest), 0)
        while fewest > 1 and self.reads(fewest - 1) <= longest:  # between two guesses
            fewest -= 1
        return fewest

    def reads(self, count: int) -> int:
        """Return how many pixels the largest of so many tiles reads."""
        return max(int(read.stop - read.start) for read, _, _ in self.spans(count))

    def spans(self, count: int) -> Iterator[tuple[slice, slice, slice]]:
        """Yield (read, keep, write) of so many tiles, or fewer if they suffice when rounded."""
        cuts = self._cuts(count)
        needed = [
            slice(max(start - self.halo, 0), min(stop + self.halo, self.length))
            for start, stop in itertools.pairwise(cuts)
        ]
        if self.one_shape:
            side = max(read.stop - read.start for read in needed)
            side += (self.length - side) % self._grid  # so that the last one begins there, too
            starts = [min(read.start, self.length - side) for read in needed]
            needed = [slice(start, start + side) for start in starts]
        for read, (start, stop) in zip(needed, itertools.pairwise(cuts), strict=True):
            yield read, slice(start - read.start, stop - read.start), slice(start, stop)

    @property
    def _grid(self) -> int:
        """What reading begins at multiples of: the network's total stride, or a multiple of it."""
        return math.gcd(self.halo, self.multiple)

    def _cuts(self, count: int) -> list[int]:
        """Return where the first tile begins, where each ends, and thereby the next begins."""
        start, stop = self.part.start, self.part.stop
        # By how much less than a whole halo the tiles at both ends read, and may keep more.
        spared = [
            (self.halo - min(self.halo, beyond)) // self.multiple * self.multiple
            for beyond in (start, self.length - stop)
        ]
        if self.size - sum(spared) < count * self.multiple:
            spared = [0, 0]  # they would leave nothing for those between
        # Equal tiles, not full ones and a sliver: less memory.
        step = math.ceil((self.size - sum(spared)) / count / self.multiple) * self.multiple
        first = start + spared[0] + step
        return [start, *list(range(first, stop, step))[: count - 1], stop]
