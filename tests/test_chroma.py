"""Chroma against Pillow and originals, and what must not be touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.arrays import ValueRange
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.chroma import chroma_change, chroma_info, planes_of
from argan_plugin.color import chroma, luma, rgb_change
from argan_plugin.correction import Correction, halo_of, step_of
from argan_plugin.errors import ModelError
from argan_plugin.jpeg import Subsampling, round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from argan_plugin.stacks import read_model_info
from argan_plugin.weights import CHROMA
from benchmarks.gallery_pictures import PICTURES

Planes = NDArray[np.float32]


def unit(pixels: NDArray[np.uint8]) -> Planes:
    return pixels.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def coded(photo: NDArray[np.uint8]) -> tuple[Planes, Planes, Planes]:
    """Give chroma of a coded picture, the luma of the original, and its difference to the coded."""
    compressed = unit(round_trip(photo, quality=10, subsampling="4:2:0"))
    y, original = luma(compressed), luma(unit(photo))
    return chroma(compressed, y), original, original - y


def test_the_network_sees_what_files_hold(photo: NDArray[np.uint8]) -> None:
    colours = unit(photo)
    y = luma(colours)
    expected = np.asarray(Image.fromarray(photo).convert("YCbCr")).transpose(2, 0, 1)
    assert np.abs(planes_of(y, chroma(colours, y)) * 255 - expected).max() < 1.5  # Pillow rounds


def test_small_changes_are_none_and_those_of_grey_are_made_smaller_by_more() -> None:
    grey = 128 / 255
    given = np.full((3, 2, 3), grey, np.float32)
    given[1, 1] += np.float32(0.1)
    restored = given.copy()
    restored[1] += np.float32(1) / 255 * np.array([0.9, -1.5, 4], np.float32)
    change = chroma_change(given, restored) * 255
    np.testing.assert_allclose(change[0], [[0, -0.5, 3], [0.65, -1.25, 3.75]], atol=1e-4)
    assert not change[1].any()


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize(("quality", "left"), [(10, 0.75), (40, 0.85)])
def test_chroma_comes_nearer_to_the_original(
    quality: int, left: float, subsampling: Subsampling
) -> None:
    original = next(picture.load() for picture in PICTURES if picture.name == "coffee")
    compressed = round_trip(original, quality=quality, subsampling=subsampling)
    truth = chroma(unit(original), luma(unit(original)))

    def error(pixels: NDArray[np.uint8]) -> float:
        return float(np.square(chroma(unit(pixels), luma(unit(pixels))) - truth).mean())

    assert error(restore(compressed, chroma=True)) < left * error(compressed)


def test_grey_in_rgb_stays_grey() -> None:
    grey = next(picture.load() for picture in PICTURES if picture.name == "cat")[..., 1]
    compressed = round_trip(np.dstack([grey] * 3), quality=20, subsampling="4:2:0")
    restored = restore(compressed, chroma=True)
    assert np.array_equal(restored, np.dstack([restored[..., 0]] * 3))


@pytest.mark.parametrize(
    "colour",
    [
        (255, 0, 0),
        (0, 0, 255),
        (30, 200, 120),
        (250, 240, 220),
        (5, 24, 72),  # of 150 by chance the two that change most
        (26, 0, 90),
    ],
)
@pytest.mark.parametrize("shape", [(64, 64), (40, 56), (9, 100)])
def test_a_plain_colour_stays_as_it_is(
    colour: tuple[int, int, int], shape: tuple[int, int]
) -> None:
    plain = np.full((*shape, 3), colour, np.uint8)
    changed = restore(plain, chroma=True).astype(int) - plain
    assert np.abs(changed).max() <= 2
    assert np.abs(changed.mean(axis=(0, 1))).max() <= 1


def test_windows_have_the_context_of_the_network_that_looks_farther() -> None:
    luma_info, facts = read_model_info(None), chroma_info()
    halo = halo_of(luma_info, chroma=True, gaps=False)
    assert halo >= max(luma_info.halo, facts.halo)
    assert halo % step_of(luma_info, chroma=True) == 0
    assert step_of(luma_info, chroma=True) % facts.size_multiple == 0
    assert halo_of(luma_info, chroma=False, gaps=False) == luma_info.halo


def test_two_networks_share_the_memory_of_a_gpu(
    model: RestorationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RestorationModel, "images_at_once", lambda *_: 9)
    limits = ValueRange(0, 255)
    for chroma_too, most in ((False, 9), (True, 4)):
        correction = Correction(model, limits, chroma=chroma_too, gaps=False, cancel=None)
        assert correction.images_at_once(64, 64) == most


def test_a_model_of_chroma_is_none_of_luma(photo: NDArray[np.uint8]) -> None:
    with pytest.raises(ModelError, match="Give a model of luma, and chroma=True"):
        restore(photo, model=CHROMA)


def test_the_network_leaves_luma_as_it_is(photo: NDArray[np.uint8]) -> None:
    given = unit(photo).transpose(2, 0, 1)[np.newaxis].copy()
    model = RestorationModel(CHROMA, device="cpu")
    restored = model.run(given)
    assert np.array_equal(restored[:, 0], given[:, 0])
    with pytest.raises(ValueError, match=r"\(batch, 3, height, width\)"):
        model.run(given[:, :1])


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
    picture = 0.25 + round_trip(photo, quality=10, subsampling="4:2:0") / (255 * 2)
    alone, both = (restore(picture, model=model, chroma=chroma) for chroma in (False, True))
    weights = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(alone @ weights, both @ weights, atol=1e-6)
    assert np.abs(alone - both).max() > 0.005


def test_grey_has_no_chroma(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    grey = photo[..., 0]
    assert np.array_equal(
        restore(grey, model=model, chroma=True), restore(grey, model=model, chroma=False)
    )
    assert np.array_equal(colour_change(grey, model=model), luma_change(grey, model=model))
