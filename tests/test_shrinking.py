"""Means of pixels against scikit-image, and their edges against what pyramids have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import block_reduce

from argan_plugin.shrinking import edges, means


@given(length=st.integers(1, 200), data=st.data())
def test_edges_leave_no_pixel_empty(length: int, data: st.DataObject) -> None:
    smaller = data.draw(st.integers(1, length))
    found = edges(length, smaller)
    assert len(found) == smaller + 1
    assert found[0] == 0
    assert found[-1] <= length
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    ("length", "smaller", "expected"),
    [
        (6, 3, [0, 2, 4, 6]),
        (7, 3, [0, 2, 4, 6]),  # rounded down
        (7, 4, [0, 2, 4, 6, 7]),  # rounded up
        (5, 5, [0, 1, 2, 3, 4, 5]),
        (10, 7, [0, 1, 2, 4, 5, 7, 8, 10]),
    ],
)
def test_edges(length: int, smaller: int, expected: list[int]) -> None:
    assert edges(length, smaller).tolist() == expected


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "f4", ">u2"])
def test_means(dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 250, (4, 12, 18)).astype(dtype)
    expected = block_reduce(pixels.astype(float), (1, 2, 3), np.mean)
    if "f" not in dtype:
        expected = np.rint(expected)
    limits = [
        edges(length, smaller) for length, smaller in zip((4, 12, 18), (4, 6, 6), strict=True)
    ]
    result = means(pixels, limits)
    assert result.dtype == pixels.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-6)
