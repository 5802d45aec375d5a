"""Tiles cover a picture once, lie on the grid, and give the untiled result."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from argan_plugin import tiling
from argan_plugin.errors import DeviceError
from argan_plugin.tiling import SMALLEST_TILE_SIZE, Tile, map_tiles, plan_tiles

_SIZES = st.integers(1, 300)


@settings(max_examples=150, deadline=None)
@given(
    height=_SIZES,
    width=_SIZES,
    tile_size=st.integers(1, 400),
    size_multiple=st.sampled_from([1, 2, 8, 16]),
    halo_steps=st.integers(0, 4),
)
def test_tiles_cover_each_pixel_once_on_the_grid_with_their_halo(
    height: int, width: int, tile_size: int, size_multiple: int, halo_steps: int
) -> None:
    halo = halo_steps * size_multiple
    covered = np.zeros((height, width), int)
    indices = np.arange(height * width).reshape(height, width)
    largest = -(-tile_size // size_multiple) * size_multiple + 2 * halo
    tiles = plan_tiles(height, width, tile_size=tile_size, halo=halo, size_multiple=size_multiple)
    assert len({indices[tile.read].shape for tile in tiles}) == 1, "a GPU plans once"
    for tile in tiles:
        covered[tile.write] += 1
        assert np.array_equal(indices[tile.read][tile.keep], indices[tile.write])
        for read, write, length in zip(tile.read, tile.write, (height, width), strict=True):
            assert read.start % size_multiple == write.start % size_multiple == 0
            assert write.start - read.start >= min(halo, write.start)
            assert read.stop - write.stop >= min(halo, length - write.stop)
            assert write.stop > write.start
            assert read.stop - read.start < largest + size_multiple
    assert (covered == 1).all()


@settings(max_examples=60, deadline=None)
@given(height=_SIZES, width=_SIZES, halo=st.sampled_from([0, 8, 24, 64]), side=st.integers(60, 200))
@example(height=65, width=65, halo=24, side=60)  # tiles that are nearly all halo
def test_the_default_tiles_read_fewest_pixels(
    height: int, width: int, halo: int, side: int
) -> None:
    def pixels(tile: Tile) -> int:
        return int(np.prod([part.stop - part.start for part in tile.read]))

    def plan(tile_size: int | None, largest: int) -> list[int]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tiling, "DEFAULT_TILE_PIXELS", largest)
            tiles = plan_tiles(height, width, tile_size=tile_size, halo=halo, size_multiple=8)
        covered = np.zeros((height, width), int)
        for tile in tiles:
            covered[tile.write] += 1
        assert (covered == 1).all()
        return [pixels(tile) for tile in tiles]

    chosen = plan(None, side**2)
    if height * width <= side**2:
        assert chosen == [height * width]
    # No tiling into squares that keeps within the limit reads less, but for the last row's and
    # column's rounding to the grid.
    for tile_size in range(8, 304, 8):
        squares = plan(tile_size, 0)
        if max(squares) <= side**2:
            assert max(chosen) <= side**2
            assert sum(chosen) <= 1.1 * sum(squares)


def test_the_default_tiles_of_large_pictures_are_square() -> None:
    tiles = plan_tiles(20_000, 20_000, tile_size=None, halo=96, size_multiple=8)
    sides = {part.stop - part.start for tile in tiles[16:20] for part in tile.write}
    assert max(sides) - min(sides) < 100
    # A halo that leaves no room is not refused.
    assert len(plan_tiles(5000, 5000, tile_size=None, halo=900, size_multiple=8)) == 9


def test_one_shape_costs_next_to_nothing() -> None:
    tiles = plan_tiles(1030, 4001, tile_size=1024, halo=128, size_multiple=8)
    assert [tile.write[0] for tile in tiles[::4]] == [slice(0, 520), slice(520, 1030)]
    read = {tuple(part.stop - part.start for part in tile.read) for tile in tiles}
    assert read == {(654, 1201)}
    # What is read beyond the picture itself: a halo on each side of each cut, and rounding.
    assert 2 * 654 - (1030 + 2 * 128) <= 2 * 16
    assert 4 * 1201 - (4001 + 6 * 128) <= 4 * 16


def test_tiles_of_whole_chunks_are_not_made_of_one_shape_at_any_cost() -> None:
    tiles = plan_tiles(5000, 9, tile_size=4096, halo=8, size_multiple=(2048, 8), one_shape=False)
    assert [tile.read[0] for tile in tiles] == [slice(0, 4104), slice(4088, 5000)]


def test_parts_between_others_have_a_halo_on_both_sides() -> None:
    area = slice(96, 200), slice(0, 40)
    tiles = plan_tiles(300, 40, tile_size=60, halo=16, size_multiple=8, area=area)
    assert [tile.write[0] for tile in tiles] == [slice(96, 152), slice(152, 200)]
    assert [tile.read[0] for tile in tiles] == [slice(80, 172), slice(136, 228)]


@pytest.mark.parametrize(
    ("tile_size", "error"), [(0, ValueError), (-8, ValueError), (1.5, TypeError)]
)
def test_impossible_tile_sizes_are_refused(tile_size: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        plan_tiles(9, 9, tile_size=tile_size, halo=0, size_multiple=1)


def _mean_of_blocks_and_neighbours(image: NDArray[Any]) -> NDArray[Any]:
    """Do what a network of stride 4 does: it needs tiles on the grid, and a halo of 8."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % 4), (0, -width % 4)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 4, 4, padded.shape[1] // 4, 4).mean(axis=(1, 3))
    mixed = ndimage.uniform_filter(blocks, 3, mode="constant")
    result: NDArray[Any] = np.kron(mixed, np.ones((4, 4)))[:height, :width]
    return result


