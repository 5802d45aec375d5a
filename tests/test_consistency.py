"""Restored pictures stay among those that the JPEG file can stand for, and so come nearer."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.fft import dctn
from scipy.optimize import minimize

from argan_plugin import dct, restore, restore_jpeg
from argan_plugin.coefficients import SLACK, nearest_consistent, read_luma_coefficients
from argan_plugin.consistency import consistent_change
from argan_plugin.errors import ArganError, ImageFileError, UnsupportedImageError
from argan_plugin.jpeg import ijg_luma_table

pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")

Picture = NDArray[np.uint8]
EVERY_QUALITY = range(5, 96)
LUMA = np.array([0.299, 0.587, 0.114])


def encoded(pixels: Picture, **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    return file.getvalue()


def decoded(data: bytes) -> Picture:
    return np.asarray(Image.open(io.BytesIO(data)))


def stored_luma(pixels: Picture) -> NDArray[np.float64]:
    """Return the luma that libjpeg's encoder sees: of JFIF, rounded to whole levels."""
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))[..., 0].astype(np.float64)


def excess(luma: NDArray[Any], data: bytes) -> float:
    """Return by how many grey levels a coefficient of a whole block leaves its interval."""
    stated = read_luma_coefficients(data)
    height, width = (size // 8 * 8 for size in luma.shape)
    coefficients = dctn(dct.split(luma[:height, :width] - 128.0), axes=(2, 3), norm="ortho")
    numbers = stated.numbers[: height // 8, : width // 8]
    return float(np.max(np.abs(coefficients - numbers * stated.steps) - stated.steps / 2))


def error(luma: NDArray[Any], original: NDArray[Any]) -> float:
    return float(np.linalg.norm(luma.astype(np.float64) - original))


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


@pytest.mark.parametrize("quality", EVERY_QUALITY)
def test_luma_never_moves_away_from_the_original(photo: Picture, quality: int) -> None:
    """At every quality; 45 x 70 pixels are no whole number of blocks."""
    pixels = np.ascontiguousarray(photo[:45, :70])
    data = encoded(pixels, quality=quality, subsampling="4:2:0")
    original = stored_luma(pixels)
    given, stated = decoded(data), read_luma_coefficients(data)
    luma = given @ LUMA
    # A change that no sensible network would make: grain.
    change = np.random.default_rng(quality).normal(0, 0.05, luma.shape).astype(np.float32)
    for strength in (0.1, 1.0):
        kept = consistent_change(given, change, stated, strength)
        before = error(luma + 255 * strength * change, original)
        assert error(luma + 255 * kept, original) <= before + 1e-3
        assert excess(luma + 255 * kept, data) <= SLACK + 1e-3


@pytest.mark.parametrize("subsampling", [None, "4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize(("quality", "chroma"), [(50, False), (90, True)])
def test_restored_files(
    photo: Picture, subsampling: str | None, quality: int, chroma: bool, tiny_model_path: Path
) -> None:
    muted = photo // 2 + np.uint8(64)  # so that nothing reaches black or white
    pixels = muted if subsampling else np.ascontiguousarray(muted[..., 1])
    data = encoded(pixels, quality=quality, subsampling=subsampling or "4:4:4")
    original = stored_luma(pixels) if subsampling else pixels
    options: dict[str, Any] = {"model": tiny_model_path, "strength": 2.0, "chroma": chroma}

    kept = restore_jpeg(data, **options)
    free = restore_jpeg(data, consistent=False, **options)

    np.testing.assert_array_equal(free, restore(decoded(data), **options))
    assert kept.dtype == np.uint8
    assert kept.shape == pixels.shape
    weights = LUMA if subsampling else np.array(1.0)
    lumas = [np.dot(picture, weights) for picture in (kept, free)]
    assert error(lumas[0], original) < error(lumas[1], original)
    assert excess(lumas[1], data) > 5
    assert excess(lumas[0], data) < SLACK + 4  # rounding: half a level in each of 64 pixels


def test_strength_zero_and_between(jpeg_photo: Path, tiny_model_path: Path) -> None:
    given = decoded(jpeg_photo.read_bytes())
    np.testing.assert_array_equal(restore_jpeg(jpeg_photo, strength=0), given)
    results = [
        restore_jpeg(jpeg_photo, model=tiny_model_path, strength=strength).astype(float)
        for strength in (0.1, 0.5, 1.0)
    ]
    moved = [error(result, given) for result in results]
    assert 0 < moved[0] < moved[1] < moved[2]


def test_a_change_of_another_picture_is_refused(photo: Picture) -> None:
    stated = read_luma_coefficients(encoded(photo))
    with pytest.raises(UnsupportedImageError, match=r"\(8, 8\).* 93 rows of 118"):
        consistent_change(photo[:8, :8], np.zeros((8, 8), np.float32), stated)


@pytest.mark.parametrize("kind", ["cmyk", "rgb", "small luma"])
def test_files_without_a_luma_plane(photo: Picture, kind: str, tiny_model_path: Path) -> None:
    if kind == "cmyk":
        file = io.BytesIO()
        Image.fromarray(photo).convert("CMYK").save(file, "JPEG")
        data = file.getvalue()
    elif kind == "rgb":
        data = encoded(photo, keep_rgb=True)
    else:
        changed = bytearray(encoded(photo[:16, :16], subsampling="4:4:4"))
        first = changed.index(b"\xff\xc0") + 10
        changed[first + 4] = 0x22  # Cb is larger than luma
        data = bytes(changed)
    with pytest.raises(UnsupportedImageError, match=r"the given bytes: expected"):
        restore_jpeg(data, model=tiny_model_path)


def test_files_that_are_none(tmp_path: Path, photo: Picture) -> None:
    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        restore_jpeg(tmp_path / "gone.jpg")
    with pytest.raises(
        ImageFileError, match="the given bytes: expected a JPEG file, but this is none"
    ):
        restore_jpeg(b"no picture")
    with pytest.raises(ImageFileError, match="cannot be decoded"):
        restore_jpeg(encoded(photo)[:2000])
    with pytest.raises(ValueError, match="strength must be"):
        restore_jpeg(encoded(photo), strength=-1)


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


def test_without_pyjpegio(jpeg_photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpegio", None)
    with pytest.raises(ArganError, match=r"pip install 'argan-plugin\[consistent\]'"):
        restore_jpeg(jpeg_photo)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(29))
def test_live1_at_every_quality(number: int) -> None:
    """Needs the test sets: ``ARGAN_TEST_SETS=FOLDER`` with ``live1`` inside."""
    sets = os.environ.get("ARGAN_TEST_SETS")
    if sets is None:
        pytest.skip("set ARGAN_TEST_SETS to the folder that holds live1")
    pixels = np.asarray(Image.open(sorted(Path(sets, "live1").glob("*.png"))[number]))
    original = stored_luma(pixels)
    for quality in EVERY_QUALITY:
        data = encoded(pixels, quality=quality, subsampling="4:2:0")
        given, stated = decoded(data), read_luma_coefficients(data)
        luma = given @ LUMA
        # a blur: what removes blocks most readily, and texture with them
        blurred = Image.fromarray(given).filter(ImageFilter.GaussianBlur(1))
        change = ((np.asarray(blurred) @ LUMA - luma) / 255).astype(np.float32)
        strength = 1.0 if quality % 2 else 0.5
        kept = consistent_change(given, change, stated, strength)
        before = error(luma + 255 * strength * change, original)
        assert error(luma + 255 * kept, original) <= before + 1e-3, quality
