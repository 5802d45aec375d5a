"""OME-Zarr: a pyramid in, a pyramid out, in parts, so that an interrupted run can go on.

zarr alone reads and writes: metadata are copied, never made, so that ome-zarr-py would have nothing
to do, and it brings libraries for cloud storage and limits on the versions of dask and pydantic.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from argan_plugin import __version__
from argan_plugin.arrays import Nonfinite, ValueRange
from argan_plugin.correction import Correction
from argan_plugin.devices import Device
from argan_plugin.errors import DeviceError, ImageFileError, UnsupportedImageError
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.ngff import ARRAY_FILES, GROUP_FILES, Pyramid, describe_method, read_pyramid
from argan_plugin.pyramid_parts import Part, parts_to_restore, parts_to_shrink
from argan_plugin.restoration import restore
from argan_plugin.resume import sums_of
from argan_plugin.shrinking import means
from argan_plugin.tilewise import AnyModel, check_strength
from argan_plugin.unfinished import UnfinishedFolder

if TYPE_CHECKING:
    import zarr


def restore_ome_zarr(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    rgb: bool | None = None,
    model: AnyModel = None,
    strength: float = 1.0,
    chroma: bool = False,
    value_range: tuple[float, float] | None = None,
    nonfinite: Nonfinite = "raise",
    tile_size: int | None = None,
    device: Device = "auto",
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Restore an OME-Zarr image on the disk into another: formats 0.1 to 0.5, zarr 2 and 3.

    The largest level is restored plane by plane, as by ``restore(plane, grid=(0, 0))``; each other
    one becomes the means of the restored pixels, in the size that it had. Axes, transformations,
    channels, chunks and compression are those of the source, labels and all other files are copied.
    How the levels were made is new in the metadata. While the image is not whole its folder is
    called ``TARGET.unfinished``; started again with the same arguments, the run does what is
    missing.

    Parameters
    ----------
    source : path
        A folder with one image: its metadata have ``multiscales`` with one entry.
    target : path
        Must not exist.
    rgb : bool, optional
        Whether 3 channels are red, green and blue, and restored together; otherwise each is a
        picture of its own. By default they are if they are uint8 and have these colours in the
        metadata, in this order.
    model, strength, chroma, value_range, nonfinite, tile_size, device
        As in `restore`.
    progress : callable, optional
        ``progress(done, total)``, called after each part; those of an earlier run count.
    cancel : threading.Event, optional
        Set it from another thread to stop within about 0.1 s; what is done is kept.

    Raises
    ------
    ImageFileError
        If `source` is no OME-Zarr image, `target` exists, was begun with another model or settings,
        or is being written by another process, or a file cannot be read or written.
    UnsupportedImageError
        If pixels cannot be restored: see `restore`.
    DeviceError
        If zarr is not installed, and as in `restore`.
    ModelError, Cancelled, ValueError
        As in `restore`.
    """
    check_strength(strength)
    network = model if isinstance(model, RestorationModel) else open_model(model, device=device)
    source, target = Path(source), Path(target)
    pyramid = read_pyramid(source)
    levels = [_open(source / level, mode="r") for level in pyramid.levels]
    _check_levels(source, pyramid, levels)
    rgb = _is_rgb(pyramid, levels[0], rgb)
    settings = {
        **sums_of(network.path, chroma=chroma),
        "strength": strength,
        "chroma": chroma,
        "value_range": value_range and list(value_range),
        "nonfinite": nonfinite,
        "rgb": rgb,
    }
    work = {"source": _fingerprint(source, pyramid), "version": __version__, **settings}
    restored = functools.partial(
        restore,
        model=network,
        strength=strength,
        chroma=chroma,
        channel_axis=0 if rgb else None,
        value_range=value_range,
        nonfinite=nonfinite,
        grid=(0, 0),  # in all parts alike
        tile_size=tile_size,
        cancel=cancel,
    )
    context = Correction(
        network, ValueRange(0, 1), chroma=chroma and rgb, gaps=nonfinite == "pass", cancel=None
    )
    with _failing_as_file_error(target), UnfinishedFolder(target, work).open() as unfinished:
        for level in pyramid.levels:
            _copy_files(source / level, unfinished.path / level, ARRAY_FILES)
        results = [_open(unfinished.path / level, mode="r+") for level in pyramid.levels]
        channel_axis = pyramid.axes.index("c") if rgb else None
        parts = [*parts_to_restore(results[0], channel_axis, context.halo, context.size_multiple)]
        for number, result in enumerate(results[1:], start=1):
            parts += parts_to_shrink(results[number - 1], result, number)
        for done, part in enumerate(parts, start=1):
            if not unfinished.has(part.name):
                if part.level == 0:
                    given = _read(levels[0], part)
                    pixels = _restored_planes(given, channel_axis, restored)[part.keep]
                else:
                    pixels = means(_read(results[part.level - 1], part), part.limits)
                results[part.level][part.write] = pixels
                unfinished.note(part.name)
            if progress is not None:
                progress(done, len(parts))
        _copy_rest(source, unfinished.path, pyramid)
        method = {"method": "argan_plugin.ome_zarr.restore_ome_zarr", "version": __version__}
        describe_method(unfinished.path, {**method, "kwargs": settings})
        unfinished.finish()


