"""The steps of the file behind an array, as long as the array shows what the file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.decoded_file import steps_behind
from argan_plugin.quantization_tables import ijg_luma_table
from tests.textures import texture

WHOLE = (slice(0, 93), slice(0, 118))
STEPS = tuple(ijg_luma_table(60).ravel().tolist())


@pytest.fixture
def path(photo: NDArray[np.uint8], tmp_path: Path) -> Path:
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=60)
    return tmp_path / "photo.jpg"


def shown(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image)


def test_pixels_of_the_file_and_windows_of_them(path: Path) -> None:
    pixels = shown(path)
    assert steps_behind(path, pixels, WHOLE) == STEPS
    window = slice(16, 60), slice(0, 118)
    assert steps_behind(path, pixels[window], window) == STEPS


def test_other_pixels(path: Path) -> None:
    pixels = shown(path)
    for changed in (pixels[::-1], pixels[..., 0], pixels.astype(np.float32) / 255, pixels[:-1]):
        assert steps_behind(path, changed, WHOLE) is None
    beyond = slice(0, 93), slice(0, 119)
    assert steps_behind(path, pixels, beyond) is None
    pixels[4, 5, 1] += 1
    assert steps_behind(path, pixels, WHOLE) is None


def test_an_earlier_compression_leaves_none(tmp_path: Path) -> None:
    once, twice = tmp_path / "once.jpg", tmp_path / "twice.jpg"
    Image.fromarray(texture()).save(once, quality=40)
    Image.fromarray(shown(once)).save(twice, quality=90)
    whole = slice(0, 200), slice(0, 240)
    assert steps_behind(once, shown(once), whole) == tuple(ijg_luma_table(40).ravel().tolist())
    assert steps_behind(twice, shown(twice), whole) is None


def test_files_that_say_nothing(path: Path, tmp_path: Path) -> None:
    pixels = shown(path)
    png = tmp_path / "photo.png"
    Image.fromarray(pixels).save(png)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(path.read_bytes()[:1500])
    for other in (png, cut, tmp_path / "gone.jpg", tmp_path, "https://example.org/photo.jpg"):
        assert steps_behind(other, pixels, WHOLE) is None
