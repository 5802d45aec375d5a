"""Files that are cut off, damaged or too large: refused, or restored as far as they go."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from argan_plugin.decoding import DamagedFileError
from argan_plugin.errors import ImageFileError
from argan_plugin.files import read_picture, strict_decoding
from argan_plugin.truncated import read_what_is_there
from tests.picture_files import PIXELS, colour, encoded


def test_strict_decoding_refuses_what_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "short.jpg"
    path.write_bytes(colour()[:-60])

    with strict_decoding(max_pixels=1000), pytest.raises(ImageFileError, match="cut off"):
        read_picture(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_what_is_there_of_a_truncated_file(tmp_path: Path, suffix: str) -> None:
    whole, short = tmp_path / f"whole{suffix}", tmp_path / f"short{suffix}"
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    short.write_bytes(whole.read_bytes()[: -whole.stat().st_size // 4])

    with strict_decoding(max_pixels=9999):
        with pytest.raises(DamagedFileError, match="cut off"):
            read_picture(short)
        expected = read_what_is_there(whole)
        picture = read_what_is_there(short)

    assert expected.note == ""
    assert picture.note == "is damaged or cut off; what is there was restored, the rest is blank"
    # BMP begins at the bottom.
    rows = slice(-16, None) if suffix == ".bmp" else slice(16)
    np.testing.assert_array_equal(picture.pixels[rows], expected.pixels[rows])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_truncated_files_in_threads(tmp_path: Path) -> None:
    path = tmp_path / "short.jpg"
    noise = np.random.default_rng(3).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-9000])

    with strict_decoding(max_pixels=99_999):
        with ThreadPoolExecutor(4) as threads:
            pictures = list(threads.map(read_what_is_there, [path] * 40))
        assert not ImageFile.LOAD_TRUNCATED_IMAGES

    assert {bool(picture.note) for picture in pictures} == {True}


def test_nothing_is_there_of_other_files(tmp_path: Path) -> None:
    path = tmp_path / "short.webp"
    path.write_bytes(encoded(Image.fromarray(PIXELS["RGB"]), "WEBP")[:-9])

    with pytest.raises(DamagedFileError, match="cut off"):
        read_what_is_there(path)
    with pytest.raises(ImageFileError, match="No such file"):
        read_what_is_there(tmp_path / "gone.jpg")


def test_libtiff_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(Image.fromarray(PIXELS["RGB"]), "TIFF", compression="jpeg")
    path = tmp_path / "damaged.tif"
    path.write_bytes(data.replace(b"\xff\xdb", b"\xff\xfe"))  # tables become comments

    with pytest.raises(DamagedFileError):
        read_picture(path)

    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


def test_strict_decoding_limits_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(colour())
    before = Image.MAX_IMAGE_PIXELS

    with strict_decoding(max_pixels=62), pytest.raises(ImageFileError, match="--max-pixels"):
        read_picture(path)
    # Nor does it warn up to the limit, as Pillow does from half of its own.
    with strict_decoding(max_pixels=64):
        assert read_picture(path).pixels.shape == (9, 7, 3)
    assert before == Image.MAX_IMAGE_PIXELS
