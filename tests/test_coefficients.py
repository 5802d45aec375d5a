"""The coefficients in a JPEG file, and the set of pictures that it can stand for."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize

from argan_plugin import dct
from argan_plugin.coefficients import SLACK, nearest_consistent, read_luma_coefficients
from argan_plugin.errors import ArganError
from argan_plugin.quantization_tables import ijg_luma_table
from tests.jpeg_files import Picture, decoded, encoded, error, excess

pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")


@pytest.mark.parametrize("size", [(93, 118), (16, 24), (8, 1), (1, 1), (17, 9)])
@pytest.mark.parametrize(
    "settings",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0", "progressive": True},
        {"progressive": True},
        {},
    ],
    ids=["4:4:4", "4:2:2", "4:2:0 progressive", "grey progressive", "grey"],
)
def test_the_coefficients_are_those_in_the_file(
    photo: Picture, size: tuple[int, int], settings: dict[str, Any]
) -> None:
    height, width = size
    pixels = photo[:height, :width] if "subsampling" in settings else photo[:height, :width, 0]
    data = encoded(np.ascontiguousarray(pixels), quality=50, **settings)

    stated = read_luma_coefficients(data)

    np.testing.assert_array_equal(stated.steps, ijg_luma_table(50))
    shown = dct.join(dct.inverse(stated.numbers * stated.steps))[:height, :width] + 128
    plane = Image.open(io.BytesIO(data))
    plane.draft("L", None)  # the luma component as libjpeg decodes it
    difference = np.asarray(plane) - shown.clip(0, 255)
    assert np.abs(difference).max() < 0.6  # rounding, and libjpeg's integers


def test_originals_are_in_the_set_that_their_file_states(photo: Picture) -> None:
    random = np.random.default_rng(3)
    noise = random.integers(0, 2, (64, 64), np.uint8) * np.uint8(255)
    for pixels in (
        photo[..., 0],
        photo[..., 1],
        noise,
        random.integers(0, 256, (64, 64), np.uint8),
    ):
        for quality in (1, 10, 50, 90, 100):
            assert excess(pixels, encoded(np.ascontiguousarray(pixels), quality=quality)) < SLACK


def _fixed_point(value: float) -> float:
    return round(value * 2**13) / 2**13


def _integer_transform(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what libjpeg's jfdctint.c makes of columns of 8, but for the rounding of results.

    Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications",
    ICASSP 1989, with constants of 13 bits; orthonormal here.
    """
    r = np.sqrt(2) * np.cos(np.arange(8) * np.pi / 16)  # the constants are sums of these
    even, odd = rows[:4] + rows[:3:-1], rows[:4] - rows[:3:-1]
    outer, inner = even[:2] + even[:1:-1], even[:2] - even[:1:-1]
    result: NDArray[np.float64] = np.empty_like(rows)
    result[0], result[4] = outer[0] + outer[1], outer[0] - outer[1]
    common = (inner[0] + inner[1]) * _fixed_point(r[6])
    result[2] = common + inner[0] * _fixed_point(r[2] - r[6])
    result[6] = common - inner[1] * _fixed_point(r[2] + r[6])
    d7, d6, d5, d4 = odd
    z1, z2, z3, z4 = d4 + d7, d5 + d6, d4 + d6, d5 + d7
    z5 = (z3 + z4) * _fixed_point(r[3])
    d4 = d4 * _fixed_point(-r[1] + r[3] + r[5] - r[7])
    d5 = d5 * _fixed_point(r[1] + r[3] - r[5] + r[7])
    d6 = d6 * _fixed_point(r[1] + r[3] + r[5] - r[7])
    d7 = d7 * _fixed_point(r[1] + r[3] - r[5] - r[7])
    z1, z2 = -z1 * _fixed_point(r[3] - r[7]), -z2 * _fixed_point(r[1] + r[3])
    z3, z4 = z5 - z3 * _fixed_point(r[3] + r[5]), z5 - z4 * _fixed_point(r[3] - r[5])
    result[7], result[5] = d4 + z1 + z3, d5 + z2 + z4
    result[3], result[1] = d6 + z2 + z3, d7 + z1 + z4
    result /= np.sqrt(8)
    return result


