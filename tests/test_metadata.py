"""Metadata survives the way from any format to any other that can hold it; Pillow reads it back."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from argan_plugin.files import read_picture
from argan_plugin.writing import write_picture

ICC = bytes(range(128)) * 1000  # longer than one segment of a JPEG file
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>é</x:xmpmeta>".encode()
SUFFIXES = (".avif", ".jpg", ".png", ".tif", ".webp")


def exif(orientation: int = 1) -> Image.Exif:
    result = Image.Exif()
    result[ExifTags.Base.Make] = "A maker"
    result[ExifTags.Base.Orientation] = orientation
    # What some phones write: the size of the picture before it was made smaller.
    result[ExifTags.Base.ImageWidth] = 4000
    result[ExifTags.Base.ImageLength] = 3000
    result.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.25
    result.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return result


def write_source(path: Path, **options: Any) -> Path:
    pixels = np.arange(24 * 16 * 3, dtype=np.uint16).reshape(24, 16, 3).astype(np.uint8)
    if path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        texts.add_text("Title", "A title")
        options["pnginfo"] = texts
    elif path.suffix == ".tif":
        options["exif"][700] = XMP
        for tag in (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength):
            del options["exif"][tag]  # a TIFF file states its own
        # Pillow takes sub-directories only from EXIF data that was read from bytes.
        options["exif"] = options["exif"].tobytes()
    else:
        options["xmp"] = XMP
    Image.fromarray(pixels).save(path, icc_profile=ICC, **options)
    return path


def copied(source: Path, suffix: str) -> Image.Image:
    target = source.with_name("copy" + suffix)
    write_picture(target, read_picture(source))
    return Image.open(target)


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("of", SUFFIXES)
def test_any_format_to_any_other(tmp_path: Path, of: str, to: str) -> None:
    source = write_source(tmp_path / f"source{of}", exif=exif(), dpi=(72, 144))

    with copied(source, to) as copy:
        assert copy.size == (16, 24)
        found = copy.getexif()
        assert found[ExifTags.Base.Make] == "A maker"
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 0.25
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        copy.load()
        assert copy.info["icc_profile"] == ICC
        assert copy.info["xmp"] == XMP
        if not {".avif", ".webp"} & {of, to}:  # which know no resolution
            assert copy.info["dpi"] == pytest.approx((72, 144), abs=0.02)


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("of", [".avif", ".jpg", ".png", ".webp"])
def test_orientation_still_turns_the_picture_once(tmp_path: Path, of: str, to: str) -> None:
    source = write_source(tmp_path / f"source{of}", exif=exif(orientation=6))

    assert read_picture(source).pixels.shape == (24, 16, 3)  # as stored
    with copied(source, to) as copy:
        if to == ".tif":
            copy.load()  # turns it
        else:
            assert copy.size == (16, 24)
            assert copy.getexif()[ExifTags.Base.Orientation] == 6
            ImageOps.exif_transpose(copy, in_place=True)
        assert copy.size == (24, 16)


def test_turned_tiff_is_not_turned_twice(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.tif", exif=exif(orientation=6))

    with copied(source, ".png") as copy:
        assert copy.size == (24, 16)
        assert copy.getexif()[ExifTags.Base.Make] == "A maker"
        assert ExifTags.Base.Orientation not in copy.getexif()


def test_jpeg_xl(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.jpg", exif=exif(orientation=6))
    picture = read_picture(source)
    # Its plugin writes no profile; see test_writing.py.
    picture = replace(picture, metadata=replace(picture.metadata, icc_profile=b""))

    write_picture(tmp_path / "copy.jxl", picture)

    with Image.open(tmp_path / "copy.jxl") as copy:
        assert copy.size == (16, 24)
        found = copy.getexif()
        assert found[ExifTags.Base.Orientation] == 6
        assert found[ExifTags.Base.Make] == "A maker"
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 0.25
    assert XMP in (tmp_path / "copy.jxl").read_bytes()


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("data", [b"Exif\0\0nonsense", exif().tobytes()[:60]])
def test_damaged_exif_does_not_keep_the_picture_from_being_written(
    tmp_path: Path, data: bytes, to: str
) -> None:
    source = write_source(tmp_path / "source.jpg", exif=data)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about the damage
        with copied(source, to) as copy:
            assert copy.size == (16, 24)


@pytest.mark.parametrize("comment", ["plain", "schön", "€"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_comment(tmp_path: Path, comment: str, encoding: str) -> None:
    data = comment.encode(encoding, "replace")
    source = write_source(tmp_path / "source.jpg", comment=data)

    with copied(source, ".jpg") as copy:
        assert copy.info["comment"] == data
    with copied(source, ".png") as copy:
        assert copy.text["Comment"] == data.decode(encoding)  # type: ignore[attr-defined]


def test_png_texts(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.png")

    with copied(source, ".png") as copy:
        texts = copy.text  # type: ignore[attr-defined]
    assert texts == {"Title": "A title", "XML:com.adobe.xmp": XMP.decode()}


def test_place_in_the_old_file_is_not_copied(tmp_path: Path) -> None:
    photo = exif()
    photo.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R98"}
    source = write_source(tmp_path / "source.jpg", exif=photo)
    with Image.open(source) as image:
        assert ExifTags.IFD.Interop in image.getexif().get_ifd(ExifTags.IFD.Exif)

    with copied(source, ".tif") as copy:
        assert ExifTags.IFD.Interop not in copy.getexif().get_ifd(ExifTags.IFD.Exif)


@pytest.mark.parametrize("dpi", [(0, 72), (math.inf, 72), (72, 1e9)])
def test_impossible_resolution_is_dropped(tmp_path: Path, dpi: tuple[float, float]) -> None:
    source = tmp_path / "source.tif"
    # TIFF's rationals: infinity is 1/0
    Image.new("L", (3, 3)).save(source, x_resolution=dpi[0], y_resolution=dpi[1])

    with copied(source, ".png") as copy:
        assert "dpi" not in copy.info


def test_no_metadata_stays_none(tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    Image.new("L", (3, 3)).save(source)

    for suffix in SUFFIXES:
        with copied(source, suffix) as copy:
            assert not {"exif", "icc_profile", "xmp", "comment"} & set(copy.info)
            copy.close()
            Path(copy.filename).unlink()  # type: ignore[attr-defined]
