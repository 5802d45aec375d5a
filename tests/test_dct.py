"""The transform, held against scipy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn

from argan_plugin import dct


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_orthonormal_dct(dtype: type) -> None:
    plane: NDArray[Any] = np.random.default_rng(1).normal(0, 50, (24, 40)).astype(dtype)
    blocks = dct.split(plane)
    assert blocks.shape == (3, 5, 8, 8)
    np.testing.assert_array_equal(blocks[1, 2], plane[8:16, 16:24])

    coefficients = dct.forward(blocks)

    assert coefficients.dtype == dtype
    expected = dctn(blocks.astype(np.float64), axes=(2, 3), norm="ortho")
    np.testing.assert_allclose(coefficients, expected, atol=1e-4)
    np.testing.assert_allclose(dct.join(dct.inverse(coefficients)), plane, atol=1e-4)

    in_place = dct.forward_plane(plane)
    assert in_place.dtype == dtype
    np.testing.assert_allclose(dct.split(in_place), expected, atol=1e-4)
    np.testing.assert_allclose(dct.inverse_plane(in_place), plane, atol=1e-4)