@contextlib.contextmanager
def _failing_as_file_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageFileError(
            f"{target}: cannot be written: {error.strerror or error}. Start again to go on."
        ) from error


def _read(array: zarr.Array[Any], part: Part) -> NDArray[Any]:
    """Return what a part is computed from.

    Raises
    ------
    ImageFileError
        If a chunk is damaged.
    """
    try:
        return np.asarray(array[part.read])
    except (OSError, RuntimeError, ValueError, TypeError) as error:  # what codecs raise
        raise ImageFileError(f"{array.store_path}: cannot be read: {error}.") from error


def _restored_planes(
    pixels: NDArray[Any],
    channel_axis: int | None,
    restored: Callable[[NDArray[Any]], NDArray[Any]],
) -> NDArray[Any]:
    """Restore each plane of a part, its channels together if an axis is given."""
    planes = pixels if channel_axis is None else np.moveaxis(pixels, channel_axis, -3)
    result = np.empty_like(planes)
    for index in np.ndindex(planes.shape[: -2 if channel_axis is None else -3]):
        result[index] = restored(planes[index])
    return result if channel_axis is None else np.moveaxis(result, -3, channel_axis)


def _is_rgb(pyramid: Pyramid, largest: zarr.Array[Any], rgb: bool | None) -> bool:
    """Tell whether the channels belong together, by the caller's word or the metadata.

    Raises
    ------
    UnsupportedImageError
        If they are to, but are not three.
    """
    has_three = "c" in pyramid.axes and largest.shape[pyramid.axes.index("c")] == 3
    if rgb and not has_three:
        raise UnsupportedImageError(
            f"rgb=True needs a channel axis of length 3, but the axes are {pyramid.axes} and the "
            f"shape is {largest.shape}."
        )
    return has_three and (pyramid.rgb and largest.dtype == np.uint8 if rgb is None else rgb)


def _open(path: Path, mode: Literal["r", "r+"]) -> zarr.Array[Any]:
    """Open a level."""
    try:
        import zarr
    except ImportError as error:
        raise DeviceError(
            'OME-Zarr needs zarr 3. Install it with `pip install "argan-plugin[scale]"`.'
        ) from error
    try:
        return zarr.open_array(path, mode=mode)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ImageFileError(f"{path}: cannot be opened as a zarr array: {error}") from error


def _check_levels(source: Path, pyramid: Pyramid, levels: list[zarr.Array[Any]]) -> None:
    """Make sure that the levels are a pyramid."""
    for larger, smaller in itertools.pairwise([levels[0], *levels]):
        fits = len(larger.shape) == len(smaller.shape) == len(pyramid.axes)
        if not fits or any(
            not 1 <= shorter <= length
            for length, shorter in zip(larger.shape, smaller.shape, strict=True)
        ):
            raise UnsupportedImageError(
                f"{source}: expected levels of {len(pyramid.axes)} axes, each no larger than the "
                f"one before, but their shapes are {[level.shape for level in levels]}."
            )
        if larger.dtype != smaller.dtype:
            raise UnsupportedImageError(f"{source}: its levels differ in dtype.")


def _fingerprint(source: Path, pyramid: Pyramid) -> str:
    """Return what tells a source from others: its name and all of its metadata."""
    digest = hashlib.sha256(os.fsencode(source.absolute().name))
    files = [source / name for name in GROUP_FILES]
    files += [source / level / name for level in pyramid.levels for name in ARRAY_FILES]
    for path in files:
        digest.update(path.read_bytes() if path.is_file() else b"-")
    return digest.hexdigest()


def _copy_files(source: Path, target: Path, names: Sequence[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _copy_rest(source: Path, target: Path, pyramid: Pyramid) -> None:
    """Copy all but the pixels: labels, the groups' metadata, those of other formats."""
    levels = {source / level for level in pyramid.levels}

    def inside(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder, name) in levels]

    shutil.copytree(source, target, ignore=inside, dirs_exist_ok=True, symlinks=True)
    for level in pyramid.levels:  # of processes that were killed while zarr wrote a chunk
        for left in (target / level).rglob("*.partial"):
            left.unlink()