def _tiled(image: NDArray[Any], **options: Any) -> NDArray[Any]:
    return map_tiles(
        lambda windows: [_mean_of_blocks_and_neighbours(window) for window in windows],
        image,
        **options,
    )


@pytest.mark.parametrize("tile_size", [1, 8, 13, 40, 1000])
def test_tiled_equals_untiled(tile_size: int) -> None:
    image = np.random.default_rng(3).random((61, 90))
    tiled = _tiled(image, tile_size=tile_size, halo=8, size_multiple=4)
    np.testing.assert_allclose(tiled, _mean_of_blocks_and_neighbours(image), atol=1e-12)


@pytest.mark.parametrize(("halo", "size_multiple"), [(0, 4), (9, 3)])
def test_a_missing_halo_or_a_wrong_grid_would_show(halo: int, size_multiple: int) -> None:
    image = np.random.default_rng(3).random((61, 90))
    tiled = _tiled(image, tile_size=24, halo=halo, size_multiple=size_multiple)
    assert np.abs(tiled - _mean_of_blocks_and_neighbours(image)).max() > 0.01


def test_progress_counts_every_tile_and_out_is_filled() -> None:
    image = np.arange(30.0 * 20).reshape(30, 20)
    out = np.zeros((30, 20), np.float32)
    calls: list[tuple[int, int]] = []
    result = map_tiles(
        lambda windows: [window * 2 for window in windows],
        image,
        tile_size=10,
        halo=0,
        size_multiple=1,
        out=out,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert result is out
    assert np.array_equal(out, image * 2)
    assert calls == [(done, 6) for done in range(1, 7)]


def test_when_memory_runs_out_batches_are_halved_before_tiles() -> None:
    image = np.random.default_rng(4).random((300, 200))
    given: list[int] = []

    def takes_two(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        given.append(len(windows))
        if len(windows) > 2:
            raise MemoryError
        return [_mean_of_blocks_and_neighbours(window) for window in windows]

    calls: list[tuple[int, int]] = []
    tiled = map_tiles(
        takes_two,
        image,
        tile_size=100,
        halo=8,
        size_multiple=4,
        at_once=lambda height, width: 5 if (height, width) == (112, 108) else 0,
        progress=lambda done, total: calls.append((done, total)),
    )  # a warning would be an error: no tile was too large
    np.testing.assert_allclose(tiled, _mean_of_blocks_and_neighbours(image), atol=1e-12)
    assert given == [5, 2, 2, 2]
    assert calls == [(done, 6) for done in range(1, 7)]


def test_when_memory_runs_out_tiles_are_halved_and_what_is_done_stays() -> None:
    image = np.random.default_rng(4).random((600, 400))
    seen: list[tuple[int, ...]] = []

    def fails_from_the_second_large_tile_on(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        (window,) = windows
        if seen and window.size > 150 * 150:
            raise MemoryError
        seen.append(window.shape)
        return [_mean_of_blocks_and_neighbours(window)]

    calls: list[tuple[int, int]] = []
    with pytest.warns(RuntimeWarning, match="tile_size=100"):
        tiled = map_tiles(
            fails_from_the_second_large_tile_on,
            image,
            tile_size=200,
            halo=8,
            size_multiple=4,
            progress=lambda done, total: calls.append((done, total)),
        )
    np.testing.assert_allclose(tiled, _mean_of_blocks_and_neighbours(image), atol=1e-12)
    # One of six large tiles was done, the others in four parts each, or six: those at the ends of
    # the picture kept 204 rows and had no halo beyond.
    assert calls == [(1, 6)] + [(done, 23) for done in range(2, 24)]


def test_below_the_smallest_tile_the_lack_of_memory_is_said() -> None:
    tried: list[tuple[int, ...]] = []

    def fails(windows: list[NDArray[Any]]) -> list[NDArray[Any]]:
        tried.append(windows[0].shape)
        raise MemoryError

    side = SMALLEST_TILE_SIZE
    with warnings.catch_warnings(), pytest.raises(DeviceError, match="Not enough memory"):
        warnings.simplefilter("ignore", RuntimeWarning)
        map_tiles(fails, np.zeros((side * 4, side * 4)), tile_size=999, halo=0, size_multiple=1)
    assert tried == [(side * 4, side * 4), (side * 2, side * 2), (side, side)]
