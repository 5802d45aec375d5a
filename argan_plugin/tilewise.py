"""A picture's correction, tile by tile: what `restoration` and `changes` have in common."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin import dct
from argan_plugin.arrays import Nonfinite, ValueRange
from argan_plugin.blocks import Blocks, find_blocks
from argan_plugin.correction import Correction, unit_luma
from argan_plugin.devices import Device
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.plausible import as_table
from argan_plugin.tiling import map_tiles
from argan_plugin.traces import middle
from argan_plugin.windows import MovedWindows, Windows, without_alpha

AnyModel = RestorationModel | str | os.PathLike[str] | None
"""An open model, the name of a shipped one, a file, or None for the default."""

Progress = Callable[[int, int], None] | None
"""``progress(done, total)``, called after each tile from the calling thread."""

Grid = tuple[int, int] | None
"""Row and column of the first whole block, or None: it is looked for."""

_WHITE = 255
_LARGEST_STRENGTH = 10  # nothing is left of a picture there, and numbers cannot overflow


def check_strength(strength: float) -> None:
    """Raise ValueError if `restore` does not take this strength."""
    if not 0 <= strength <= _LARGEST_STRENGTH:
        raise ValueError(f"strength must be 0 to {_LARGEST_STRENGTH}, not {strength}")


def open_correction(
    source: NDArray[Any] | Windows,
    limits: ValueRange,
    nonfinite: Nonfinite,
    model: AnyModel,
    device: Device,
    cancel: threading.Event | None,
    *,
    chroma: bool,
    steps: ArrayLike | None,
    grid: Grid,
) -> Correction:
    """Return what finds the change of a window; a grey picture has no chroma.

    Parameters
    ----------
    source : array or Windows
        The picture, of shape (height, width) or (height, width, channel).
    limits : ValueRange
        Its black and white.
    nonfinite, model, device, cancel, chroma, steps, grid
        As in `restore`.

    Raises
    ------
    ModelError, DeviceError, ValueError
        As `restore` does.
    """
    return Correction(
        _open(model, device),
        limits,
        chroma=chroma and len(source.shape) == 3,
        gaps=nonfinite == "pass" and source.dtype.kind == "f",
        blocks=_blocks(source, limits, steps, grid),
        cancel=cancel,
    )


def _blocks(
    source: NDArray[Any] | Windows, limits: ValueRange, steps: ArrayLike | None, grid: Grid
) -> Blocks:
    """Return what the caller knows of the picture's blocks, or else what its pixels show."""
    if steps is None and grid is None:
        luma = unit_luma(without_alpha(source[middle(*source.shape[:2])]), limits)
        return find_blocks(luma * np.float32(_WHITE)) if np.isfinite(luma).all() else Blocks()
    down, across = (0, 0) if grid is None else _checked(grid)
    table = None if steps is None else as_table(steps)
    return Blocks(down=down, across=across, steps=table)


def _checked(grid: tuple[int, int]) -> tuple[int, int]:
    """Return the grid; raise ValueError if it is none."""
    try:
        down, across = map(operator.index, grid)
    except (TypeError, ValueError):
        down = across = -1
    if not (0 <= down < dct.BLOCK and 0 <= across < dct.BLOCK):
        raise ValueError(f"grid must be a row and a column, 0 to 7 each, not {grid}")
    return down, across


def map_correction(
    function: Callable[[list[NDArray[Any]]], list[NDArray[Any]]],
    pixels: NDArray[Any] | Windows,
    change: Correction,
    tile_size: int | None,
    progress: Progress,
    out: Windows | None,
) -> NDArray[Any]:
    """Apply a function tile by tile, with the context that a correction needs.

    Parameters
    ----------
    function : callable
        Of a list of windows of one shape; returns a result for each.
    pixels : array or Windows
        The picture.
    change : Correction
        What `function` calls: it says how much context a tile has, and how many go at once.
    tile_size, progress
        As in `restore`.
    out : Windows, optional
        Where to write; by default a new array.

    Returns
    -------
    array
        The results, stitched: what `out` is written to, or the new one.
    """

    def sparing(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            return function(windows)
        except MemoryError:
            change.release_memory()  # it may hold all that smaller tiles would need
            raise

    moved = change.blocks.before
    source: Any = MovedWindows(pixels, moved) if any(moved) else pixels
    target: Any = MovedWindows(out, moved) if any(moved) and out is not None else out
    result = map_tiles(
        sparing,
        source,
        tile_size=tile_size,
        halo=change.halo,
        size_multiple=change.size_multiple,
        at_once=change.images_at_once,
        out=target,
        progress=progress,
    )
    return result if out is not None else result[moved[0] :, moved[1] :]


def _open(model: AnyModel, device: Device) -> RestorationModel:
    """Return the model, open; one that is open already has its device."""
    if not isinstance(model, RestorationModel):
        return open_model(model, device=device)
    if device not in ("auto", model.device):
        raise ValueError(
            f"The model is open on {model.device!r}, so device={device!r} cannot be had. Leave "
            f"device alone, or open the model with RestorationModel(..., device={device!r})."
        )
    return model
