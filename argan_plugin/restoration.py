"""`restore`, the one verb: take the marks of JPEG compression out of a picture.

The network corrects luma; its correction is added to R, G and B alike (see `color`). Chroma follows
on request, by a network of its own that luma guides (see `chroma`). The work goes tile by tile from
the caller's pixels to the result's, so that beside these two, of which none need be in memory,
there is never more than one tile in float32.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argan_plugin import arrays
from argan_plugin.arrays import Nonfinite, ValueRange
from argan_plugin.correction import applied
from argan_plugin.devices import Device
from argan_plugin.tilewise import (
    AnyModel,
    Grid,
    Progress,
    check_strength,
    map_correction,
    open_correction,
)
from argan_plugin.tiling import plan_tiles
from argan_plugin.windows import (
    ReadableArray,
    Window,
    Windows,
    WritableArray,
    check_out,
    without_alpha,
)


def restore(
    image: NDArray[Any] | ReadableArray,
    *,
    model: AnyModel = None,
    strength: float = 1.0,
    chroma: bool = False,
    channel_axis: int | None = None,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    steps: ArrayLike | None = None,
    grid: Grid = None,
    tile_size: int | None = None,
    device: Device = "auto",
    out: WritableArray | None = None,
    progress: Progress = None,
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
        ``inspect_jpeg(path).file.quantization[0]`` has it. What the decoder cut off at black and
        white is then found again, without which grounds of text and drawings keep a haze, and the
        correction is kept to what these steps make plausible: it spoils less and gains more, most
        of all in files of high quality. Leave it out if there was an earlier and stronger
        compression.
    grid : (int, int), optional
        Row and column, 0 to 7 each, of the first whole 8x8 block of the compression: (0, 0) as
        decoded, others if the picture was cut or turned since. The network restores blocks better
        where it knows them to lie. By default it is (0, 0) with `steps`, and otherwise the middle
        of the picture is looked at, which takes up to 10 ms, and 150 where blocks are found: tiles
        begin there then, and steps that the pixels show count as if they were given.
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
    change = open_correction(
        source, limits, nonfinite, model, device, cancel, chroma=chroma, steps=steps, grid=grid
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

    map_correction(restored, source, change, tile_size, progress, out=target)
    return result


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
