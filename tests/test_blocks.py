"""Where blocks lie in pixels, held against where they were put."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import ARGANFilter, apply_change, colour_change, luma_change, restore
from argan_plugin.blocks import Blocks, find_blocks
from argan_plugin.color import luma
from argan_plugin.quantization_tables import ijg_luma_table, nearest_luma_quality
from argan_plugin.stacks import restore_stack
from argan_plugin.traces import middle
from argan_plugin.windows import MovedWindows, Windows
from benchmarks import drawn_pictures
from tests.jpeg_files import decoded, encoded
from tests.textures import texture
from training.metrics import psnr

Pixels = NDArray[np.uint8]
CUTS = [(0, 0), (3, 5), (7, 1)]
ROOT = Path(__file__).parents[1]


def saved(picture: Pixels, quality: int, cut: tuple[int, int] = (0, 0)) -> Pixels:
    """Return what a JPEG file shows of a picture, without its first rows and columns."""
    shown = decoded(encoded(picture, quality=quality))
    return np.ascontiguousarray(shown[cut[0] :, cut[1] :])


def grid_of(blocks: Blocks) -> tuple[int, int]:
    return blocks.down, blocks.across


def found_in(pixels: NDArray[Any]) -> Blocks:
    return find_blocks(pixels.astype(np.float32))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("quality", [10, 30, 50, 75])
@pytest.mark.parametrize(
    "picture", [texture(), drawn_pictures.text()], ids=["texture", "text on white"]
)
def test_blocks_are_where_they_were_put(
    picture: Pixels, quality: int, cut: tuple[int, int]
) -> None:
    blocks = found_in(saved(picture, quality, cut))
    assert grid_of(blocks) == (-cut[0] % 8, -cut[1] % 8)
    assert blocks.bounding
    assert blocks.doubtful
    assert blocks.steps is not None
    found, same = nearest_luma_quality(blocks.steps.astype(int).ravel().tolist())
    # Neighbours among the tables of high quality differ by one in a few steps.
    assert same
    assert quality - 2 <= found <= quality


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_has_turned_blocks(turns: int) -> None:
    shown = saved(texture(203, 245), 50)
    blocks = found_in(np.ascontiguousarray(np.rot90(shown, turns)))
    # 203 rows are 25 blocks and 3 rows, 245 columns 30 blocks and 5.
    assert grid_of(blocks) == {1: (5, 0), 2: (3, 5), 3: (0, 3)}[turns]
    table = ijg_luma_table(50)
    assert blocks.steps is not None
    np.testing.assert_array_equal(blocks.steps, table if turns == 2 else table.T)


@pytest.mark.parametrize(
    "never_compressed",
    [
        texture(),
        texture(seed=8),
        drawn_pictures.text(),
        drawn_pictures.line_art(),
        drawn_pictures.grain(),
        np.full((90, 90), 255, np.uint8),
        np.tile(np.arange(96, dtype=np.uint8), (96, 1)),
        texture(15, 400),
        texture(1, 1),
    ],
    ids=lambda picture: f"{picture.shape}",
)
def test_no_steps_where_there_are_no_blocks(never_compressed: Pixels) -> None:
    assert found_in(never_compressed).steps is None


def test_even_patterns_prove_no_steps() -> None:
    for draw in (drawn_pictures.bars, drawn_pictures.rungs, drawn_pictures.dots):
        assert found_in(draw()).steps is None


def test_an_earlier_and_stronger_compression_counts() -> None:
    picture = texture(600, 600)
    once = saved(picture, 30, (3, 5))
    twice = found_in(saved(once, 90))
    assert grid_of(twice) == (5, 3)
    assert twice.steps is None
    assert not twice.bounding


def test_what_is_saved_again_on_its_grid_keeps_its_steps() -> None:
    # Those of quality 30 are multiples of those of 90, nearly all.
    again = found_in(saved(saved(texture(600, 600), 30), 90))
    assert grid_of(again) == (0, 0)
    assert again.steps is not None
    np.testing.assert_array_equal(again.steps, ijg_luma_table(30))


@pytest.mark.parametrize("size", [(203, 245), (40, 200), (24, 33)])
def test_a_cut_picture_is_restored_as_before_it_was_cut(
    tiny_model_path: Path, size: tuple[int, int]
) -> None:
    whole = saved(texture(), 50)[: size[0], : size[1]]
    down, across = 3, 5
    part = np.ascontiguousarray(whole[down:, across:])
    for tile_size in (None, 32):
        options: dict[str, Any] = {"model": tiny_model_path, "tile_size": tile_size}
        expected = restore(whole, grid=(0, 0), **options)[down:, across:]
        result = restore(part, grid=(5, 3), **options)
        # Beyond the edge there is another picture: the whole one, or what is made up.
        np.testing.assert_array_equal(result[21:, 19:], expected[21:, 19:])
        assert result.shape == part.shape
        out = np.zeros_like(part)
        restore(part, grid=(5, 3), out=out, **options)
        np.testing.assert_array_equal(out, result)
    assert np.abs(restore(part, model=tiny_model_path, grid=(0, 0)).astype(int) - result).max() > 0


@pytest.mark.parametrize("chroma", [False, True])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiles_give_the_whole_picture(tiny_model_path: Path, chroma: bool, channels: int) -> None:
    colours = np.dstack([texture(seed=seed) for seed in range(channels)])
    part = saved(colours[..., :3], 40, (3, 5))
    part = np.concatenate([part, colours[3:, 5:, 3:]], axis=2)
    options: dict[str, Any] = {"model": tiny_model_path, "chroma": chroma}
    whole = restore(part, **options)
    for tile_size in (16, 40, 100):
        np.testing.assert_array_equal(restore(part, tile_size=tile_size, **options), whole)
    find_change = colour_change if chroma else luma_change
    np.testing.assert_array_equal(
        apply_change(part, find_change(part, model=tiny_model_path)), whole
    )
    assert grid_of(found_in(np.rint(luma(part[..., :3].astype(np.float32))))) == (5, 3)
    assert (whole != restore(part, grid=(0, 0), **options)).any()
    np.testing.assert_array_equal(whole[..., 3:], part[..., 3:])


def test_the_grid_is_looked_for_unless_it_is_given(tiny_model_path: Path) -> None:
    part = saved(texture(), 50, (3, 5))
    given = restore(part, model=tiny_model_path, grid=(5, 3), steps=ijg_luma_table(50))
    np.testing.assert_array_equal(restore(part, model=tiny_model_path), given)
    filtered = Image.fromarray(part).filter(ARGANFilter(model=tiny_model_path))
    np.testing.assert_array_equal(np.asarray(filtered), given)
    stack = restore_stack(np.stack([part, part]), model=tiny_model_path)
    np.testing.assert_array_equal(stack, [given, given])
    as_floats = restore((part / 255).astype(np.float32), model=tiny_model_path)
    np.testing.assert_allclose(as_floats * 255, given, atol=0.51)
    colours = restore(np.dstack([part] * 3), model=tiny_model_path, channel_axis=2)
    np.testing.assert_allclose(colours[..., 0].astype(int), given, atol=1)
    unmoved = restore(part, model=tiny_model_path, grid=(0, 0))
    assert (unmoved != given).any()
    by_filter = Image.fromarray(part).filter(ARGANFilter(model=tiny_model_path, grid=(0, 0)))
    np.testing.assert_array_equal(np.asarray(by_filter), unmoved)


@pytest.mark.parametrize("grid", [(8, 0), (0, -1), (0, 0.5), (1,), 3])
def test_a_wrong_grid(tiny_model_path: Path, grid: Any) -> None:
    with pytest.raises(ValueError, match="grid"):
        restore(texture(), model=tiny_model_path, grid=grid)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaps_are_no_reason_to_fail(tiny_model_path: Path, dtype: type) -> None:
    pixels = saved(texture(), 50, (3, 5)).astype(dtype) / 255
    pixels[100, 100] = np.nan
    result = restore(pixels, model=tiny_model_path, nonfinite="pass")
    assert np.isnan(result).sum() == 1


def test_moved_windows_are_those_of_a_padded_picture() -> None:
    picture = texture(40, 50)
    padded = np.pad(picture, ((3, 0), (5, 0)), mode="edge")
    for given in (picture, Windows(picture, None)):
        moved = MovedWindows(given, (3, 5))
        assert moved.shape == padded.shape
        for window in (np.s_[0:43, 0:55], np.s_[0:8, 16:24], np.s_[8:20, 0:6], np.s_[8:9, 8:9]):
            np.testing.assert_array_equal(moved[window], padded[window])
    target = np.zeros_like(picture)
    written = MovedWindows(target, (3, 5))
    for rows in (slice(0, 8), slice(8, 43)):
        for columns in (slice(0, 16), slice(16, 55)):
            written[rows, columns] = padded[rows, columns]
    np.testing.assert_array_equal(target, picture)


@pytest.mark.parametrize("quality", [10, 40, 75])
@pytest.mark.parametrize("draw", [drawn_pictures.text, drawn_pictures.line_art])
def test_text_that_was_cut_is_restored_better(draw: Callable[[], Pixels], quality: int) -> None:
    picture = draw()
    part, original = saved(picture, quality, (3, 5)), picture[3:, 5:]
    unmoved = psnr(restore(part, grid=(0, 0)), original)
    assert psnr(restore(part), original) > unmoved + 0.5
    assert psnr(apply_change(part, luma_change(part)), original) > unmoved + 0.3


@pytest.mark.parametrize("quality", [10, 75])
def test_steps_of_a_part_do_not_spoil_the_rest(quality: int) -> None:
    page = np.tile(drawn_pictures.text(), (3, 3))
    height, width = drawn_pictures.text().shape
    inside = np.s_[height : 2 * height, width : 2 * width]
    screen = page.copy()
    screen[inside] = saved(page[inside], quality)
    assert found_in(screen[middle(*screen.shape)]).steps is not None
    restored = restore(screen)
    outside = np.ones(page.shape, bool)
    outside[inside] = False
    worst = np.abs(restored.astype(int) - page)[outside]
    assert 10 * np.log10(255**2 / np.mean(worst.astype(float) ** 2)) > 55
    spoilt = restore(screen, steps=ijg_luma_table(quality)).astype(int) - page
    assert np.mean(spoilt[outside] ** 2) > 100 * np.mean(worst**2)


def test_no_other_threads_are_set_to_work() -> None:
    """OpenBLAS's go on spinning for a while, where the network's threads want to begin."""
    code = """
import time
import numpy as np
from argan_plugin.blocks import find_blocks
from tests.jpeg_files import decoded, encoded
from tests.textures import texture

shown = decoded(encoded(texture(600, 600), quality=30)).astype(np.float32)
find_blocks(shown)
all_threads, this_one = time.process_time(), time.thread_time()
for _ in range(5):
    assert find_blocks(shown).steps is not None
print((time.process_time() - all_threads) / (time.thread_time() - this_one))
"""
    shares = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert float(shares.stdout) < 1.05
