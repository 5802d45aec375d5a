"""Between napari's image layers and arrays: what to restore, and the layer that shows the result.

Everything here is quick and runs on the GUI thread; no pixel is read but for `Source.steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from argan_plugin.decoded_file import steps_behind
from argan_plugin.errors import UnsupportedImageError

if TYPE_CHECKING:
    from napari.components import Dims, ViewerModel
    from napari.layers import Image

# A visible region is grown by this many pixels and starts at a multiple of it. Networks look
# further, but faintly: a preview is to be quick, and may differ a little at its edge.
_PREVIEW_MARGIN = 64
_BIT_DEPTHS = (8, 10, 12, 14, 16, 24, 32)

Crop = tuple[slice, ...]


class Scope(Enum):
    """What to process; the values are what the user reads."""

    WHOLE = "whole layer"
    PLANE = "current plane"
    REGION = "visible region (preview)"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is to be restored of a layer, and what the result's layer has of it."""

    levels: tuple[Any, ...]
    """Array-likes: one, or the levels of a pyramid from large to small."""
    crops: tuple[Crop, ...]
    """What to take of each level: one slice for each axis but the channels."""
    looked_at: tuple[tuple[int, Crop], ...]
    """What the canvas and the thumbnail show of a lazy source: a level, and a part of its crop."""
    rgb: bool
    lazy: bool
    """Whether the result must be lazy: the source is, or it is a pyramid."""
    value_range: tuple[float, float]
    """What is black and white."""
    path: str | None
    """Where napari read the layer from, if it did."""
    attributes: dict[str, Any]
    """The new layer's name, metadata, transform, colormap and so on, for `Layer.create`."""
    contrast_limits_range: tuple[float, float]
    """It is not among napari's attributes."""

    @property
    def pixels(self) -> Any:
        """The part of the first level."""
        return np.asarray(self.levels[0][self.crops[0]])

    @cached_property
    def steps(self) -> tuple[int, ...] | None:
        """As `steps_behind` has them, once; the file is decoded for it, so not on the GUI thread.

        None for stacks and for what is lazy.
        """
        if self.lazy or self.path is None or len(self.crops[0]) != 2:
            return None
        rows, columns = self.crops[0]
        return steps_behind(self.path, self.pixels, (rows, columns))


def examine(layer: Image, dims: Dims, scope: Scope) -> Source:
    """Return what is to be restored of a layer.

    Parameters
    ----------
    layer : napari image layer
        Of any kind: RGB or not, stack, pyramid, lazy.
    dims : napari Dims
        The viewer's, to know the current plane.
    scope : Scope
        A pyramid stays one in `Scope.WHOLE` and `Scope.PLANE`; the preview has the level on show.

    Raises
    ------
    UnsupportedImageError
        If there is no visible region of rows and columns.
    """
    levels = tuple(layer.data) if layer.multiscale else (layer.data,)
    factors = np.atleast_2d(layer.downsample_factors)
    shapes = [level.shape[: layer.ndim] for level in levels]
    here = [
        _plane_here(layer, dims, shape, factor)
        for shape, factor in zip(shapes, factors, strict=True)
    ]
    attributes = layer.as_layer_data_tuple()[1]
    attributes["name"] = f"{layer.name} restored"
    if scope is Scope.REGION:
        shown = layer.data_level
        levels, factors = levels[shown : shown + 1], factors[shown : shown + 1]
        crops = [_visible_region(layer, dims, here[shown])]
        attributes |= {"multiscale": False, "locked_data_level": None}
        attributes["name"] += " (preview)"
    elif scope is Scope.PLANE:
        crops = here
    else:
        crops = [tuple(slice(0, length) for length in shape) for shape in shapes]
    start = np.array([cut.start for cut in crops[0]]) * factors[0]
    attributes |= {
        "translate": _translated(layer, start),
        "scale": np.asarray(layer.scale) * factors[0],
    }
    lazy = len(levels) > 1 or (scope is Scope.WHOLE and not _in_memory(levels[0]))
    return Source(
        levels=levels,
        crops=tuple(crops),
        looked_at=tuple(_looked_at(layer, dims, crops, here)) if lazy else (),
        rgb=layer.rgb,
        lazy=lazy,
        value_range=find_layer_range(layer),
        path=layer.source.path,
        attributes=attributes,
        contrast_limits_range=tuple(layer.contrast_limits_range),
    )


