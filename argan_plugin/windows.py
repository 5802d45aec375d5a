"""Pictures that need not fit into memory: any array is read and written a window at a time."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from argan_plugin.arrays import channel_position

# Linux keeps what was written to a shared mapping when its pages are dropped (madvise(2)).
_DROPS_PAGES = sys.platform == "linux" and hasattr(mmap, "MADV_DONTNEED")

Window = tuple[slice, slice]
"""Rows and columns of a picture, each with a start and a stop."""


class ReadableArray(Protocol):
    """What a picture can be read from: an array of numpy, zarr, h5py or dask, for example."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths."""

    @property
    def dtype(self) -> Any:
        """A numpy dtype."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a part of it, which `numpy.asarray` takes, for a tuple of slices."""


class WritableArray(ReadableArray, Protocol):
    """What a picture can be written to: an array of numpy, zarr or h5py, for example."""

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Take over a numpy array, for a tuple of slices."""


class Windows:
    """A picture of (height, width) or (height, width, channel) in any array, seen by windows.

    Parameters
    ----------
    array : readable array
        One picture, as `restore` takes it; writable if windows are to be written. The pages of a
        `numpy.memmap` are given back to the system once they are done with.
    channel_axis : int or None
        As in `restore`.

    Raises
    ------
    UnsupportedImageError
        If it is no array, has no pixels, or another shape.
    """

    def __init__(self, array: Any, channel_axis: int | None) -> None:
        position = channel_position(array, channel_axis)
        self._array = array
        self._channel_axis = position
        axes = [axis for axis in range(len(array.shape)) if axis != position]
        order = axes if position is None else [*axes, position]
        self.shape = tuple(int(array.shape[axis]) for axis in order)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self._mapping = _shared_mapping(array)

    def __getitem__(self, window: Window) -> NDArray[Any]:
        """Return the pixels of a window, channels last; a view where the array gives one."""
        self._give_pages_back()  # those of the window before
        pixels = np.asarray(self._array[self._key(window)])
        return pixels if self._channel_axis is None else np.moveaxis(pixels, self._channel_axis, -1)

    def __setitem__(self, window: Window, pixels: NDArray[Any]) -> None:
        if self._channel_axis is not None:
            pixels = np.moveaxis(pixels, -1, self._channel_axis)
        self._array[self._key(window)] = pixels
        self._give_pages_back()

    def _key(self, window: Window) -> tuple[slice, ...]:
        key = list(window)
        if self._channel_axis is not None:
            key.insert(self._channel_axis, slice(None))
        return tuple(key)

    def _give_pages_back(self) -> None:
        if self._mapping is not None:
            self._mapping.madvise(mmap.MADV_DONTNEED)


class MovedWindows:
    """A picture as if it began some rows and columns earlier, where its edge is repeated.

    Parameters
    ----------
    picture : array of shape (height, width, ...), or Windows
    moved : (int, int)
        How many rows and columns. Each window reaches beyond them.
    """

    def __init__(self, picture: NDArray[Any] | Windows, moved: tuple[int, int]) -> None:
        self._picture, self._moved = picture, moved
        height, width, *channels = picture.shape
        self.shape = (height + moved[0], width + moved[1], *channels)
        self.dtype = picture.dtype

    def __getitem__(self, window: Window) -> NDArray[Any]:
        """Return the pixels of a window; a view where it does not reach beyond the picture."""
        inside, before = self._inside(window)
        pixels = self._picture[inside]
        if not any(before):
            return pixels
        margins = [(missing, 0) for missing in before] + [(0, 0)] * (pixels.ndim - 2)
        return np.pad(pixels, margins, mode="edge")

    def __setitem__(self, window: Window, pixels: NDArray[Any]) -> None:
        """Write what lies in the picture of a window."""
        inside, before = self._inside(window)
        self._picture[inside] = pixels[before[0] :, before[1] :]

    def _inside(self, window: Window) -> tuple[Window, tuple[int, int]]:
        """Return what lies in the picture, and how many rows and columns are missing before it."""
        starts = [part.start - moved for part, moved in zip(window, self._moved, strict=True)]
        rows, columns = (
            slice(max(start, 0), part.stop - moved)
            for part, start, moved in zip(window, starts, self._moved, strict=True)
        )
        return (rows, columns), (max(-starts[0], 0), max(-starts[1], 0))


def check_out(out: Any, image: Any) -> None:
    """Make sure that a picture can be restored from one array into another.

    Raises
    ------
    ValueError
        If `out` has another shape or dtype, cannot be written, or shares pixels with `image`.
    """
    found = getattr(out, "shape", None), getattr(out, "dtype", None)
    if found != (image.shape, image.dtype):
        raise ValueError(
            f"out must have the picture's shape {image.shape} and dtype {image.dtype}, not "
            f"{found[0]} and {found[1]}"
        )
    writable = out.flags.writeable if isinstance(out, np.ndarray) else hasattr(out, "__setitem__")
    if not writable or getattr(out, "read_only", False):
        raise ValueError("out cannot be written: open it for reading and writing")
    if _share_pixels(out, image):
        raise ValueError(
            "out shares pixels with the picture, but each tile needs its neighbours as they were. "
            "Write to another array or file."
        )


def without_alpha(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return a view of (height, width) or (height, width, channel) pixels without alpha."""
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def _share_pixels(first: Any, second: Any) -> bool:
    """Tell whether writing to one array may change the other.

    Numpy arrays are compared by their memory, memmaps also by their places in the file, zarr
    arrays by their stores. What a lazy array reads from is not known.
    """
    if first is second:
        return True
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        one, other = _place_in_file(first), _place_in_file(second)
        in_file = one and other and one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
        return bool(in_file) or np.may_share_memory(first, second)
    store = getattr(first, "store_path", None)
    return store is not None and bool(store == getattr(second, "store_path", None))


def _memmap_of(array: Any) -> tuple[np.memmap[Any, Any], mmap.mmap] | None:
    """Return the whole `numpy.memmap` that an array is a view of, and its mapping."""
    root = None
    while isinstance(array, np.ndarray):
        root, array = array, array.base
    return (root, array) if isinstance(root, np.memmap) and isinstance(array, mmap.mmap) else None


def _shared_mapping(array: Any) -> mmap.mmap | None:
    """Return the mapping behind an array, if its pages can be dropped without a loss."""
    found = _memmap_of(array)
    # Mode "c" keeps what is written in those pages alone.
    return found[1] if found and found[0].mode != "c" and _DROPS_PAGES else None


def _place_in_file(array: NDArray[Any]) -> tuple[tuple[int, int], int, int] | None:
    """Return the identity of the file that an array lies in, its first byte and the one after."""
    found = _memmap_of(array)
    if found is None or found[0].filename is None:
        return None
    status = Path(found[0].filename).stat()
    first, end = np.lib.array_utils.byte_bounds(array)
    before = found[0].offset - found[0].ctypes.data
    return (status.st_dev, status.st_ino), first + before, end + before
