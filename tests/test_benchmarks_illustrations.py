"""What models gain on illustrations, on restorers whose results are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import illustrations
from tests.textures import texture


def a_picture(path: Path, height: int, width: int, seed: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(texture(height, width, seed)).save(path)


def test_crops_are_the_same_each_time_and_of_pictures_that_have_room(tmp_path: Path) -> None:
    for seed in range(3):
        a_picture(tmp_path / "one" / f"{seed}.png", 300, 280, seed)
    a_picture(tmp_path / "two" / "small.png", 300, 200)
    Image.new("L", (300, 300), 90).save(tmp_path / "two" / "even.png")
    first, second = (illustrations.crops(tmp_path, 10) for _ in range(2))
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert one.shape == (256, 256)
        assert (one == other).all()
    assert len(illustrations.crops(tmp_path, 2)) == 2


def test_enlarged_pixels_are_even_squares(tmp_path: Path) -> None:
    a_picture(tmp_path / "art" / "0.png", 100, 110)
    assert np.asarray(Image.open(tmp_path / "art" / "0.png")).shape == (100, 110)
    (crop,) = illustrations.crops(tmp_path, 1, enlarged=3)
    assert crop.shape == (256, 256)
    edges = np.flatnonzero(np.abs(np.diff(crop.astype(int))).sum(axis=0))
    assert len(edges) > 60
    assert np.gcd.reduce(np.diff(edges)) == 3


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[:, :128, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    (crop,) = illustrations.crops(tmp_path, 1)
    assert (crop[:, :128] == 0).all()
    assert (crop[:, 128:] == 255).all()


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="expected PNG"):
        illustrations.crops(tmp_path, 1)


def test_what_gives_the_original_gains_what_jpeg_lost() -> None:
    original = texture(256, 256)
    assert all("+0.00" in row for row in illustrations.gains(lambda image: image, [original]))
    perfect = illustrations.gains(lambda _: original, [original])
    gained = [float(row.split()[0]) for row in perfect]
    # the original itself counts as 60 dB; the better the JPEG, the less there is to gain
    assert gained == sorted(gained, reverse=True)
    assert gained[0] > 20
