"""Cut the levels of a zarr pyramid into parts that are computed and written one after the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from argan_plugin.shrinking import edges
from argan_plugin.tiling import Tile, plan_tiles

if TYPE_CHECKING:
    import zarr

PART_PIXELS: Final = 4096**2
"""A part has about so many pixels, more if chunks are larger: chunks are written whole."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is computed and written at once: whole chunks of one level."""

    level: int
    write: tuple[slice, ...]
    """Where it lies."""

    read: tuple[slice, ...]
    """What it is computed from: the same level of the source, or the result's level before."""

    keep: tuple[slice, ...] = ()
    """At level 0, where it lies in what was read."""

    limits: list[NDArray[np.intp]] = field(default_factory=list)
    """At the other levels, what to take the means of, counted from what was read."""

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return " ".join([str(self.level), *(f"{axis.start}:{axis.stop}" for axis in self.write)])


def parts_to_restore(
    array: zarr.Array[Any], channel_axis: int | None, halo: int, size_multiple: int
) -> Iterator[Part]:
    """Yield the parts of the largest level.

    Parameters
    ----------
    array : zarr.Array of shape (…, height, width)
        The result.
    channel_axis : int or None
        An axis that must not be cut.
    halo : int
        Context in the plane, a multiple of the network's total stride.
    size_multiple : int
        The network's total stride.
    """
    for leading, tile in _cut(array, channel_axis, halo, size_multiple):
        whole = tuple(slice(0, axis.stop - axis.start) for axis in leading)
        yield Part(0, leading + tile.write, leading + tile.read, keep=whole + tile.keep)


def parts_to_shrink(
    larger: zarr.Array[Any], smaller: zarr.Array[Any], level: int
) -> Iterator[Part]:
    """Yield the parts of a level that is made from the one before, whose shape is no smaller."""
    limits = [
        edges(length, shorter) for length, shorter in zip(larger.shape, smaller.shape, strict=True)
    ]
    for leading, tile in _cut(smaller, None, 0, 1):
        write = leading + tile.write
        bounds = [
            along[axis.start : axis.stop + 1] for along, axis in zip(limits, write, strict=True)
        ]
        read = tuple(slice(int(along[0]), int(along[-1])) for along in bounds)
        yield Part(level, write, read, limits=[along - along[0] for along in bounds])


def _cut(
    array: zarr.Array[Any], channel_axis: int | None, halo: int, size_multiple: int
) -> Iterator[tuple[tuple[slice, ...], Tile]]:
    """Cut an array into parts of whole chunks, so that none is written twice."""
    units = array.shards or array.chunks  # a shard is a file, and is written as one
    steps = list(units[:-2])
    if channel_axis is not None:
        steps[channel_axis] = array.shape[channel_axis]
    leading = [
        [slice(start, min(start + step, length)) for start in range(0, length, step)]
        for length, step in zip(array.shape[:-2], steps, strict=True)
    ]
    tiles = plan_tiles(
        *array.shape[-2:],
        tile_size=max(1, math.isqrt(PART_PIXELS // math.prod(steps))),
        halo=halo,
        size_multiple=(math.lcm(size_multiple, units[-2]), math.lcm(size_multiple, units[-1])),
        one_shape=False,  # the last part may be a sliver, and would be read as a whole one
    )
    for planes in itertools.product(*leading):
        for tile in tiles:
            yield planes, tile
