"""Colours of 16 bits, in and out, bit by bit, by other libraries' reading and writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, PngImagePlugin

from argan_plugin.errors import ImageFileError
from argan_plugin.files import read_picture
from argan_plugin.metadata import Metadata
from argan_plugin.picture import Picture
from argan_plugin.writing import write_picture
from tests.picture_files import DEEP, PIXELS, png


def exif_bytes(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "A maker"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.25
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


@pytest.mark.parametrize("mode", DEEP)
def test_png_in(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(DEEP[mode]))

    picture = read_picture(path)

    assert picture.modes == (mode,)
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, DEEP[mode])


@pytest.mark.parametrize(("colour_type", "size"), [(0, 2), (2, 6)])
def test_one_transparent_colour_becomes_alpha(tmp_path: Path, colour_type: int, size: int) -> None:
    row = b"\x12\x34" * (size // 2)
    for key, alpha in ((row, 0), (b"\x12\x35" * (size // 2), 65535)):
        path = tmp_path / "a.png"
        path.write_bytes(png(16, colour_type, row, (b"tRNS", key)))

        pixels = read_picture(path).pixels

        assert pixels.tolist() == [[[0x1234] * (size // 2) + [alpha]]]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("planar", [False, True])
def test_tiff_in(tmp_path: Path, byteorder: Any, compression: str | None, planar: bool) -> None:
    path = tmp_path / "a.tif"
    stored = np.moveaxis(DEEP["RGB"], -1, 0) if planar else DEEP["RGB"]
    tifffile.imwrite(
        path,
        np.ascontiguousarray(stored),
        photometric="rgb",
        planarconfig="separate" if planar else "contig",
        byteorder=byteorder,
        compression=compression,
        predictor=bool(compression),
    )

    np.testing.assert_array_equal(read_picture(path).pixels, DEEP["RGB"])


@pytest.mark.parametrize(("kind", "mode"), [("unassalpha", "RGBA"), ("unspecified", "RGB")])
def test_fourth_channel_of_a_tiff_file(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP["RGBA"], photometric="rgb", extrasamples=[kind])

    picture = read_picture(path)

    assert picture.modes == (mode,)
    np.testing.assert_array_equal(picture.pixels, DEEP["RGBA"][..., : len(mode)])


@pytest.mark.parametrize(
    "options",
    [{"photometric": "separated"}, {"photometric": "rgb", "extrasamples": ["assocalpha"]}],
    ids=["CMYK", "premultiplied"],
)
def test_other_channels_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP["RGBA"], **options)

    with pytest.raises(ImageFileError, match=r"a\.tif: expected RGB or RGBA where it has 16 bits"):
        read_picture(path)


@pytest.mark.parametrize("mode", DEEP)
def test_png_out(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    metadata = Metadata(
        exif=exif_bytes(6),
        icc_profile=bytes(range(128)),
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        dpi=(72, 144),
        comment=b"a comment",
        text={"Title": "A title"},
    )

    write_picture(path, Picture(pixels=DEEP[mode], metadata=metadata))

    np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), DEEP[mode])
    with Image.open(path) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        image.load()
        assert image.getexif()[ExifTags.Base.Orientation] == 6
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 0.25
        assert image.info["icc_profile"] == metadata.icc_profile
        assert image.info["xmp"] == metadata.xmp
        assert image.info["dpi"] == pytest.approx((72, 144), abs=0.02)
        assert image.text["Title"] == "A title"
        assert image.text["Comment"] == "a comment"
    assert path.read_bytes().count(b"iCCP") == 1
    assert b"sRGB" not in path.read_bytes()


@pytest.mark.parametrize("mode", DEEP)
def test_tiff_out(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    metadata = Metadata(
        exif=exif_bytes(6), icc_profile=bytes(range(128)), xmp=b"<x/>", dpi=(72, 144)
    )

    write_picture(path, Picture(pixels=DEEP[mode], metadata=metadata))

    with tifffile.TiffFile(path) as file:
        (page,) = file.pages
        assert isinstance(page, tifffile.TiffPage)
        np.testing.assert_array_equal(page.asarray(), DEEP[mode])
        assert page.tags["XResolution"].value == (72, 1)
        assert page.tags["Make"].value == "A maker"
        assert page.tags["Orientation"].value == 6
        assert page.tags["ExifTag"].value["ExposureTime"] == 0.25
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert bytes(page.tags["InterColorProfile"].value) == metadata.icc_profile
        assert bytes(page.tags["XMP"].value) == metadata.xmp
        if mode.endswith("A"):
            assert page.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)


def test_orientation_still_turns_the_picture_once(tmp_path: Path) -> None:
    for name in ("a.tif", "a.png"):
        write_picture(
            tmp_path / name, Picture(pixels=DEEP["RGB"], metadata=Metadata(exif=exif_bytes(6)))
        )
        for target in ("b.tif", "b.png"):
            picture = read_picture(tmp_path / name)
            np.testing.assert_array_equal(picture.pixels, DEEP["RGB"])  # as stored
            write_picture(tmp_path / target, picture, overwrite=True)
            with Image.open(tmp_path / target) as image:
                assert image.getexif()[ExifTags.Base.Orientation] == 6


def test_pages_of_different_kinds(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    pages = (DEEP["RGB"], PIXELS["L"], DEEP["LA"], PIXELS["I;16"], PIXELS["RGBA"])
    first, *later = pages
    picture = Picture(pixels=first, later_frames=tuple(later), metadata=Metadata(dpi=(72, 72)))

    write_picture(path, picture)
    with tifffile.TiffFile(path) as file:
        for page, expected in zip(file.pages, pages, strict=True):
            np.testing.assert_array_equal(page.asarray(), expected)

    # Pillow knows no grey of 16 bits with alpha.
    readable = Picture(pixels=first, later_frames=(pages[1], *pages[3:]), metadata=Metadata())
    write_picture(copy, readable)
    for pixels, expected in zip(read_picture(copy).frames, readable.frames, strict=True):
        np.testing.assert_array_equal(pixels, expected)


def test_libpng_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    data = bytearray(imagecodecs.png_encode(DEEP["RGB"]))
    data[26] = 9  # the compression method, which Pillow does not look at
    path.write_bytes(data)

    with pytest.raises(ImageFileError, match="damaged"):
        read_picture(path)

    assert capfd.readouterr().err == ""


def test_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = imagecodecs.png_encode(np.zeros((40, 40, 3), np.uint16) + DEEP["RGB"][0, 0])
    path.write_bytes(data[: len(data) - 40])

    with pytest.raises(ImageFileError, match="damaged or cut off"):
        read_picture(path)
