"""`ARGANFilter` against `restore` on the same pixels, for each mode that Pillow has."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from argan_plugin.errors import UnsupportedImageError
from argan_plugin.model import RestorationModel
from argan_plugin.pillow_filter import ARGANFilter
from argan_plugin.restoration import restore


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


def _picture(mode: str, photo: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(photo).convert("RGB" if mode == "RGBX" else mode)
    if mode == "RGBX":
        return Image.frombytes("RGBX", image.size, image.convert("RGBA").tobytes())
    if mode in ("LA", "RGBA"):
        alpha = np.random.default_rng(2).integers(0, 256, photo.shape[:2], dtype=np.uint8)
        image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "RGBX"])
def test_it_gives_what_restore_gives(
    mode: str, model: RestorationModel, photo: NDArray[np.uint8]
) -> None:
    image = _picture(mode, photo)
    filtered = image.filter(ARGANFilter(model=model, strength=0.7, tile_size=40))
    assert (filtered.mode, filtered.size) == (mode, image.size)
    expected = restore(np.asarray(image), model=model, strength=0.7, tile_size=40)
    assert np.array_equal(np.asarray(filtered), expected)


def test_chroma(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    image = Image.fromarray(photo)
    filtered = image.filter(ARGANFilter(model=model, chroma=True))
    assert np.array_equal(np.asarray(filtered), restore(photo, model=model, chroma=True))


def test_the_steps_of_a_file(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=60)
    with Image.open(file) as image:
        assert isinstance(image, JpegImageFile)
        steps = image.quantization[0]
        filtered = image.filter(ARGANFilter(model=model, steps=steps))
        pixels = np.asarray(image)
    assert np.array_equal(np.asarray(filtered), restore(pixels, model=model, steps=steps))
    assert not np.array_equal(np.asarray(filtered), restore(pixels, model=model, grid=(0, 0)))
    with pytest.raises(UnsupportedImageError, match="CMYK"):
        image.convert("CMYK").filter(ARGANFilter(model=model, steps=steps))


def test_grey_with_alpha(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    image = _picture("LA", photo)
    filtered = image.filter(ARGANFilter(model=model))
    grey, alpha = filtered.split()
    assert filtered.mode == "LA"
    assert np.array_equal(np.asarray(grey), restore(np.asarray(image)[..., 0], model=model))
    assert alpha.tobytes() == image.getchannel("A").tobytes()


def test_inks(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    inks = np.dstack([photo, photo[::-1, :, 0]])
    image = Image.frombytes("CMYK", (118, 93), inks.tobytes())
    filtered = image.filter(ARGANFilter(model=model))

    light = 255 - np.asarray(image)
    restored = np.dstack(
        [restore(light[..., :3], model=model), restore(light[..., 3], model=model)]
    )
    assert filtered.mode == "CMYK"
    assert np.array_equal(np.asarray(filtered), 255 - restored)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "RGBX", "CMYK"])
def test_an_identity_network_returns_each_bit(
    mode: str, identity_model_path: Path, photo: NDArray[np.uint8]
) -> None:
    image = _picture(mode, photo)
    filtered = image.filter(ARGANFilter(model=identity_model_path))
    assert filtered.tobytes() == image.tobytes()
    assert filtered is not image


@pytest.mark.parametrize(
    ("mode", "advice"),
    [
        ("1", 'convert("L")'),
        ("P", 'convert("RGB")'),
        ("PA", 'convert("RGBA")'),
        ("La", 'convert("LA")'),
        ("RGBa", 'convert("RGBA")'),
        ("YCbCr", 'convert("RGB")'),
        ("HSV", 'convert("RGB")'),
        ("LAB", 'convert("RGB")'),
        ("I", "value_range"),
        ("I;16", "value_range"),
        ("I;16B", "value_range"),
        ("F", "value_range"),
    ],
)
def test_other_modes_are_refused_as_pillow_refuses_them(mode: str, advice: str) -> None:
    with pytest.raises(ValueError, match="image has wrong mode") as raised:
        Image.new(mode, (4, 4)).filter(ARGANFilter())
    assert isinstance(raised.value, UnsupportedImageError)
    assert f"not {mode}." in str(raised.value)
    assert advice in str(raised.value)


@pytest.mark.parametrize("mode", ["1", "P", "PA", "La", "RGBa", "YCbCr", "LAB", "HSV"])
def test_the_advised_conversion_works(mode: str, model: RestorationModel) -> None:
    with pytest.raises(UnsupportedImageError) as raised:
        Image.new(mode, (9, 5)).filter(ARGANFilter())
    advised = str(raised.value).split('convert("')[1].split('"')[0]
    filtered = Image.new(mode, (9, 5)).convert(advised).filter(ARGANFilter(model=model))
    assert (filtered.mode, filtered.size) == (advised, (9, 5))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "RGBX", "CMYK"])
def test_one_pixel(mode: str, model: RestorationModel) -> None:
    filtered = Image.new(mode, (1, 1)).filter(ARGANFilter(model=model))
    assert (filtered.mode, filtered.size) == (mode, (1, 1))


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "CMYK"])
def test_no_pixels(mode: str, size: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        Image.new(mode, size).filter(ARGANFilter())


def test_info_exif_and_the_original_stay(model: RestorationModel, jpeg_photo: Path) -> None:
    with Image.open(jpeg_photo) as image:
        image.info["icc_profile"] = b"a profile"
        before = image.tobytes()
        filtered = image.filter(ARGANFilter(model=model))
        assert filtered.info == image.info
        assert filtered.getexif()[0x010E] == "A disc on a slope"
        assert image.tobytes() == before
        assert filtered.tobytes() != before


def test_it_travels_to_other_processes(model: RestorationModel, photo: NDArray[np.uint8]) -> None:
    argan = ARGANFilter(model=model, strength=0.5)
    copy = pickle.loads(pickle.dumps(argan))
    image = Image.fromarray(photo)
    assert image.filter(copy).tobytes() == image.filter(argan).tobytes()
