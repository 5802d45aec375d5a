"""PNG files of one picture: the pixels bit by bit, and beside them what Pillow writes."""

from __future__ import annotations

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from argan_plugin.metadata import Metadata, save_options
from argan_plugin.png import write_png
from tests.picture_files import DEEP, PIXELS

ALL = PIXELS | {f"{mode} of 16 bits": pixels for mode, pixels in DEEP.items()}


def written(pixels: NDArray[Any], metadata: Metadata | None = None) -> bytes:
    file = io.BytesIO()
    write_png(file, pixels, save_options("PNG", metadata or Metadata()))
    return file.getvalue()


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return type and body of each chunk (PNG, 5.3), pixels left out."""
    found, place = [], 8
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        found.append((kind, png[place + 8 : place + 8 + length]))
        place += length + 12
    return [chunk for chunk in found if chunk[0] != b"IDAT"]


def exif() -> bytes:
    result = Image.Exif()
    result[ExifTags.Base.Orientation] = 6
    result[ExifTags.Base.Artist] = "An artist"
    result.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return b"Exif\0\0" + result.tobytes().removeprefix(b"Exif\0\0")


METADATA = {
    "none": Metadata(),
    "all": Metadata(
        exif=exif(),
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        xmp="<x:xmpmeta xmlns:x='adobe:ns:meta/'>é</x:xmpmeta>".encode(),
        dpi=(72, 144),
        comment="schön".encode("latin-1"),
        text={"Title": "A title", "Author": "Žofie", "Long": "a line " * 1000},
    ),
    "a profile of any bytes": Metadata(icc_profile=bytes(range(256)) * 2000),
    "a resolution": Metadata(dpi=(299.9994, 300)),
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
@pytest.mark.parametrize("mode", PIXELS)
def test_all_but_the_pixels_is_what_pillow_writes(mode: str, metadata: Metadata) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS[mode]).save(file, "PNG", **save_options("PNG", metadata))

    # The chunks in their order, with the header: size, depth, kind of colours, no interlacing.
    assert chunks(written(PIXELS[mode], metadata)) == chunks(file.getvalue())


@pytest.mark.parametrize("mode", DEEP)
def test_sixteen_bits_differ_in_the_header_alone(mode: str) -> None:
    eight = chunks(written(PIXELS[mode], METADATA["all"]))
    sixteen = chunks(written(DEEP[mode], METADATA["all"]))

    assert sixteen[1:] == eight[1:]
    assert sixteen[0][1][8] == 16
    assert eight[0][1][8] == 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (70, 50, 2), (70, 50, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_noise_of_any_shape(shape: tuple[int, ...], dtype: Any) -> None:
    # Which becomes larger: each row begins with a byte of its own.
    noise = np.random.default_rng(4).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)

    np.testing.assert_array_equal(imagecodecs.png_decode(written(noise)), noise)


@pytest.mark.parametrize("mode", ALL)
def test_pixels_that_do_not_lie_side_by_side(mode: str) -> None:
    pixels = ALL[mode][::-2, 1::2]

    assert written(pixels) == written(pixels.copy())


def test_every_checksum_is_right() -> None:
    with Image.open(io.BytesIO(written(PIXELS["RGB"], METADATA["all"]))) as image:
        image.verify()


def test_the_same_picture_gives_the_same_bytes() -> None:
    pixels = np.random.default_rng(5).integers(0, 9, (300, 400, 3), np.uint8)

    assert len({written(pixels, METADATA["all"]) for _ in range(3)}) == 1
