"""Compressions are found again in pixels, and not where there were none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.fft import dctn

from argan_plugin import block_grids, dct, traces
from argan_plugin.jpeg import round_trip
from argan_plugin.quantization_tables import ijg_luma_table
from argan_plugin.traces import find_compression, middle
from benchmarks.drawn_pictures import Pixels, bars, rungs
from tests.textures import texture


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90])
@pytest.mark.parametrize(("down", "across"), [(0, 0), (3, 6), (7, 0)])
def test_a_compression_is_found_on_its_grid(quality: int, down: int, across: int) -> None:
    compressed = round_trip(texture(), quality=quality)[-down % 8 :, -across % 8 :]

    found = find_compression(compressed)

    assert found is not None
    assert (found.down, found.across) == (down, across)
    assert abs(found.quality - quality) <= 1  # neighbours share steps
    assert found.certainty == "certain"


@pytest.mark.parametrize(("first", "second"), [(30, 60), (50, 75), (75, 85), (80, 90)])
@pytest.mark.parametrize("cut", [(3, 5), (4, 4), (7, 1)])
def test_zeros_tell_of_what_a_later_compression_blurs(
    first: int, second: int, cut: tuple[int, int]
) -> None:
    once = round_trip(texture(520, 520), quality=first)[cut[0] :, cut[1] :]
    twice = round_trip(np.ascontiguousarray(once), quality=second)
    found = find_compression(twice, ijg_luma_table(second))
    assert found is not None
    assert (found.down, found.across) == (8 - cut[0], 8 - cut[1])
    assert abs(found.quality - first) <= 1


@pytest.mark.parametrize(("first", "second"), [(90, 50), (60, 50), (75, 60)])
def test_an_earlier_compression_that_was_weaker_is_none(first: int, second: int) -> None:
    once = round_trip(texture(520, 520), quality=first)[3:, 5:]
    twice = round_trip(np.ascontiguousarray(once), quality=second)
    assert find_compression(twice, ijg_luma_table(second)) is None


@pytest.mark.parametrize("shift", [0, 5])
@pytest.mark.parametrize(("first", "second"), [(20, 75), (40, 90), (70, 95)])
def test_an_earlier_compression_is_found_under_a_weaker_one(
    first: int, second: int, shift: int
) -> None:
    earlier = round_trip(texture(), quality=first)[shift:, shift:]
    compressed = round_trip(earlier, quality=second)

    found = find_compression(compressed, ijg_luma_table(second))

    assert found is not None
    assert (found.down, found.across) == (-shift % 8, -shift % 8)
    assert abs(found.quality - first) <= 2


@pytest.mark.parametrize("quality", [10, 40, 60, 75, 90, 95, 100])
def test_a_single_compression_is_no_earlier_one(quality: int) -> None:
    compressed = round_trip(texture(), quality=quality)
    assert find_compression(compressed, ijg_luma_table(quality)) is None


@pytest.mark.parametrize("quality", [10, 20, 30, 40, 60, 75, 85, 90, 92])
@pytest.mark.parametrize("draw", [bars, rungs])
def test_even_bars_are_no_earlier_compression(draw: Callable[[], Pixels], quality: int) -> None:
    # Few blocks lie at multiples of many steps; rounding spreads them as in a photograph.
    compressed = round_trip(draw(), quality=quality)
    assert find_compression(compressed, ijg_luma_table(quality)) is None


def test_pictures_that_were_never_compressed() -> None:
    rows, columns = np.mgrid[:300, :300]
    pictures = {
        "texture": texture(),
        "noise": np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8),
        "gradient": (rows + columns) / 3,
        "constant": np.full((300, 300), 77, np.uint8),
        "stripes": (columns // 8 % 2 * 200).astype(np.uint8),
        "checks": ((rows // 3 + columns // 5) % 2 * 120).astype(np.uint8),
        "one block": np.full((8, 8), 3),
        "one row": np.full((1, 5000), 3),
    }
    for name, picture in pictures.items():
        assert find_compression(picture) is None, name


def test_what_hides_or_changes_a_compression() -> None:
    compressed = round_trip(texture(), quality=30).astype(float)
    assert find_compression(compressed) is not None
    noise = np.random.default_rng(1).normal(0, 12, compressed.shape)
    assert find_compression(compressed + noise) is None
    darker = find_compression(compressed * 0.5)  # half the contrast: half the steps
    assert darker is not None
    assert darker.quality == pytest.approx(60, abs=4)
    assert find_compression(compressed[:, :-1] / 2 + compressed[:, 1:] / 2) is None  # blurred


def test_the_middle_of_a_large_picture_is_enough() -> None:
    large = round_trip(texture(700, 900), quality=40)
    rows, columns = middle(*large.shape)
    assert (rows.start, columns.start) == (88, 192)
    assert find_compression(large) == find_compression(large[rows, columns])


def test_sizes_are_those_of_the_blocks_on_each_grid() -> None:
    # No whole numbers: theirs lie on the edges of bins, where rounding decides.
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (90, 75))
    pixels = round_trip(texture(90, 75), quality=60) + noise
    found = list(traces._histograms(pixels.astype(np.float32)))
    for down, across in np.ndindex(8, 8):
        height, width = (size // 8 * 8 for size in pixels[down:, across:].shape)
        blocks = dct.split(pixels[down : down + height, across : across + width])
        coefficients = np.abs(dctn(blocks, axes=(2, 3), norm="ortho"))
        for frequency, histograms in zip(traces._FREQUENCIES, found, strict=True):
            edges = np.arange(histograms.shape[1] + 1) * traces._BIN
            expected, _ = np.histogram(coefficients[..., *frequency], edges)
            apart = (histograms[down * 8 + across] - expected).cumsum()
            assert apart[-1] == 0
            assert np.abs(apart).max() <= 1  # float32 may round one into the next bin


@pytest.mark.parametrize("bins", [1, 40, 1600])
def test_how_many_sizes_are_in_a_bin_or_above(bins: int) -> None:
    rng = np.random.default_rng(0)
    histograms = rng.integers(0, 5, (64, bins)).astype(np.float32)
    first = np.array([4, 6, 31, 700])
    expected = np.stack([histograms[:, start:].sum(axis=1) for start in first], axis=1)
    np.testing.assert_array_equal(traces._from(histograms, first), expected)
    waves = rng.normal(size=(1600, 53)).astype(np.float32)
    product = traces._held_against(histograms, waves)
    np.testing.assert_allclose(product, histograms @ waves[:bins], rtol=1e-4, atol=1e-2)


def test_coefficients_next_to_zero_are_those_of_the_blocks_on_each_grid() -> None:
    # One cell, all of whose blocks are looked at: 8 by 8 places and the last row and column.
    cell = texture(16, 16).astype(np.float32)
    expected = np.zeros((8, 8), int)
    for down, across in np.ndindex(8, 8):
        block = dctn(cell[down : down + 8, across : across + 8].astype(float), norm="ortho")
        expected[down, across] = np.count_nonzero(np.abs(block) < 3)
    assert expected.min() > 0
    np.testing.assert_array_equal(block_grids._zeros(cell, 3, 1), expected)
