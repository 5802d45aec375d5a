"""Which arrays are pictures, and that pixels come back as they went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.arrays import (
    ValueRange,
    as_floats,
    colour_view,
    find_value_range,
    limit_and_round,
    to_unit,
)
from argan_plugin.errors import UnsupportedImageError


def test_luma_is_taken_whole_and_alpha_is_left_out() -> None:
    assert colour_view(np.zeros((4, 5)), None).shape == (4, 5)
    assert colour_view(np.zeros((4, 5, 3)), None).shape == (4, 5, 3)
    assert colour_view(np.zeros((4, 5, 4)), None).shape == (4, 5, 3)


@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 6), 0), ((5, 4, 6), 1), ((4, 5, 6), -3)])
def test_channels_may_be_on_any_axis(shape: tuple[int, ...], axis: int) -> None:
    image = np.zeros(shape)
    view = colour_view(image, axis)
    assert view.shape == (5, 6, 3)
    view[...] = 1
    assert image.sum() == 5 * 6 * 3, "not a view, or not without alpha"


@pytest.mark.parametrize(
    ("shape", "axis", "words"),
    [
        ((), None, "2 axes"),
        ((4,), None, "2 axes"),
        ((4, 5, 1), None, r"image\[\.\.\., 0\]"),
        ((4, 5, 2), None, "3 or 4 channels"),
        ((3, 4, 5), None, "channel_axis"),
        ((2, 4, 5, 3), None, "one by one"),
        ((4, 5), -1, "channels on axis -1"),
        ((5, 4, 3), 0, "channels on axis 0"),
        ((4, 5, 3), 3, "channel_axis must be"),
        ((0, 5), None, "no pixels"),
        ((4, 0, 3), None, "no pixels"),
    ],
)
def test_other_shapes_are_refused(shape: tuple[int, ...], axis: int | None, words: str) -> None:
    with pytest.raises(UnsupportedImageError, match=words) as raised:
        colour_view(np.zeros(shape), axis)
    assert words == "channel_axis must be" or str(shape) in str(raised.value)


@pytest.mark.parametrize("picture", [[[0, 1]], Image.new("L", (2, 2)), memoryview(b"ab"), None])
def test_what_is_no_array_is_refused(picture: Any) -> None:
    with pytest.raises(UnsupportedImageError, match=r"ARGANFilter.*numpy\.asarray"):
        colour_view(picture, None)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("u1", (0, 255)), (">u2", (0, 65535)), ("f2", (0, 1)), (">f8", (0, 1))]
)
def test_default_ranges(dtype: str, expected: tuple[float, float]) -> None:
    limits = find_value_range(np.zeros((2, 2), dtype), None)
    assert (limits.low, limits.high) == expected


@pytest.mark.parametrize("dtype", ["?", "c8", "O", "U1", "M8[s]", "V3", "i8", "u8", "g"])
def test_dtypes_that_are_no_pixels_are_refused_by_name(dtype: str) -> None:
    pixels = np.zeros((2, 2), dtype)
    with pytest.raises(UnsupportedImageError, match="astype"):
        find_value_range(pixels, (0, 1))


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4"])
def test_integers_without_a_usual_range_need_one(dtype: str) -> None:
    pixels = np.zeros((2, 2), dtype)
    with pytest.raises(UnsupportedImageError, match="value_range"):
        find_value_range(pixels, None)
    assert find_value_range(pixels, (0, 100)) == ValueRange(0, 100)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_nan_and_infinity_are_refused_even_with_a_range(bad: float, dtype: str) -> None:
    pixels = np.full((9, 9), 0.5, dtype)
    pixels[4, 7] = bad
    for value_range in (None, (0, 2)):
        with pytest.raises(UnsupportedImageError, match="NaN or infinity"):
            find_value_range(pixels, value_range)


@pytest.mark.parametrize("bad", [1.001, -0.001, 255.0])
def test_floats_beyond_the_default_range_are_refused_with_advice(bad: float) -> None:
    pixels = np.array([[0.5, bad]])
    with pytest.raises(UnsupportedImageError, match="value_range"):
        find_value_range(pixels, None)
    assert find_value_range(pixels, (0, 255)) == ValueRange(0, 255)


@pytest.mark.parametrize(
    "value_range", [(1, 1), (2, 1), (0, np.nan), (-np.inf, 1), (-1, 255), (0, 256)]
)
def test_an_impossible_value_range_is_refused(value_range: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="value_range"):
        find_value_range(np.zeros((2, 2), np.uint8), value_range)
    with pytest.raises(ValueError, match="value_range"):
        find_value_range(np.zeros((2, 2)), (-1e308, 1e308))
    with pytest.raises(ValueError, match="value_range"):
        find_value_range(np.zeros((2, 2), np.float32), (0, 1e-300))


def _limited(values: Any, pixels: NDArray[Any], limits: ValueRange) -> NDArray[Any]:
    result = np.empty_like(pixels)
    limit_and_round(values, pixels, limits, out=result)
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_comes_back_unchanged(dtype: type[np.unsignedinteger[Any]]) -> None:
    pixels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    limits = find_value_range(pixels, None)
    unit = to_unit(pixels, limits)
    assert unit.dtype == np.float32
    assert (unit[0], unit[-1]) == (0, 1)
    assert np.array_equal(_limited(as_floats(pixels), pixels, limits), pixels)


def test_large_integers_and_doubles_keep_each_of_their_digits() -> None:
    pixels: Any
    for pixels in (np.array([2**31 - 1, -(2**31), 12345679], "i4"), np.array([1 / 3, 1e6])):
        limits = ValueRange(0, 1e6)
        assert np.array_equal(_limited(as_floats(pixels), pixels, limits), pixels)


def test_values_beyond_the_range_are_limited_for_the_network() -> None:
    unit = to_unit(np.array([-5.0, 10.0, 15.0, 20.0, 1e300]), ValueRange(10, 20))
    assert unit.tolist() == [0, 0, 0.5, 1, 1]
    far = to_unit(np.array([-3e38, 3e38], np.float32), ValueRange(0, 1e-30))
    assert far.tolist() == [0, 1]


def test_halves_go_to_the_even_neighbour() -> None:
    pixels = np.full(5, 100, np.uint8)
    values = np.array([0.5, 1.5, 2.5, 99.5, 254.5], np.float32)
    assert _limited(values, pixels, ValueRange(0, 255)).tolist() == [0, 2, 2, 100, 254]


def test_values_are_limited_to_the_range_or_to_what_they_were() -> None:
    before = np.array([-3.0, -3.0, 0.5, 0.5, 7.0, 7.0])
    after = np.array([-9.0, -1.0, -1.0, 2.0, 9.0, 3.0])
    limited = _limited(after, before, ValueRange(0, 1))
    assert limited.tolist() == [-3.0, -1.0, 0.0, 1.0, 7.0, 3.0]
