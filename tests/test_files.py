"""Which pictures are read and written, which are refused, and with what advice."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from argan_plugin.errors import ImageFileError
from argan_plugin.files import (
    DamagedFileError,
    Picture,
    read_picture,
    strict_decoding,
    write_picture,
)
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.metadata import Metadata
from argan_plugin.truncated import read_what_is_there

_random = np.random.default_rng(3)
PIXELS: dict[str, NDArray[Any]] = {
    "L": _random.integers(0, 256, (9, 7), np.uint8),
    "LA": _random.integers(0, 256, (9, 7, 2), np.uint8),
    "RGB": _random.integers(0, 256, (9, 7, 3), np.uint8),
    "RGBA": _random.integers(0, 256, (9, 7, 4), np.uint8),
    "I;16": _random.integers(0, 65536, (9, 7), np.uint16),
}


def png(depth: int, colour_type: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of one pixel, of kinds that Pillow cannot write (PNG, 11.2.2)."""
    header = struct.pack(">IIBBBBB", 1, 1, depth, colour_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", header),
        *chunks,
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        data += struct.pack(">I", len(body)) + kind + body + checksum
    return data


def encoded(image: Image.Image, pillow_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


def colour(**options: Any) -> bytes:
    return encoded(Image.fromarray(PIXELS["RGB"]), "JPEG", **options)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize("mode", PIXELS)
def test_png_and_tiff_hold_every_picture(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"

    write_picture(path, Picture(pixels=PIXELS[mode], metadata=Metadata()))

    with Image.open(path) as image:
        assert image.mode == mode
    pixels = read_picture(path).pixels
    assert pixels.dtype == PIXELS[mode].dtype
    np.testing.assert_array_equal(pixels, PIXELS[mode])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_webp_is_lossless(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.webp"

    write_picture(path, Picture(pixels=PIXELS[mode], metadata=Metadata()))

    with Image.open(path) as image:  # which knows colour alone
        expected = Image.fromarray(PIXELS[mode]).convert(image.mode)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


def test_jpeg_has_the_quality_and_all_of_its_chroma(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"

    write_picture(path, Picture(pixels=PIXELS["RGB"], metadata=Metadata()))
    info = read_jpeg_info(path)
    assert (info.quality, info.chroma_quality, info.subsampling) == (95, 95, "4:4:4")

    picture = Picture(pixels=PIXELS["L"], metadata=Metadata())
    write_picture(path, picture, quality=71, overwrite=True)
    info = read_jpeg_info(path)
    assert (info.mode, info.quality) == ("L", 71)


@pytest.mark.parametrize(
    ("name", "mode", "advice"),
    [
        ("a.jpg", "RGBA", "transparency; write PNG, WebP or TIFF"),
        ("a.jpeg", "LA", "transparency; write PNG, WebP or TIFF"),
        ("a.jpg", "I;16", "16 bits; write PNG or TIFF"),
        ("a.webp", "I;16", "16 bits; write PNG or TIFF"),
        ("a.bmp", "RGB", "the suffix must be one of .jpeg, .jpg, .png"),
        ("a", "RGB", "the suffix must be one of .jpeg, .jpg, .png"),
    ],
)
def test_format_that_cannot_hold_it(tmp_path: Path, name: str, mode: str, advice: str) -> None:
    with pytest.raises(ImageFileError, match=f"{name}: .*{advice}"):
        write_picture(tmp_path / name, Picture(pixels=PIXELS[mode], metadata=Metadata()))

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("suffix", "pixels", "metadata"),
    [
        (".webp", np.zeros((1, 16384), np.uint8), Metadata()),
        (".jpg", np.zeros((1, 65501), np.uint8), Metadata()),
        (".jpg", PIXELS["L"], Metadata(exif=b"Exif\0\0" + bytes(70_000))),
    ],
    ids=["too wide for WebP", "too wide for JPEG", "too much EXIF for JPEG"],
)
def test_what_the_encoder_refuses_leaves_nothing(
    tmp_path: Path, suffix: str, pixels: NDArray[Any], metadata: Metadata
) -> None:
    path = tmp_path / f"picture{suffix}"

    with pytest.raises(ImageFileError, match=rf"picture\{suffix}: cannot be written: "):
        write_picture(path, Picture(pixels=pixels, metadata=metadata))

    assert not list(tmp_path.iterdir())


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "picture.png"

    write_picture(path, Picture(pixels=PIXELS["L"], metadata=Metadata()))

    assert path.exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ImageFileError, match="cannot be written: Not a directory"):
        write_picture(
            tmp_path / "file" / "a" / "p.png", Picture(pixels=PIXELS["L"], metadata=Metadata())
        )


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


_TWO = {"save_all": True, "append_images": [Image.new("L", (5, 4), 9)]}
_REFUSED = {
    "nothing.jpg": (b"", "expected a picture"),
    "text.jpg": (b"Dear Sir or Madam,", "expected a picture"),
    "other.jpg": (encoded(Image.new("L", (5, 4)), "PPM"), "expected a picture"),
    "header.jpg": (colour()[:200], "damaged"),
    "short.jpg": (colour()[:-60], "damaged or cut off"),
    "short.png": (encoded(Image.fromarray(PIXELS["RGB"]), "PNG")[:-60], "damaged or cut off"),
    "short.tif": (encoded(Image.fromarray(PIXELS["RGB"]), "TIFF")[:-60], "damaged or cut off"),
    "pages.tif": (encoded(Image.new("L", (5, 4)), "TIFF", **_TWO), "holds 2 pages or frames"),
    "frames.png": (encoded(Image.new("L", (5, 4)), "PNG", **_TWO), "holds 2 pages or frames"),
    "frames.gif": (encoded(Image.new("L", (5, 4)), "GIF", **_TWO), "holds 2 pages or frames"),
    "frames.webp": (encoded(Image.new("L", (5, 4)), "WEBP", **_TWO), "holds 2 pages or frames"),
    "palette.png": (encoded(Image.new("P", (5, 4)), "PNG"), "has a palette; convert it to RGB"),
    "bilevel.png": (encoded(Image.new("1", (5, 4)), "PNG"), "black and white only"),
    "cmyk.jpg": (encoded(Image.new("CMYK", (5, 4)), "JPEG"), "is in CMYK; convert it to RGB"),
    "lab.tif": (encoded(Image.new("LAB", (5, 4)), "TIFF"), "mode is LAB; convert it to RGB"),
    "float.tif": (encoded(Image.new("F", (5, 4)), "TIFF"), "floating-point"),
    "int.tif": (encoded(Image.new("I", (5, 4)), "TIFF"), "32-bit integers"),
    "rgb16.png": (png(16, 2, bytes(6)), "a colour picture of 16"),
    "rgba16.png": (png(16, 6, bytes(8)), "a colour picture of 16"),
    "la16.png": (png(16, 4, bytes(4)), "a colour picture of 16"),
    "keyed16.png": (png(16, 0, bytes(2), (b"tRNS", bytes(2))), "remove the transparency"),
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
    noise = _random.integers(0, 256, (64, 64, 3), np.uint8)
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
