"""Stacks of pictures: planes one by one, and lazy dask arrays of any size.

A stack has any number of axes before the plane (time, z, …)::

    (…, height, width)               luma
    (…, height, width, channel)      RGB or RGBA, if rgb=True

Each plane is a picture of its own to the network, so a plane of a stack is restored exactly as the
same plane alone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin.arrays import Nonfinite, find_value_range
from argan_plugin.change_cache import ChangeCache
from argan_plugin.correction import halo_of, step_of
from argan_plugin.devices import Device
from argan_plugin.errors import UnsupportedImageError
from argan_plugin.model import RestorationModel
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_info import ModelInfo
from argan_plugin.plane_recipe import PlaneRecipe
from argan_plugin.tilewise import AnyModel, Grid
from argan_plugin.weights import find_model

if TYPE_CHECKING:
    import dask.array as da

StackProgress = Callable[[int, int, int, int], None]
"""``progress(plane, planes, tile, tiles)``: tiles of the current plane and planes, from 1."""


def restore_stack(
    stack: NDArray[Any],
    *,
    rgb: bool = False,
    strength: float = 1.0,
    chroma: bool = False,
    model: AnyModel = None,
    device: Device = "auto",
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    grid: Grid = None,
    tile_size: int | None = None,
    changes: ChangeCache | None = None,
    progress: StackProgress | None = None,
    cancel: threading.Event | None = None,
) -> NDArray[Any]:
    """Restore each plane of a stack in memory.

    Parameters
    ----------
    stack : array of shape (…, height, width), or (…, height, width, 3 or 4) if `rgb`
        A single picture is a stack without leading axes.
    rgb : bool
        Whether the last axis holds the channels.
    strength, chroma, model, device, value_range, nonfinite, steps, grid, tile_size, cancel
        As in `restore`; steps and grid are those of all planes.
    changes : ChangeCache, optional
        Planes that it holds are mixed without the network; the others are added to it.
    progress : callable, optional
        ``progress(plane, planes, tile, tiles)``, called after each tile, counted from 1.

    Returns
    -------
    array
        New; the same shape and dtype.

    Raises
    ------
    UnsupportedImageError
        For a wrong shape or dtype, NaN, or no pixels.
    ModelError, DeviceError, Cancelled, ValueError
        As `restore` does.
    """
    _check(stack.shape, stack.dtype, rgb, value_range, nonfinite)
    recipe = PlaneRecipe(
        rgb,
        strength,
        chroma,
        model,
        device,
        value_range,
        nonfinite,
        tile_size,
        changes,
        steps,
        grid,
    )
    result = np.empty_like(stack, subok=False)
    leading = stack.shape[: stack.ndim - recipe.plane_ndim]
    planes = math.prod(leading)
    for number, index in enumerate(np.ndindex(leading), start=1):

        def report(tile: int, tiles: int, number: int = number) -> None:
            if progress is not None:
                progress(number, planes, tile, tiles)

        key = (*stack.shape, *index)
        result[index] = recipe.restore(stack[index], key=key, progress=report, cancel=cancel)
    return result


def restore_lazy(
    stack: da.Array,
    *,
    rgb: bool = False,
    strength: float = 1.0,
    chroma: bool = False,
    model: AnyModel = None,
    device: Device = "auto",
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    tile_size: int | None = None,
    chunk_size: int = 4096,
    plane_by_plane: bool = False,
    changes: ChangeCache | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> da.Array:
    """Restore a dask array lazily: a plane is computed when somebody looks at it.

    The network sees whole planes, or chunks of a large plane with as much around them as it looks
    at, and blocks are taken to lie as in a file (`restore` with the grid 0, 0), so the result does
    not depend on the chunks. On a cluster the model is opened once in each worker process, with as
    many threads as the worker has, and they share it.

    Parameters
    ----------
    stack : dask array of shape (…, height, width), or (…, height, width, 3 or 4) if `rgb`
    rgb : bool
        Whether the last axis holds the channels.
    strength, chroma, value_range, nonfinite, tile_size
        As in `restore`.
    model, device
        As in `restore`; they must be valid on the machines that compute. What is sent to them of
        an open model is where its file lies.
    chunk_size : int
        Planes of more pixels a side are computed in parts of about this side.
    plane_by_plane : bool
        Whether a chunk of the result holds a single plane, as a viewer wants it: who looks at one
        would wait for all planes of a chunk.
    changes : ChangeCache, optional
        Parts that it holds are mixed without the network; the others are added to it. It works
        inside one process only.
    progress, cancel : optional
        As in `restore`, for each part. They cannot be sent to another process: leave them out of an
        array that is computed on a cluster.

    Returns
    -------
    dask array
        The same shape, dtype and chunks, but for `plane_by_plane`.

    Raises
    ------
    UnsupportedImageError
        At once for a wrong shape or dtype, an unknown shape, or no pixels; when computed, for NaN.
    ModelError, DeviceError
        When computed; ModelError at once if planes must be cut, because the model says how.
    """
    import dask.array as da

    if any(math.isnan(length) for length in stack.shape):
        raise UnsupportedImageError(
            "The shape of this dask array is not known. Call compute_chunk_sizes() on it first."
        )
    _check(stack.shape, stack.dtype, rgb, value_range, nonfinite)
    recipe = PlaneRecipe(
        rgb,
        strength,
        chroma,
        model,
        device,
        value_range,
        nonfinite,
        tile_size,
        changes,
        grid=(0, 0),
    )
    rows = stack.ndim - recipe.plane_ndim
    columns = rows + 1
    halo = 0
    if max(stack.shape[rows], stack.shape[columns]) > chunk_size:
        info = read_model_info(model)
        step = step_of(info, chroma=chroma and rgb)
        halo = halo_of(info, chroma=chroma and rgb, gaps=nonfinite == "pass")
        # Tiles must start at multiples of the network's stride, and dask would merge chunks that
        # are smaller than the halo.
        chunk_size = step * math.ceil(max(chunk_size, halo) / step)
    chunks = [(1,) * length for length in stack.shape[:rows]]
    chunks += [_cut(stack.shape[axis], chunk_size) for axis in (rows, columns)]
    chunks += [(length,) for length in stack.shape[columns + 1 :]]
    restored = da.map_overlap(
        _Block(recipe, stack.shape, progress, cancel),
        stack.rechunk(tuple(chunks)),
        # A side that is not cut may be shorter than the halo, which dask would refuse.
        depth={axis: halo if len(chunks[axis]) > 1 else 0 for axis in (rows, columns)},
        boundary="none",
        allow_rechunk=False,  # it would move the chunks off the network's stride
        meta=np.empty((0,) * stack.ndim, dtype=stack.dtype),
    )
    leading = restored.chunks[:rows] if plane_by_plane else stack.chunks[:rows]
    result: da.Array = restored.rechunk(leading + stack.chunks[rows:])
    return result


def read_model_info(model: AnyModel) -> ModelInfo:
    """Return a model's facts, from its file alone: this machine need not be able to run it.

    Parameters
    ----------
    model : RestorationModel, str, path or None
        As in `restore`.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or not one of this project.
    """
    if isinstance(model, RestorationModel):
        return model.info
    return inspect_model(read_model_file(find_model(model)))


@dataclass(frozen=True)
class _Block:
    """The function that dask calls with each chunk, one plane or a part of one."""

    recipe: PlaneRecipe
    shape: tuple[int, ...]
    progress: Callable[[int, int], None] | None
    cancel: threading.Event | None

    def __call__(self, block: NDArray[Any], block_id: tuple[int, ...]) -> NDArray[Any]:
        plane = block.reshape(block.shape[-self.recipe.plane_ndim :])
        restored = self.recipe.restore(
            plane, key=(*self.shape, *block_id), progress=self.progress, cancel=self.cancel
        )
        return restored.reshape(block.shape)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        # What decides the result, so that dask gives equal arrays equal names: not the cache, nor
        # who watches.
        recipe = self.recipe
        model = recipe.model
        name = str(model.path) if isinstance(model, RestorationModel) else str(model)
        return (
            type(self).__qualname__,
            recipe.rgb,
            recipe.strength,
            recipe.chroma,
            name,
            recipe.device,
            recipe.value_range,
            recipe.nonfinite,
            recipe.tile_size,
        )


def _check(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    rgb: bool,
    value_range: tuple[float, float] | None,
    nonfinite: Nonfinite,
) -> None:
    """Raise UnsupportedImageError if planes of this shape and dtype cannot be restored."""
    if len(shape) < (3 if rgb else 2) or (rgb and shape[-1] not in (3, 4)):
        expected = "(…, height, width, 3 or 4)" if rgb else "(…, height, width)"
        raise UnsupportedImageError(f"A stack must have the shape {expected}, not {shape}.")
    if 0 in shape:
        raise UnsupportedImageError(f"The stack has no pixels: its shape is {shape}.")
    find_value_range(np.zeros(1, dtype), value_range, nonfinite)


def _cut(length: int, size: int) -> tuple[int, ...]:
    """Return chunk lengths of at least `size` and less than twice as much, or `length` alone."""
    count = max(1, length // size)
    return (*(size,) * (count - 1), length - size * (count - 1))
