"""The comparison that every export goes through, on differences that are known."""

from __future__ import annotations

import numpy as np
import pytest

from export.errors import ExportError
from export.parity import compare


def test_equal_results() -> None:
    image = np.random.default_rng(0).random((3, 1, 4, 5), np.float32)
    parity = compare(image, image.copy())
    assert (parity.shape, parity.largest, parity.levels_changed) == ((3, 1, 4, 5), 0.0, 0)


def test_says_how_much_and_where() -> None:
    expected = np.full((2, 1, 4, 5), 100 / 255, np.float32)
    got = expected.copy()
    got[1, 0, 2, 3] += 3 / 255
    got[0, 0, 1, 1] -= 1 / 255
    got[0, 0, 0, 0] += 0.4 / 255
    parity = compare(expected, got)
    assert parity.largest == pytest.approx(3 / 255)
    assert parity.where == (1, 0, 2, 3)
    assert parity.levels_changed == 2
    assert parity.beyond_one_level == 1


def test_a_tie_is_no_changed_level() -> None:
    expected = np.array([[[[100.5, 100.49]]]], np.float32) / np.float32(255)
    assert compare(expected, np.add(expected, 1e-6, dtype=np.float32)).levels_changed == 0
    assert compare(expected, np.add(expected, 5e-5, dtype=np.float32)).levels_changed == 1


def test_nan_is_the_largest_difference() -> None:
    expected = np.zeros((1, 1, 2, 2), np.float32)
    got = expected.copy()
    got[0, 0, 1, 0] = np.nan
    assert np.isnan(compare(expected, got).largest)
    assert compare(expected, got).beyond_one_level == 1


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"\(1, 1, 2, 2\)"):
        compare(np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 2, 3), np.float32))
