"""Which pictures are read, which are refused, and with what advice."""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from argan_plugin.errors import ImageFileError, NothingToRestore
from argan_plugin.files import read_picture
from tests.picture_files import INKS, PIXELS, colour, encoded


def test_tiff_of_either_byte_order(tmp_path: Path) -> None:
    # TIFF 6.0, section 2: big-endian header, one directory of 8 tags, 2 pixels of 16 bits
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 110), (278, 3, 1), (279, 4, 4)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + struct.pack(">HH" if kind == 3 else ">I", *value)
        for tag, kind, number in tags
        for value in [(number, 0) if kind == 3 else (number,)]
    )
    data = b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + entries + bytes(4)
    path = tmp_path / "big.tif"
    path.write_bytes(data + struct.pack(">HH", 1000, 50_000))
    assert len(data) == 110

    pixels = read_picture(path).pixels

    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[1000, 50_000]]


def test_one_transparent_colour_becomes_alpha(tmp_path: Path) -> None:
    path = tmp_path / "keyed.png"
    Image.fromarray(PIXELS["RGB"]).save(path, transparency=tuple(PIXELS["RGB"][2, 3].tolist()))

    pixels = read_picture(path).pixels

    np.testing.assert_array_equal(pixels[..., :3], PIXELS["RGB"])
    assert pixels[2, 3, 3] == 0
    assert np.count_nonzero(pixels[..., 3] == 0) == 1


def test_photo_of_an_mpo_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.mpo"
    photo = Image.fromarray(PIXELS["RGB"])
    photo.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (7, 9))], quality=95)

    picture = read_picture(path)

    with Image.open(path) as opened:
        np.testing.assert_array_equal(picture.pixels, np.asarray(opened))
    assert "only the photo" in picture.note


def test_name_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(colour())

    assert read_picture(path).pixels.shape == (9, 7, 3)


def blocks(channels: int) -> Any:
    """Return squares of 16 pixels in any colour: what every subsampling keeps."""
    random = np.random.default_rng(8)
    return np.kron(random.integers(0, 256, (2, 3, channels), np.uint8), np.ones((16, 16, 1), "u1"))


def largest_error(pixels: Any, expected: Any) -> int:
    """Compare the middles of the squares; between them Pillow's decoder smooths chroma."""
    inside = np.arange(16) % 16 // 4 % 3 > 0  # 4 to 11
    rows, columns = np.tile(inside, 2), np.tile(inside, 3)
    difference = pixels.astype(int) - expected
    return int(np.abs(difference[rows][:, columns]).max())


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
def test_any_subsampling(tmp_path: Path, subsampling: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(imagecodecs.jpeg8_encode(blocks(3), 95, subsampling=subsampling))

    pixels = read_picture(path).pixels

    assert largest_error(pixels, blocks(3)) <= 6


@pytest.mark.parametrize("stored_as", ["CMYK", "YCCK"])
def test_inks_of_adobes_jpeg_files(tmp_path: Path, stored_as: str) -> None:
    path = tmp_path / "a.jpg"
    # Adobe stores how much paper is left, not how much ink there is.
    paper = 255 - blocks(4)
    path.write_bytes(
        imagecodecs.jpeg8_encode(paper, 95, colorspace="CMYK", outcolorspace=stored_as)
    )

    picture = read_picture(path)

    assert picture.cmyk
    assert picture.modes == ("CMYK",)
    assert largest_error(picture.pixels, blocks(4)) <= 6


def test_inks_of_a_tiff_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.frombytes("CMYK", (7, 9), INKS.tobytes()).save(path)

    picture = read_picture(path)

    assert picture.cmyk
    np.testing.assert_array_equal(picture.pixels, INKS)


# 16 rows of 24 pixels at quality 60: `cjpeg -arithmetic` of libjpeg-turbo 2.1.5.
_ARITHMETIC = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt
QFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
T09PT09PT09PT09PT09PT09PT0//yQARCAAQABgDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDmoi32
9qvgOe6Xrtqkv0OkzWD3gmv0TaB+2YTyXoaglDGA/9k=
"""


def test_arithmetic_coding(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(base64.b64decode(_ARITHMETIC))

    pixels = read_picture(path).pixels

    drawn = np.kron(np.random.default_rng(0).integers(0, 256, (2, 3, 3), "u1"), np.ones((8, 8, 1)))
    assert pixels.shape == (16, 24, 3)
    assert np.abs(pixels.mean(axis=(0, 1)) - drawn.mean(axis=(0, 1))).max() < 3


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:2:0"}])
def test_one_pixel(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    path = tmp_path / "a.jpg"
    Image.new(mode, (1, 1), 90 if mode == "L" else (90,) * len(mode)).save(path, **options)

    picture = read_picture(path)

    assert picture.pixels.shape[:2] == (1, 1)
    assert np.abs(picture.pixels.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("name", ["a.png", "a.gif", "keyed.png", "keyed.gif"])
def test_a_palette_becomes_full_colour(tmp_path: Path, name: str) -> None:
    image = Image.fromarray(PIXELS["RGB"][:4, :5]).quantize(20)
    options: dict[str, Any] = {"transparency": 3} if name.startswith("keyed") else {}
    image.save(tmp_path / name, **options)

    picture = read_picture(tmp_path / name)

    assert picture.modes == ("RGBA" if options else "RGB",)
    np.testing.assert_array_equal(picture.pixels[..., :3], np.asarray(image.convert("RGB")))
    if options:
        np.testing.assert_array_equal(picture.pixels[..., 3] == 0, np.asarray(image) == 3)
    assert picture.note == "its palette became full colour"


def test_black_and_white_has_nothing_to_restore(tmp_path: Path) -> None:
    Image.new("1", (5, 4)).save(tmp_path / "a.png")

    with pytest.raises(NothingToRestore, match="black and white only, so it holds no JPEG"):
        read_picture(tmp_path / "a.png")


def test_avif(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4), (200, 90, 30)).save(tmp_path / "a.avif", quality=95)

    assert np.abs(read_picture(tmp_path / "a.avif").pixels - np.array((200, 90, 30))).max() <= 3


_REFUSED = {
    "nothing.jpg": (b"", "expected a picture"),
    "text.jpg": (b"Dear Sir or Madam,", "expected a picture"),
    "other.jpg": (encoded(Image.new("L", (5, 4)), "PPM"), "expected a picture"),
    "header.jpg": (colour()[:200], "damaged"),
    "short.jpg": (colour()[:-60], "damaged or cut off"),
    "short.png": (encoded(Image.fromarray(PIXELS["RGB"]), "PNG")[:-60], "damaged or cut off"),
    "short.tif": (encoded(Image.fromarray(PIXELS["RGB"]), "TIFF")[:-60], "damaged or cut off"),
    "lab.tif": (encoded(Image.new("LAB", (5, 4)), "TIFF"), "mode is LAB; convert it to RGB"),
    "float.tif": (encoded(Image.new("F", (5, 4)), "TIFF"), "floating-point"),
    "int.tif": (encoded(Image.new("I", (5, 4)), "TIFF"), "32-bit integers"),
    "white0.tif": (
        encoded(Image.fromarray(PIXELS["I;16"]), "TIFF", tiffinfo={262: 0}),
        "black to be 0",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_refused_files(tmp_path: Path, name: str) -> None:
    data, advice = _REFUSED[name]
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(ImageFileError, match=advice) as caught:
        read_picture(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="no regular file"):
        read_picture(tmp_path)
    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        read_picture(tmp_path / "gone.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")

    with pytest.raises(ImageFileError, match="no regular file"):
        read_picture(tmp_path / "pipe.jpg")
