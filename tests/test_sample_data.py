"""The sample picture is what it says it is."""

from __future__ import annotations

import io
from importlib import resources

import numpy as np
from PIL import Image

from argan_plugin._sample_data import vintage_cars
from argan_plugin.jpeg import read_jpeg_info

FOLDER = resources.files("argan_plugin") / "samples"


def test_sample_is_a_strongly_compressed_photograph() -> None:
    ((pixels, attributes, kind),) = vintage_cars()
    assert (kind, attributes["rgb"]) == ("image", True)
    assert (pixels.shape, pixels.dtype) == ((512, 768, 3), np.dtype(np.uint8))
    data = (FOLDER / "vintage_cars.jpg").read_bytes()
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))
    assert read_jpeg_info(data).quality == 10
    assert len(data) < 20_000  # it is in every installation


def test_readme_names_each_picture() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    pictures = [item.name for item in FOLDER.iterdir() if item.name != "README.md"]
    assert pictures
    assert all(f"`{name}`" in readme for name in pictures)
