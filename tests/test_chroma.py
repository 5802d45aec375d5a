"""Chroma against SciPy, Pillow and originals, and what must not be touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from argan_plugin import correction
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.chroma import HALO, chroma_change, enlarged, halved
from argan_plugin.color import chroma, luma, rgb_change
from argan_plugin.jpeg import Subsampling, round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.gallery_pictures import PICTURES

Planes = NDArray[np.float32]
BILINEAR = Image.Resampling.BILINEAR


def unit(pixels: NDArray[np.uint8]) -> Planes:
    return pixels.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def coded(photo: NDArray[np.uint8]) -> tuple[Planes, Planes, Planes]:
    """Give chroma of a coded picture, the luma of the original, and its difference to the coded."""
    compressed = unit(round_trip(photo, quality=10, subsampling="4:2:0"))
    y, original = luma(compressed), luma(unit(photo))
    return chroma(compressed, y), original, original - y


def test_it_is_the_guided_filter_and_wieners(coded: tuple[Planes, Planes, Planes]) -> None:
    planes, guide, change = coded

    def mean(values: Planes, side: int = 11) -> Planes:
        result: Planes = uniform_filter(values.astype(float), side, mode="nearest")
        return result

    variance = mean(guide * guide) - mean(guide) ** 2
    power = mean(change**2, 17)
    noise = 3 * power**2 / (power + 20 / 255**2)
    expected = []
    for plane in planes:
        # He, Sun, Tang 2010, equations 5, 6 and 8
        a = (mean(guide * plane) - mean(guide) * mean(plane)) / (variance + 10 / 255**2)
        b = mean(plane) - a * mean(guide)
        residual = plane - (mean(a) * guide + mean(b))
        expected.append(-residual * noise / (mean(residual**2) + noise))

    np.testing.assert_allclose(chroma_change(planes, guide, change), expected, atol=2e-5)


@pytest.mark.parametrize("shape", [(12, 8), (7, 5), (1, 1), (2, 9)])
def test_half_the_size_and_back(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    planes = random.normal(0, 0.2, (2, *shape)).astype(np.float32)
    half = halved(planes)
    down, across = (-(-side // 2) for side in shape)
    assert half.shape == (2, down, across)
    whole = np.pad(planes, [(0, 0), (0, -shape[0] % 2), (0, -shape[1] % 2)], mode="edge")
    means = whole.reshape(2, down, 2, across, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(half, means + 128 / 255, atol=1e-6)

    change = random.normal(0, 3 / 255, half.shape).astype(np.float32)
    kept = np.sign(change) * np.maximum(np.abs(change) - 0.5 / 255, 0)
    size = 2 * across, 2 * down
    expected = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, BILINEAR))
        for plane in kept
    ]
    found = enlarged(change, shape)
    np.testing.assert_allclose(found, np.stack(expected)[:, : shape[0], : shape[1]], atol=1e-6)


@pytest.mark.parametrize(("subsampling", "quality"), [("4:2:0", 10), ("4:2:0", 40), ("4:4:4", 10)])
def test_colours_come_nearer_to_the_original_than_by_the_filter_alone(
    subsampling: Subsampling, quality: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = next(picture.load() for picture in PICTURES if picture.name == "coffee")
    compressed = round_trip(original, quality=quality, subsampling=subsampling)
    truth = chroma(unit(original), luma(unit(original)))

    def error(pixels: NDArray[np.uint8]) -> float:
        return float(np.square(chroma(unit(pixels), luma(unit(pixels))) - truth).mean())

    both = error(restore(compressed, chroma=True))
    monkeypatch.setattr(correction, "enlarged", lambda _, shape: np.zeros((2, *shape), np.float32))
    by_filter = error(restore(compressed, chroma=True))
    assert both < by_filter
    assert by_filter < 0.97 * error(compressed)


def test_grey_in_rgb_stays_grey() -> None:
    grey = next(picture.load() for picture in PICTURES if picture.name == "cat")[..., 1]
    compressed = round_trip(np.dstack([grey] * 3), quality=20, subsampling="4:2:0")
    restored = restore(compressed, chroma=True).astype(int)
    assert (np.ptp(restored, axis=2) > 0).mean() < 1e-3  # rounding half-way
    assert np.ptp(restored, axis=2).max() <= 1


def test_no_change_of_luma_means_none_of_chroma(coded: tuple[Planes, Planes, Planes]) -> None:
    planes, guide, change = coded
    assert not chroma_change(planes, guide, np.zeros_like(change)).any()
    flat = np.zeros((2, 9, 9), np.float32), np.zeros((9, 9), np.float32)
    assert not chroma_change(*flat, flat[1]).any()


def test_a_window_with_its_halo_gives_the_bits_of_the_whole(
    coded: tuple[Planes, Planes, Planes],
) -> None:
    planes, guide, change = coded
    whole = chroma_change(planes, guide, change)
    top, left, height, width = 35, 46, 7, 12

    def kept_of_window(halo: int) -> Planes:
        rows, columns = (
            slice(top - halo, top + height + halo),
            slice(left - halo, left + width + halo),
        )
        windows = planes[:, rows, columns], guide[rows, columns], change[rows, columns]
        return chroma_change(*windows)[:, halo : halo + height, halo : halo + width]

    kept = whole[:, top : top + height, left : left + width]
    assert np.array_equal(kept_of_window(HALO), kept)
    assert not np.array_equal(kept_of_window(HALO - 1), kept)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("quality", [10, 40])
def test_chroma_comes_nearer_to_the_original(
    photo: NDArray[np.uint8], quality: int, subsampling: Subsampling
) -> None:
    compressed = unit(round_trip(photo, quality=quality, subsampling=subsampling))
    original, y = unit(photo), luma(compressed)
    planes, pristine = chroma(compressed, y), luma(original)

    difference: Planes = pristine - y
    change = chroma_change(planes, pristine, difference)

    truth = chroma(original, pristine)
    assert np.square(planes + change - truth).mean() < 0.9 * np.square(planes - truth).mean()


def test_detail_that_luma_does_not_show_stays_in_a_clean_picture() -> None:
    # Red and green stripes of one luma, under the correction that a network makes for nothing.
    stripes = np.where(np.arange(60) % 6 < 3, 0.1, -0.1).astype(np.float32)
    planes = np.stack([np.zeros((60, 60), np.float32), np.tile(stripes, (60, 1))])
    change = np.random.default_rng(4).normal(0, 0.7 / 255, (60, 60)).astype(np.float32)
    guide = np.full((60, 60), 0.5, np.float32)

    assert np.abs(chroma_change(planes, guide, change)).max() < 0.001 * 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 3)])
def test_pictures_smaller_than_a_window(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    planes, guide = random.random((2, *shape), np.float32), random.random(shape, np.float32)
    change = chroma_change(planes, guide, guide / np.float32(9))
    assert change.shape == planes.shape
    assert np.isfinite(change).all()


def test_rgb_change_is_jfifs(coded: tuple[Planes, Planes, Planes]) -> None:
    planes, _, change = coded
    differences = rgb_change(change, planes)

    # ITU-T T.871, section 7
    cb, cr = planes
    expected = [change + 1.402 * cr, change - 0.344136 * cb - 0.714136 * cr, change + 1.772 * cb]
    np.testing.assert_allclose(differences, np.stack(expected, -1), atol=1e-6)
    still = rgb_change(change, np.zeros_like(planes))
    assert np.array_equal(still, np.repeat(change[..., None], 3, axis=-1))


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


@pytest.mark.parametrize("tile_size", [8, 40, None])
def test_restored_in_tiles_and_in_two_halves(
    model: RestorationModel, photo: NDArray[np.uint8], tile_size: int | None
) -> None:
    untiled = restore(photo, model=model, chroma=True, tile_size=1000)
    tiled = restore(photo, model=model, chroma=True, tile_size=tile_size)
    assert np.abs(tiled.astype(int) - untiled).max() <= 1
    assert np.mean(tiled != untiled) < 1e-3

    change = colour_change(photo, model=model, tile_size=tile_size)
    assert np.array_equal(apply_change(photo, change), tiled)
    assert np.array_equal(
        apply_change(photo, change, strength=0.4),
        restore(photo, model=model, chroma=True, strength=0.4, tile_size=tile_size),
    )


def test_luma_is_the_same_with_chroma_and_without(
    model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    # Away from black and white, so that nothing is limited.
    picture = 0.35 + photo / (255 * 4)
    alone, both = (restore(picture, model=model, chroma=chroma) for chroma in (False, True))
    weights = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(alone @ weights, both @ weights, atol=1e-6)
    assert np.abs(alone - both).max() > 0.01


def test_grey_has_no_chroma(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    grey = photo[..., 0]
    assert np.array_equal(
        restore(grey, model=model, chroma=True), restore(grey, model=model, chroma=False)
    )
    assert np.array_equal(colour_change(grey, model=model), luma_change(grey, model=model))


def test_identity_network_returns_each_bit(
    identity_model_path: Path, photo: NDArray[np.uint8]
) -> None:
    restored = restore(photo, model=identity_model_path, device="cpu", chroma=True)
    assert np.array_equal(restored, photo)
