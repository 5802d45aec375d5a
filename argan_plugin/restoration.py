"""`restore`, the one verb: take the marks of JPEG compression out of a picture.

The network corrects luma; its correction is added to R, G and B alike (see `color`). Chroma follows
on request, with the restored luma as its guide (see `chroma`). The work goes tile by tile from the
caller's pixels to the result's, so that beside these two, of which none need be in memory, there is
never more than one tile in float32.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin import arrays
from argan_plugin.arrays import Nonfinite, ValueRange
from argan_plugin.correction import Correction, applied
from argan_plugin.devices import Device
from argan_plugin.errors import UnsupportedImageError
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.plausible import as_table
from argan_plugin.tiling import map_tiles, plan_tiles
from argan_plugin.windows import (
    ReadableArray,
    Window,
    Windows,
    WritableArray,
    check_out,
    without_alpha,
)

_Model = RestorationModel | str | os.PathLike[str] | None
_Progress = Callable[[int, int], None] | None

_LARGEST_STRENGTH = 10  # nothing is left of a picture there, and numbers cannot overflow


def restore(
    image: NDArray[Any] | ReadableArray,
    *,
    model: _Model = None,
    strength: float = 1.0,
    chroma: bool = False,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    tile_size: int | None = None,
    device: Device = "auto",
    out: WritableArray | None = None,
    progress: _Progress = None,
    cancel: threading.Event | None = None,
) -> NDArray[Any]:
    """Remove JPEG artifacts from a picture.

    With `out` the picture may be larger than the memory: it is read and written by windows.

    Parameters
    ----------
    image : array of shape (height, width), (height, width, 3) or (height, width, 4)
        Luma, RGB or RGBA of any height and width from 1; alpha is not touched. Integers of up to
        32 bits or floats of up to 64 bits. A numpy array or any other that gives its parts for
        slices, as ``numpy.memmap``, zarr, h5py and dask do. Floats are read twice: first of all
        it is made sure that they can be restored.
    model : RestorationModel, str, path or None
        An open model, the name of a shipped one (see `model_names`), or an ONNX file written by
        this project's export. By default the first shipped model, which is kept open.
    strength : float
        How much of the correction to apply: 0 returns a copy, bit for bit, 1 what the network
        says; up to 10, which exaggerates it.
    chroma : bool
        Whether blocks and bleeding of colour are reduced, too. Grey pictures have none.
    channel_axis : int, optional
        The axis of the 3 or 4 channels, if it is not the last.
    value_range : (float, float), optional
        What is black and white. By default 0 to 255 for uint8, 0 to 65535 for uint16, 0 to 1 for
        floats; other dtypes need it.
    nonfinite : {"raise", "pass"}
        Whether NaN and infinity are an error. "pass" returns a pixel that has them in a channel
        with all of its bits, and restores the others as if the mean of its neighbours stood there.
    steps : 64 numbers, optional
        The luma quantization table of the JPEG file that `image` was decoded from, uncut, as
        ``inspect_jpeg(path).file.quantization[0]`` has it. The correction is then kept to what
        these steps make plausible: it spoils less and gains more, most of all in files of high
        quality. Leave it out if there was an earlier and stronger compression.
    tile_size : int, optional
        Largest side of a tile in pixels, on average and without its halo. Smaller needs less memory
        and more time; the result is the same up to float32 rounding.
    device : {"auto", "cuda", "openvino", "cpu"}
        Where to run, as in `RestorationModel`; leave it alone if `model` is open already.
    out : array of the shape and dtype of `image`, optional
        Where to write, by slices: a ``numpy.memmap``, a zarr array, … It must not share pixels with
        `image`, for a tile looks at its neighbours as they were. After an exception it holds
        some restored tiles, whole ones, and elsewhere what it held before. It is not flushed.
    progress : callable, optional
        ``progress(done, total)``, called after each tile from the calling thread.
    cancel : threading.Event, optional
        Set it from another thread to stop within about 0.1 s.

    Returns
    -------
    array
        `out`, or a new numpy array; the same shape and dtype as `image`. Each value stays between
        black and white, or between them and what it was; integers are rounded to the nearest,
        halves to even.

    Raises
    ------
    UnsupportedImageError
        If `image` is not such a picture, holds NaN or infinity that are not passed, or floats
        outside 0 to 1 without a `value_range`.
    ModelError
        If the model file is missing, damaged, or gives a wrong output.
    DeviceError
        If the device cannot be used, or has not enough memory for small tiles either.
    Cancelled
        If `cancel` was set.
    ValueError, TypeError
        If an option is wrong, or `out` is no such array.

    Examples
    --------
    >>> restored = restore(numpy.asarray(PIL.Image.open("photo.jpg")))  # doctest: +SKIP
    """
    source = Windows(image, channel_axis)
    check_strength(strength)
    if out is not None:
        check_out(out, image)
    limits = _range_of_windows(source, value_range, nonfinite)
    result = cast("NDArray[Any]", np.empty(image.shape, image.dtype) if out is None else out)
    target = Windows(result, channel_axis)
    if strength == 0:
        for window in _parts(source):
            target[window] = source[window]
        return result
    change = _correction(
        source, limits, nonfinite, model, device, cancel, chroma=chroma, steps=steps
    )

    def restored(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        colours = [without_alpha(window) for window in windows]
        results = []
        for window, pixels, change_of_it in zip(
            windows, colours, change.changes(colours), strict=True
        ):
            changed = applied(pixels, change_of_it, limits, strength)
            if pixels.shape != window.shape:
                changed = np.concatenate([changed, window[..., 3:]], axis=-1)
            results.append(changed)
        return results

    _map(restored, source, change, tile_size, progress, out=target)
    return result


def luma_change(
    image: NDArray[Any],
    *,
    model: _Model = None,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    tile_size: int | None = None,
    device: Device = "auto",
    progress: _Progress = None,
    cancel: threading.Event | None = None,
) -> NDArray[np.float32]:
    """Return the network's correction, to be applied later with any strength.

    Parameters
    ----------
    image, model, channel_axis, value_range, nonfinite, steps, tile_size, device, progress, cancel
        As in `restore`.

    Returns
    -------
    float32 array of shape (height, width)
        Restored luma minus luma, in units of the range: 1 is the step from black to white.

    Raises
    ------
    ArganError, ValueError, TypeError
        As `restore` does.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    change = _correction(
        pixels, limits, nonfinite, model, device, cancel, chroma=False, steps=steps
    )
    return _map(change.changes, pixels, change, tile_size, progress, out=None)