def test_the_slack_covers_the_integer_transform_of_libjpeg() -> None:
    """A bound for all 8-bit blocks: constants, rounding between the passes, the last rounding."""
    exact, integer = dct.BASIS, _integer_transform(np.eye(8))
    assert 0 < np.abs(integer - exact).max() < 1e-4
    both = [np.einsum("ui,vj->uvij", basis, basis) for basis in (integer, exact)]
    of_constants = 128 * np.abs(both[0] - both[1]).sum(axis=(2, 3))
    # Between the passes values are 4 sqrt(8) times as large; frequencies 0 and 4 are whole numbers.
    between = np.where(np.arange(8) % 4 == 0, 0, 0.5 / (4 * np.sqrt(8)))
    bound = of_constants + np.abs(integer).sum(axis=1)[:, np.newaxis] * between + 0.5 / 8
    assert 0.29 < bound.max() < SLACK


def test_whole_blocks_are_projected_orthogonally(photo: Picture) -> None:
    data = encoded(np.ascontiguousarray(photo[:88, :112, 0]), quality=30)
    stated = read_luma_coefficients(data)
    wanted = decoded(data) + np.random.default_rng(0).normal(0, 15, (88, 112))

    nearest = nearest_consistent(wanted, stated)

    assert excess(nearest, data) <= SLACK + 1e-9
    np.testing.assert_allclose(nearest_consistent(nearest, stated), nearest, atol=1e-9)
    # What is orthogonal to a convex set: the way out, against the way to any point in it.
    outwards = wanted - nearest
    assert np.abs(outwards).max() > 1
    inside = dct.join(dct.inverse(stated.numbers * stated.steps)) + 128
    for point in (inside, photo[:88, :112, 0]):
        assert np.sum(outwards * (point - nearest)) <= 1e-6


def test_pixels_outside_the_picture_are_free() -> None:
    original = np.random.default_rng(8).integers(60, 200, (7, 6), np.uint8)
    stated = read_luma_coefficients(encoded(original, quality=90))
    wanted = original + np.random.default_rng(9).normal(0, 60, (7, 6))

    nearest = nearest_consistent(wanted, stated)

    # The same question, put to a general solver: the coefficients, within their bounds, whose
    # pixels in the picture are nearest.
    centre = (stated.numbers[0, 0] * stated.steps).ravel()
    reach = (stated.steps / 2 + SLACK).ravel()

    def distance(values: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        missing = np.zeros((8, 8))
        missing[:7, :6] = dct.inverse(values.reshape(8, 8))[:7, :6] + 128 - wanted
        return 0.5 * float(np.sum(missing**2)), dct.forward(missing).ravel()

    bounds = np.stack([centre - reach, centre + reach], axis=1)
    solved = minimize(distance, centre, jac=True, method="L-BFGS-B", bounds=bounds.tolist())
    expected = np.sqrt(2 * solved.fun)
    assert expected > 1
    assert error(nearest, wanted) == pytest.approx(expected, rel=0.01)
    assert error(nearest, original) <= error(wanted, original)


def test_damaged_files_give_an_error_or_coefficients(photo: Picture) -> None:
    random = np.random.default_rng(4)
    outcomes = set()
    for number in range(60):
        data = bytearray(encoded(photo, quality=50, progressive=number % 2 == 0))
        for place in random.integers(2, len(data) if number % 3 else 700, 1 + number % 4):
            data[place] = random.integers(256)
        try:
            read_luma_coefficients(bytes(data))
            outcomes.add("read")
        except ArganError as problem:
            outcomes.add(type(problem).__name__)
    assert {"read", "ImageFileError"} <= outcomes
