"""Pictures that are read and written by windows, against `restore` of the same in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from argan_plugin import Cancelled, RestorationModel, UnsupportedImageError, restore
from argan_plugin.tiling import plan_tiles

_TILE, _HALO = 64, 16


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


class Parts:
    """An array that gives and takes small parts alone."""

    def __init__(self, pixels: NDArray[Any], most: int = _TILE + 2 * _HALO) -> None:
        self._pixels, self._most = pixels, most
        self.shape = pixels.shape
        self.dtype = pixels.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        part = self._pixels[key]
        assert max(part.shape) <= self._most
        return part

    def __setitem__(self, key: tuple[slice, ...], values: NDArray[Any]) -> None:
        assert self._pixels[key].shape == values.shape
        self._pixels[key] = values


def as_memmap(pixels: NDArray[Any], path: Path, **options: Any) -> np.memmap[Any, Any]:
    mapped = np.memmap(path, dtype=pixels.dtype, shape=pixels.shape, mode="w+", **options)
    mapped[:] = pixels
    return mapped


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "channels first"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("strength", [1, 0.4])
def test_never_more_than_a_tile(
    model: RestorationModel, photo: NDArray[np.uint8], kind: str, dtype: Any, strength: float
) -> None:
    pixels = np.tile(photo, (2, 2, 1)).astype(dtype)
    axis = 0 if kind == "channels first" else None
    if kind == "rgba":
        pixels = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    pixels = {"grey": pixels[..., 0], "channels first": np.moveaxis(pixels, -1, 0)}.get(
        kind, pixels
    )
    options: dict[str, Any] = {"model": model, "channel_axis": axis, "tile_size": _TILE}
    options |= {"strength": strength, "grid": (0, 0)}
    expected = restore(np.ascontiguousarray(pixels), **options)
    result = np.zeros_like(pixels)
    out = Parts(result)
    returned: Any = restore(Parts(pixels), out=out, **options)
    assert returned is out
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(restore(Parts(pixels), **options), expected)


def test_blocks_are_looked_for_in_the_middle_alone(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    pixels = np.tile(photo[..., 0], (7, 5))  # 651 x 590
    side = 512
    assert min(pixels.shape) > side
    expected = restore(pixels, model=model, tile_size=_TILE)
    result = restore(Parts(pixels, side), model=model, tile_size=_TILE)
    np.testing.assert_array_equal(result, expected)


def test_arrays_of_other_libraries(
    model: RestorationModel, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    expected = restore(photo, model=model)
    chunked = zarr.create_array(
        tmp_path / "in.zarr", shape=photo.shape, chunks=(32, 50, 2), dtype=photo.dtype
    )
    chunked[:] = photo
    tifffile.imwrite(tmp_path / "in.tif", photo, tile=(48, 32), photometric="rgb")
    with tifffile.imread(tmp_path / "in.tif", aszarr=True) as store:
        images: dict[str, Any] = {
            "memmap": as_memmap(photo, tmp_path / "in"),
            "zarr": chunked,
            "dask": da.from_array(photo, chunks=(40, 50, 3)),
            "tifffile": zarr.open_array(store, mode="r"),
        }
        for name, image in images.items():
            outputs: list[Any] = [
                as_memmap(np.zeros_like(photo), tmp_path / f"{name}.out"),
                zarr.create_array(
                    tmp_path / f"{name}.zarr", shape=photo.shape, chunks=(50, 32, 3), dtype="uint8"
                ),
            ]
            for out in outputs:
                restore(image, model=model, out=out)
                np.testing.assert_array_equal(out[:], expected)


@pytest.mark.parametrize("strength", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, 1.5])
def test_bad_floats_are_found_before_anything_is_written(
    model: RestorationModel, strength: float, bad: float
) -> None:
    image = np.full((1100, 40), 0.5, np.float32)  # more than one window
    image[-1, -1] = bad
    out = np.full_like(image, 7)
    with pytest.raises(UnsupportedImageError):
        restore(image, model=model, out=out, strength=strength)
    assert (out == 7).all()


def test_what_is_there_after_an_interruption(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    out = np.full_like(photo, 99)
    cancel = threading.Event()

    def stop(done: int, _: int) -> None:
        if done == 1:
            cancel.set()

    options: dict[str, Any] = {"model": model, "tile_size": 32}
    with pytest.raises(Cancelled):
        restore(photo, out=out, progress=stop, cancel=cancel, **options)
    expected = np.full_like(photo, 99)
    first = plan_tiles(
        *photo.shape[:2],
        tile_size=32,
        halo=model.info.halo,
        size_multiple=model.info.size_multiple,
    )[0].write
    assert first[0].stop < photo.shape[0]
    assert first[1].stop < photo.shape[1]
    expected[first] = restore(photo, **options)[first]
    np.testing.assert_array_equal(out, expected)


def test_out_that_does_not_fit(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    read_only = np.zeros_like(photo)
    read_only.flags.writeable = False
    wrong: list[Any] = [photo[:-1].copy(), photo.astype(np.uint16), read_only, [[0]]]
    wrong.append(da.zeros(photo.shape, dtype=bool))
    for out in wrong:
        with pytest.raises(ValueError, match="out"):
            restore(photo, model=model, out=out)


def test_out_that_shares_pixels(
    model: RestorationModel, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    stored = np.stack([photo, photo])
    path = tmp_path / "pixels"
    mapped = as_memmap(stored, path, offset=100)
    again = np.memmap(path, dtype=np.uint8, shape=stored.shape, mode="r+", offset=100)
    chunked = zarr.create_array(
        tmp_path / "a.zarr", shape=photo.shape, chunks=(50, 50, 3), dtype="u1"
    )
    sharing: list[tuple[Any, Any]] = [
        (photo, photo),
        (photo, photo[::-1]),
        (photo[1:], photo[:-1]),
        (mapped[0], mapped[0]),
        (mapped[0], again[0]),
        (chunked, zarr.open_array(tmp_path / "a.zarr")),
    ]
    for image, out in sharing:
        with pytest.raises(ValueError, match="shares pixels"):
            restore(image, model=model, out=out)
    restore(mapped[0], model=model, out=again[1])  # two pictures in one file
    np.testing.assert_array_equal(mapped[0], photo)
    np.testing.assert_array_equal(mapped[1], restore(photo, model=model))


def test_what_a_memmap_keeps_in_memory_alone_is_not_lost(
    model: RestorationModel, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    as_memmap(np.zeros_like(photo), tmp_path / "out").flush()
    out = np.memmap(tmp_path / "out", dtype=np.uint8, shape=photo.shape, mode="c")
    restore(photo, model=model, out=out, tile_size=32)
    np.testing.assert_array_equal(out, restore(photo, model=model, tile_size=32))
    assert not np.fromfile(tmp_path / "out", np.uint8).any()


def resident_bytes(path: Path) -> int:
    """Return how much of the mappings of a file is in this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    size = 0
    for line in lines:
        if line.endswith(str(path)):
            resident = next(line for line in lines if line.startswith("Rss:"))
            size += int(resident.split()[1]) * 1024
    return size


@pytest.mark.skipif(sys.platform != "linux", reason="says how much is resident in /proc")
def test_pages_of_memmaps_are_given_back(identity_model_path: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4096, 2048), np.uint8)
    image = as_memmap(pixels, tmp_path / "in")
    out = as_memmap(np.zeros_like(pixels), tmp_path / "out")
    assert resident_bytes(tmp_path / "in") == pixels.nbytes
    peaks = []

    def look(*_: int) -> None:
        peaks.append(sum(resident_bytes(tmp_path / name) for name in ("in", "out")))

    model = RestorationModel(identity_model_path, device="cpu")
    restore(image, model=model, out=out, tile_size=512, progress=look)
    assert len(peaks) == 32
    assert max(peaks) < pixels.nbytes / 4
    np.testing.assert_array_equal(out, pixels)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_gigapixel_in_little_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.huge", "--cases", "gigapixel"]
    subprocess.run(
        [*command, "--folder", str(tmp_path), "--json", str(tmp_path / "huge.json")],
        check=True,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    (row,) = json.loads((tmp_path / "huge.json").read_text())["rows"]
    assert row["megapixels"] >= 1000
    assert row["peak_megabytes"] < 1500