def find_layer_range(layer: Image) -> tuple[float, float]:
    """Return what is taken for black and white in a layer.

    RGB and uint8 use the whole range of their dtype (0 to 1 for float RGB), as napari shows them.
    Other integers reach up to the usual bit depth (8, 10, 12, 14, 16…) that holds the values, for
    a 12-bit camera's pixels in uint16 would look nearly black to the network otherwise. Floats
    inside 0 to 1 use 0 to 1. What remains uses the lowest and highest value. The extremes are the
    limits of napari's contrast slider, which the user can set with a right click on it.

    Parameters
    ----------
    layer : napari image layer

    Returns
    -------
    (float, float)
        Black and white in the units of the data.
    """
    dtype = np.dtype(layer.dtype)
    if dtype.kind == "f" and layer.rgb:
        return 0.0, 1.0
    if dtype.kind == "u" and (layer.rgb or dtype.itemsize == 1):
        return 0.0, float(np.iinfo(dtype).max)
    low, high = (float(limit) for limit in layer.contrast_limits_range)
    if dtype.kind in "ui":
        if high >= np.iinfo(dtype).max:
            # The slider of a lazy layer covers the dtype until the user sets it: it says nothing.
            low, high = (float(limit) for limit in layer.contrast_limits)
        if low >= 0:
            return 0.0, next((2.0**bits - 1 for bits in _BIT_DEPTHS if high < 2**bits), high)
    elif low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high


def new_layer(source: Source, data: Any, facts: dict[str, Any]) -> Image:
    """Return a layer for the result, alike in all but its pixels and its name, not yet visible.

    Parameters
    ----------
    source : Source
    data : array, or list of arrays for a pyramid
    facts : dict
        What made it; kept as ``metadata["argan"]``.
    """
    from napari.layers import Layer

    attributes = dict(source.attributes)
    attributes["metadata"] = {**attributes["metadata"], "argan": facts}
    # A visible layer reads its first plane at once, wherever the viewer is: with a lazy one, the
    # network would run on the GUI thread for a plane that nobody looks at.
    attributes["visible"] = False
    layer = Layer.create(data, attributes, "image")
    layer.contrast_limits_range = source.contrast_limits_range
    layer.contrast_limits = attributes["contrast_limits"]
    return layer


def _in_memory(data: Any) -> bool:
    """Whether the pixels are in memory: a memory-mapped file may be larger than that."""
    return isinstance(data, np.ndarray) and not isinstance(data, np.memmap)


def _plane_here(layer: Image, dims: Dims, shape: Sequence[int], factors: Sequence[float]) -> Crop:
    """Return the plane (the last two axes) at the viewer's current step, at one level."""
    position = layer.world_to_data(dims.point) / factors
    leading = [
        min(max(round(float(at)), 0), length - 1)
        for at, length in zip(position[:-2], shape[:-2], strict=True)
    ]
    return (*(slice(at, at + 1) for at in leading), slice(0, shape[-2]), slice(0, shape[-1]))


def _visible_region(layer: Image, dims: Dims, plane: Crop) -> Crop:
    """Return what the canvas shows of the plane, and a margin."""
    if set(_displayed(layer, dims)) != {layer.ndim - 2, layer.ndim - 1}:
        raise UnsupportedImageError(
            "A preview needs the 2-D view of rows and columns (the last two axes). Change the "
            f"view, or process the {Scope.PLANE.value}."
        )
    first, last = layer.corner_pixels[:, -2:]
    region = []
    for axis, (low, high) in zip(plane[-2:], zip(first, last, strict=True), strict=True):
        start = max(0, (int(low) // _PREVIEW_MARGIN - 1) * _PREVIEW_MARGIN)
        region.append(slice(start, min(axis.stop, int(high) + 1 + _PREVIEW_MARGIN)))
    return (*plane[:-2], *region)


def _looked_at(
    layer: Image, dims: Dims, crops: Sequence[Crop], here: Sequence[Crop]
) -> Iterator[tuple[int, Crop]]:
    """Yield what napari reads to show the cropped levels; the smallest level is the thumbnail."""
    displayed = _displayed(layer, dims)

    def part(level: int, shown: Callable[[int], slice]) -> tuple[int, Crop]:
        cuts = zip(crops[level], here[level], strict=True)
        return level, tuple(
            shown(axis) if axis in displayed else slice(now.start - cut.start, now.stop - cut.start)
            for axis, (cut, now) in enumerate(cuts)
        )

    smallest = len(crops) - 1
    yield part(smallest, lambda _: slice(None))
    if layer.data_level < smallest and dims.ndisplay == 2:
        first, last = layer.corner_pixels
        yield part(layer.data_level, lambda axis: slice(int(first[axis]), int(last[axis]) + 1))


def _displayed(layer: Image, dims: Dims) -> list[int]:
    """Return the layer's axes that the canvas shows; a layer has the viewer's last axes."""
    return [axis - (dims.ndim - layer.ndim) for axis in dims.displayed]


def _translated(layer: Image, start: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the translation of a layer that begins at pixel `start` of this one."""
    origin = np.zeros(layer.ndim)
    step = np.subtract(layer.data_to_world(start), layer.data_to_world(origin))
    # The translation comes before the affine matrix.
    return np.asarray(layer.translate) + np.linalg.solve(layer.affine.linear_matrix, step)


def insert_above(viewer: ViewerModel, below: Image, layer: Image) -> None:
    """Show a layer right above another one, or on top if that one is gone, and select it."""
    layers = viewer.layers
    layers.insert(layers.index(below) + 1 if below in layers else len(layers), layer)
    layer.visible = True
    layers.selection.active = layer
