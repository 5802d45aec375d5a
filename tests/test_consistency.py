"""Restored pictures stay among those that the JPEG file can stand for, and so come nearer."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from argan_plugin import restore, restore_jpeg
from argan_plugin.coefficients import SLACK, read_luma_coefficients
from argan_plugin.consistency import consistent_change
from argan_plugin.errors import ArganError, ImageFileError, UnsupportedImageError
from argan_plugin.quantization_tables import ijg_luma_table
from tests.jpeg_files import Picture, decoded, encoded, error, excess, stored_luma

pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")

EVERY_QUALITY = range(5, 96)
LUMA = np.array([0.299, 0.587, 0.114])


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

    steps = ijg_luma_table(quality)
    np.testing.assert_array_equal(free, restore(decoded(data), steps=steps, **options))
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
