"""Pixels that are no numbers, numbers that are far away, and the same bits from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from numpy.typing import NDArray

from argan_plugin import RestorationModel, UnsupportedImageError, apply_change, luma_change, restore
from argan_plugin.changes import colour_change
from argan_plugin.stacks import restore_lazy, restore_stack


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


def _with_gaps(photo: NDArray[np.uint8], dtype: str, *, grey: bool) -> NDArray[Any]:
    """Return the photo as floats with a NaN, infinities, a large hole and a missing corner."""
    picture = (photo[..., 1] if grey else photo).astype(np.float64) / 255
    picture = picture.astype(dtype)
    picture[5, 7] = np.inf
    picture[6, 90] = -np.inf
    picture[30:60, 40:75] = np.nan
    picture[80:, :20] = np.nan
    if not grey:
        picture[70, 100, 1] = np.nan  # one channel alone
    return picture


def _gaps(picture: NDArray[Any]) -> NDArray[np.bool_]:
    finite = np.isfinite(picture)
    whole: NDArray[np.bool_] = finite if picture.ndim == 2 else finite.all(axis=-1)
    return ~whole


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
@pytest.mark.parametrize("grey", [True, False])
def test_gaps_keep_their_bits_and_the_rest_is_restored(
    model: RestorationModel, photo: NDArray[np.uint8], dtype: str, grey: bool
) -> None:
    picture = _with_gaps(photo, dtype, grey=grey)
    before = picture.copy()
    restored = restore(picture, model=model, nonfinite="pass")
    gaps = _gaps(picture)
    assert restored.dtype == picture.dtype
    assert restored[gaps].tobytes() == picture[gaps].tobytes()
    assert picture.tobytes() == before.tobytes()
    assert np.isfinite(restored[~gaps]).all()
    # where no gap is near, as if there were none
    whole = (photo[..., 1] if grey else photo).astype(np.float64) / 255
    expected = restore(whole.astype(dtype), model=model)
    far = np.ones(gaps.shape, bool)
    for row, column in np.argwhere(gaps):
        far[max(0, row - 24) : row + 25, max(0, column - 24) : column + 25] = False
    assert far.sum() > 100
    assert restored[far].tobytes() == expected[far].tobytes()
    # and near them it is nothing wild: the tiny network changes about a tenth of the range
    assert np.abs(restored[~gaps].astype(float) - picture[~gaps].astype(float)).max() < 0.5


def test_each_bit_of_a_nan_is_kept(model: RestorationModel) -> None:
    for bits, kind in (("u4", "f4"), ("u8", "f8")):
        # signalling, quiet, negative and with a payload
        tops = np.array([0x7F800001, 0x7FC00000, 0xFFC01234], np.uint32).astype(bits)
        if bits == "u8":
            tops = np.array([0x7FF0000000000001, 0x7FF8000000000000, 0xFFF8000000001234], bits)
        picture = np.full((20, 20), 0.5, kind)
        picture.view(bits)[4, :3] = tops
        restored = restore(picture, model=model, nonfinite="pass")
        assert np.array_equal(restored.view(bits)[4, :3], tops)


@pytest.mark.parametrize("chroma", [False, True])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("tile_size", [8, 30, 64])
def test_tiles_equal_the_whole_around_gaps(
    model: RestorationModel, photo: NDArray[np.uint8], tile_size: int, grey: bool, chroma: bool
) -> None:
    picture = _with_gaps(photo, "f4", grey=grey)
    options: dict[str, Any] = {"model": model, "nonfinite": "pass", "chroma": chroma}
    whole = restore(picture, tile_size=1000, **options)
    tiled = restore(picture, tile_size=tile_size, **options)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


@pytest.mark.parametrize("function", [luma_change, colour_change])
def test_the_two_halves_make_the_whole_around_gaps(
    model: RestorationModel, photo: NDArray[np.uint8], function: Any
) -> None:
    picture = _with_gaps(photo, "f4", grey=False)
    change = function(picture, model=model, nonfinite="pass")
    assert np.isfinite(change).all()
    assert not change[_gaps(picture)].any()
    mixed = apply_change(picture, change, nonfinite="pass")
    whole = restore(picture, model=model, nonfinite="pass", chroma=function is colour_change)
    assert mixed.tobytes() == whole.tobytes()


def test_stacks_and_lazy_arrays_pass_gaps_through(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    picture = _with_gaps(photo, "f4", grey=True)
    expected = restore(picture, model=model, nonfinite="pass")
    stack = np.stack([picture, picture])
    for plane in restore_stack(stack, model=model, nonfinite="pass"):
        assert plane.tobytes() == expected.tobytes()
    for chunk_size in (30, 1000):
        lazy = restore_lazy(
            da.from_array(picture), model=model, nonfinite="pass", chunk_size=chunk_size
        )
        np.testing.assert_allclose(
            lazy.compute(scheduler="synchronous"), expected, atol=1e-6, equal_nan=True
        )


def test_a_picture_of_gaps_alone_comes_back(model: RestorationModel) -> None:
    picture = np.full((40, 50, 3), np.nan, np.float32)
    restored = restore(picture, model=model, nonfinite="pass")
    assert restored.tobytes() == picture.tobytes()


def test_gaps_are_an_error_unless_passed_and_the_error_says_how(model: RestorationModel) -> None:
    picture = np.full((9, 9), np.nan)
    with pytest.raises(UnsupportedImageError, match='nonfinite="pass"'):
        restore(picture, model=model)
    with pytest.raises(ValueError, match="nonfinite must be"):
        restore(picture, model=model, nonfinite="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nonfinite must be"):
        restore_stack(picture, model=model, nonfinite="ignore")  # type: ignore[arg-type]


def test_finite_floats_beyond_the_range_are_still_an_error(model: RestorationModel) -> None:
    picture = np.array([[np.nan, 0.5], [3.0, np.inf]])
    with pytest.raises(UnsupportedImageError, match=r"0\.5 to 3|0 to 3"):
        restore(picture, model=model, nonfinite="pass")
    restored = restore(picture, model=model, nonfinite="pass", value_range=(0, 3))
    assert np.isfinite(restored[_gaps(picture) == 0]).all()


@pytest.mark.parametrize(
    ("dtype", "value_range"), [("u2", (0, 4095)), ("f4", (0, 1e6)), ("f8", (-1e300, 1e300))]
)
def test_constant_and_extreme_pictures_stay_in_range(
    model: RestorationModel, dtype: str, value_range: tuple[float, float]
) -> None:
    low, high = value_range
    for level in (low, high, low / 2 + high / 2):
        picture = np.full((30, 40), level, dtype)
        restored = restore(picture, model=model, value_range=value_range)
        assert restored.min() >= low
        assert restored.max() <= high


def test_twelve_bits_in_sixteen_are_restored_as_eight_are(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    twelve = (photo.astype(np.uint16) << 4) | (photo >> 4)
    restored = restore(twelve, model=model, value_range=(0, 4095))
    expected = restore(photo, model=model)
    assert restored.max() <= 4095
    assert np.abs(restored / 4095 - expected / 255.0).max() < 0.004  # a level of 8 bits
