"""Compressions are found again in pixels, and not where there were none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

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
