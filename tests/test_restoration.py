"""`restore` against the untiled network, its own two halves, and what must not change."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from argan_plugin import strips
from argan_plugin.changes import apply_change, luma_change
from argan_plugin.color import luma
from argan_plugin.errors import Cancelled, UnsupportedImageError
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore

_DTYPES: list[tuple[str, tuple[float, float] | None]] = [
    ("u1", None),
    ("u2", None),
    (">u2", None),
    ("u2", (0, 4095)),
    ("i2", (-1000, 3000)),
    ("u4", (0, 2**32 - 1)),
    ("f2", None),
    ("f4", None),
    (">f4", None),
    ("f8", None),
    ("f8", (0, 1e6)),
    ("f4", (-1, 1)),
]


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


@pytest.fixture(scope="module")
def identity(identity_model_path: Path) -> RestorationModel:
    return RestorationModel(identity_model_path, device="cpu")


def _as(
    photo: NDArray[np.uint8], dtype: str, value_range: tuple[float, float] | None
) -> NDArray[Any]:
    """Return the photo in another dtype and range."""
    kind = np.dtype(dtype)
    low, high = value_range or ((0, np.iinfo(kind).max) if kind.kind == "u" else (0, 1))
    return (low + photo / 255 * (high - low)).astype(kind)


def test_it_is_the_networks_change_of_luma_added_to_each_colour(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    # Written out once more, untiled: float64 from here to there.
    y = luma(photo.astype(np.float32) / np.float32(255))
    change = model.run(y[None, None])[0, 0].astype(float) - y
    expected = (photo + change[..., None] * 255).clip(0, 255)
    restored = restore(photo, model=model, tile_size=32)
    assert np.abs(restored - expected).max() <= 0.51
    assert np.abs(restored.astype(int) - photo).mean() > 3, "nothing was changed"


@pytest.mark.parametrize("shape", [(93, 118), (93, 118, 3)])
@pytest.mark.parametrize("tile_size", [1, 8, 30, 64, 100, None])
def test_tiled_and_untiled_are_the_same_picture(
    model: RestorationModel, photo: NDArray[np.uint8], shape: tuple[int, ...], tile_size: int | None
) -> None:
    picture = photo if len(shape) == 3 else photo[..., 1]
    untiled = restore(picture, model=model, tile_size=1000)
    tiled = restore(picture, model=model, tile_size=tile_size)
    assert np.abs(tiled.astype(int) - untiled).max() <= 1
    floats = picture / 255
    difference = luma_change(floats, model=model, tile_size=tile_size) - luma_change(
        floats, model=model, tile_size=1000
    )
    assert np.abs(difference).max() < 1e-6


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), tile_size=st.integers(1, 50))
def test_any_size_in_tiles_of_any_size(
    model: RestorationModel, height: int, width: int, tile_size: int
) -> None:
    picture = np.random.default_rng(height).random((height, width), np.float32)
    restored = restore(picture, model=model, tile_size=tile_size)
    assert restored.shape == picture.shape
    np.testing.assert_allclose(restored, model.run(picture[None, None])[0, 0], atol=1e-6)


@pytest.mark.parametrize(("dtype", "value_range"), _DTYPES)
def test_an_identity_network_returns_each_bit(
    identity: RestorationModel,
    photo: NDArray[np.uint8],
    dtype: str,
    value_range: tuple[float, float] | None,
) -> None:
    for picture in (_as(photo, dtype, value_range), _as(photo[..., 0], dtype, value_range)):
        restored = restore(picture, model=identity, value_range=value_range, tile_size=50)
        assert restored.dtype == picture.dtype
        assert restored.tobytes() == picture.tobytes()


@pytest.mark.parametrize(("dtype", "value_range"), _DTYPES)
def test_each_dtype_gives_the_same_picture(
    model: RestorationModel,
    photo: NDArray[np.uint8],
    dtype: str,
    value_range: tuple[float, float] | None,
) -> None:
    picture = _as(photo, dtype, value_range)
    restored = restore(picture, model=model, value_range=value_range)
    low, high = value_range or ((0, np.iinfo(dtype).max) if "u" in dtype else (0, 1))
    expected = restore(photo / 255, model=model)
    # steps of the coarsest dtypes: uint8, and float16 near one
    np.testing.assert_allclose((restored - float(low)) / (high - low), expected, atol=3e-3)
    assert restored.min() >= low
    assert restored.max() <= high


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_strength_zero_is_a_copy_bit_for_bit(
    model: RestorationModel, photo: NDArray[np.uint8], dtype: str
) -> None:
    picture = _as(photo, dtype, None)
    for result in (
        restore(picture, model=model, strength=0),
        apply_change(picture, luma_change(picture, model=model), strength=0),
    ):
        assert result.tobytes() == picture.tobytes()
        assert not np.shares_memory(result, picture)


def test_strength_scales_the_change(model: RestorationModel) -> None:
    picture = np.random.default_rng(9).uniform(0.4, 0.6, (40, 40))
    full = restore(picture, model=model) - picture
    for strength in (0.25, 0.5, 1.5):
        part = restore(picture, model=model, strength=strength) - picture
        np.testing.assert_allclose(part, full * strength, atol=1e-6)


@pytest.mark.parametrize("strength", [-0.1, 10.1, np.nan, np.inf])
def test_impossible_strengths_are_refused(
    model: RestorationModel, photo: NDArray[np.uint8], strength: float
) -> None:
    with pytest.raises(ValueError, match="strength"):
        restore(photo, model=model, strength=strength)
    with pytest.raises(ValueError, match="strength"):
        apply_change(photo, np.zeros(photo.shape[:2], np.float32), strength=strength)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("strength", [0.3, 1, 2])
def test_its_two_halves_make_the_whole(
    model: RestorationModel,
    photo: NDArray[np.uint8],
    dtype: str,
    strength: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = _as(photo, dtype, None)
    whole = restore(picture, model=model, strength=strength)
    assert photo.shape[0] * photo.shape[1] < strips.STRIP_PIXELS
    monkeypatch.setattr(strips, "STRIP_PIXELS", 700)
    change = luma_change(picture, model=model)
    assert change.shape == photo.shape[:2]
    assert change.dtype == np.float32
    assert np.array_equal(apply_change(picture, change, strength=strength), whole)


def test_alpha_stays_and_does_not_count(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    picture = np.dstack([photo / 255, np.random.default_rng(1).normal(0, 9, photo.shape[:2])])
    picture[0, 0, 3] = np.nan
    restored = restore(picture, model=model)
    assert restored[..., 3].tobytes() == picture[..., 3].tobytes()
    assert np.array_equal(restored[..., :3], restore(picture[..., :3], model=model))


@pytest.mark.parametrize("axis", [0, 1, -3])
def test_channels_on_another_axis(
    model: RestorationModel, photo: NDArray[np.uint8], axis: int
) -> None:
    moved = np.moveaxis(photo, -1, axis)
    restored = restore(moved, model=model, channel_axis=axis)
    assert np.array_equal(np.moveaxis(restored, axis, -1), restore(photo, model=model))
    change = luma_change(moved, model=model, channel_axis=axis)
    assert np.array_equal(apply_change(moved, change, channel_axis=axis), restored)


def test_any_memory_layout_and_the_input_is_left_alone(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    read_only = photo.copy()
    read_only.flags.writeable = False
    layouts = [
        photo[::-1, ::-1],
        photo[::2, ::3],
        np.asfortranarray(photo),
        photo[..., ::-1],
        np.broadcast_to(photo[:, :1], photo.shape),
        read_only,
    ]
    for picture in layouts:
        before = picture.copy()
        restored = restore(picture, model=model, tile_size=40)
        assert np.array_equal(restored, restore(before, model=model, tile_size=40))
        assert np.array_equal(picture, before)
        assert restored.flags.writeable


def test_pixels_beyond_the_range_stay_beyond_or_come_nearer(model: RestorationModel) -> None:
    picture = np.random.default_rng(3).normal(0.5, 0.6, (60, 60))
    restored = restore(picture, model=model, value_range=(0, 1))
    assert (restored <= np.maximum(picture, 1)).all()
    assert (restored >= np.minimum(picture, 0)).all()


@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_constant_pictures_stay_in_range(model: RestorationModel, level: int) -> None:
    picture = np.full((30, 30, 3), level, np.uint8)
    restored = restore(picture, model=model)
    assert np.ptp(restored, axis=-1).max() == 0, "grey must stay grey"


def test_the_same_bits_from_run_to_run(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    picture = photo / 255
    first = restore(picture, model=model, tile_size=40)
    assert all(
        restore(picture, model=model, tile_size=40).tobytes() == first.tobytes() for _ in range(3)
    )


def test_bad_pictures_are_refused_by_each_verb(model: RestorationModel) -> None:
    bad = np.full((8, 8), np.nan)
    for verb in (restore, luma_change):
        with pytest.raises(UnsupportedImageError, match="NaN"):
            verb(bad, model=model)
    with pytest.raises(UnsupportedImageError, match="NaN"):
        apply_change(bad, np.zeros((8, 8), np.float32))


def test_a_change_of_another_picture_is_refused(photo: NDArray[np.uint8]) -> None:
    with pytest.raises(UnsupportedImageError, match=r"\(9, 9\).*\(93, 118\)"):
        apply_change(photo, np.zeros((9, 9), np.float32))


def test_progress_counts_tiles(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    calls: list[tuple[int, int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total, threading.get_ident()))

    restore(photo, model=model, tile_size=64, progress=progress)
    assert calls == [(done, 4, threading.get_ident()) for done in (1, 2, 3, 4)]


def test_cancel_between_tiles(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    cancel = threading.Event()
    done: list[int] = []

    def progress(number: int, total: int) -> None:
        done.append(number)
        cancel.set()

    with pytest.raises(Cancelled):
        restore(photo, model=model, tile_size=64, progress=progress, cancel=cancel)
    assert done == [1]


def test_an_interrupt_leaves_the_model_usable(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    expected = restore(photo, model=model)
    with pytest.raises(KeyboardInterrupt):
        restore(photo, model=model, progress=interrupt, cancel=threading.Event())
    assert np.array_equal(restore(photo, model=model), expected)
    assert threading.active_count() == before


def test_a_model_may_be_a_path_and_is_opened_once(
    model: RestorationModel, tiny_model_path: Path, photo: NDArray[np.uint8], monkeypatch: Any
) -> None:
    expected = restore(photo, model=model)
    assert np.array_equal(restore(photo, model=tiny_model_path), expected)

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("opened again")

    monkeypatch.setattr("argan_plugin.model.RestorationModel.__init__", never)
    assert np.array_equal(restore(photo, model=str(tiny_model_path)), expected)


def test_an_open_model_keeps_its_device(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    assert restore(photo, model=model, device="cpu").shape == photo.shape
    with pytest.raises(ValueError, match="open on 'cpu'"):
        restore(photo, model=model, device="cuda")