def colour_change(
    image: NDArray[Any],
    *,
    model: _Model = None,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    tile_size: int | None = None,
    device: Device = "auto",
    progress: _Progress = None,
    cancel: threading.Event | None = None,
) -> NDArray[np.float32]:
    """Return the correction of luma and chroma, to be applied later with any strength.

    Parameters
    ----------
    image, model, channel_axis, value_range, nonfinite, steps, tile_size, device, progress, cancel
        As in `restore`.

    Returns
    -------
    float32 array of shape (height, width, 3), or (height, width) for a grey picture
        What ``restore(image, chroma=True)`` adds to R, G and B, in units of the range.

    Raises
    ------
    ArganError, ValueError, TypeError
        As `restore` does.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    change = _correction(pixels, limits, nonfinite, model, device, cancel, chroma=True, steps=steps)
    return _map(change.changes, pixels, change, tile_size, progress, out=None)


def apply_change(
    image: NDArray[Any],
    change: NDArray[np.float32],
    *,
    strength: float = 1.0,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
) -> NDArray[Any]:
    """Apply a correction: ``apply_change(image, luma_change(image))`` equals ``restore(image)``.

    With `colour_change` it equals ``restore(image, chroma=True)``.

    Parameters
    ----------
    image, strength, channel_axis, value_range, nonfinite
        As in `restore`.
    change : float32 array of shape (height, width) or (height, width, 3)
        What `luma_change` or `colour_change` returned for this picture.

    Returns
    -------
    array
        As `restore` returns it.

    Raises
    ------
    UnsupportedImageError
        As in `restore`, or if `change` has another height or width.
    ValueError
        If `strength` is not 0 to 10.
    """
    pixels, limits = _examine(image, channel_axis, value_range, nonfinite)
    check_strength(strength)
    if change.shape not in (pixels.shape[:2], pixels.shape):
        raise UnsupportedImageError(
            f"The change has the shape {change.shape}, but the picture has {pixels.shape[:2]} "
            "pixels. Use luma_change or colour_change of the same picture."
        )
    result = image.copy()
    if strength == 0:
        return result
    applied(pixels, change, limits, strength, out=arrays.colour_view(result, channel_axis))
    return result


def _examine(
    image: NDArray[Any],
    channel_axis: int | None,
    value_range: tuple[float, float] | None,
    nonfinite: Nonfinite,
) -> tuple[NDArray[Any], ValueRange]:
    """Return a view of the pixels to restore, and their black and white."""
    pixels = arrays.colour_view(image, channel_axis)
    return pixels, arrays.find_value_range(pixels, value_range, nonfinite)


def _range_of_windows(
    source: Windows, value_range: tuple[float, float] | None, nonfinite: Nonfinite
) -> ValueRange:
    """Return the black and white of a picture, after a look at each pixel if they are floats."""
    limits = arrays.find_value_range(np.zeros(1, source.dtype), value_range, nonfinite)
    if source.dtype.kind == "f":
        for window in _parts(source):
            arrays.find_value_range(without_alpha(source[window]), value_range, nonfinite)
    return limits


def _parts(source: Windows) -> Iterator[Window]:
    """Yield windows that cover a picture without overlap."""
    height, width = source.shape[:2]
    for tile in plan_tiles(height, width, tile_size=None, halo=0, size_multiple=1):
        yield tile.write


def check_strength(strength: float) -> None:
    """Raise ValueError if `restore` does not take this strength."""
    if not 0 <= strength <= _LARGEST_STRENGTH:
        raise ValueError(f"strength must be 0 to {_LARGEST_STRENGTH}, not {strength}")


def _correction(
    source: NDArray[Any] | Windows,
    limits: ValueRange,
    nonfinite: Nonfinite,
    model: _Model,
    device: Device,
    cancel: threading.Event | None,
    *,
    chroma: bool,
    steps: ArrayLike | None,
) -> Correction:
    """Return what finds the change of a window; a grey picture has no chroma."""
    return Correction(
        _open(model, device),
        limits,
        chroma=chroma and len(source.shape) == 3,
        gaps=nonfinite == "pass" and source.dtype.kind == "f",
        steps=None if steps is None else as_table(steps),
        cancel=cancel,
    )


def _open(model: _Model, device: Device) -> RestorationModel:
    """Return the model, open; one that is open already has its device."""
    if not isinstance(model, RestorationModel):
        return open_model(model, device=device)
    if device not in ("auto", model.device):
        raise ValueError(
            f"The model is open on {model.device!r}, so device={device!r} cannot be had. Leave "
            f"device alone, or open the model with RestorationModel(..., device={device!r})."
        )
    return model


def _map(
    function: Callable[[list[NDArray[Any]]], list[NDArray[Any]]],
    pixels: NDArray[Any] | Windows,
    change: Correction,
    tile_size: int | None,
    progress: _Progress,
    out: Windows | None,
) -> NDArray[Any]:
    """Apply a function tile by tile, with the context that the correction needs."""

    def sparing(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            return function(windows)
        except MemoryError:
            change.network.release_memory()  # it may hold all that smaller tiles would need
            raise

    return map_tiles(
        sparing,
        pixels,
        tile_size=tile_size,
        halo=change.halo,
        size_multiple=change.size_multiple,
        at_once=change.network.images_at_once,
        out=out,
        progress=progress,
    )
