"""The tables, the header reader and the round trip, held against libjpeg through Pillow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.errors import ImageFileError, UnsupportedImageError
from argan_plugin.inspection import steps_to_keep_to
from argan_plugin.jpeg import read_jpeg_info, round_trip
from argan_plugin.quantization_tables import ijg_chroma_table, ijg_luma_table


def picture(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Return smooth RGB texture of three different planes."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 90 * np.sin(x / 5 + shift) * np.cos(y / 7 - shift) for shift in (0, 1, 2)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encoded(mode: str = "RGB", **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture()).convert(mode).save(file, "JPEG", **settings)
    return file.getvalue()


def twice_framed(data: bytes) -> bytes:
    """Repeat a colour file's frame header: 10 bytes and 3 for each component (T.81, B.2.2)."""
    start = data.index(b"\xff\xc0")
    return data[:start] + data[start : start + 19] + data[start:]


@pytest.mark.parametrize("quality", range(1, 101))
def test_tables_are_those_of_libjpeg(quality: int) -> None:
    written = Image.open(io.BytesIO(encoded(quality=quality))).quantization  # type: ignore[attr-defined]

    assert ijg_luma_table(quality).ravel().tolist() == written[0]
    assert ijg_chroma_table(quality).ravel().tolist() == written[1]


@pytest.mark.parametrize("quality", range(1, 101))
def test_quality_is_found_again(quality: int) -> None:
    info = read_jpeg_info(encoded(quality=quality))

    assert (info.quality, info.ijg_tables) == (quality, True)
    # Up to 3 every step of the chroma tables is at its limit of 255.
    assert info.chroma_quality == (quality if quality > 3 else 1)


def test_quality_of_mixed_tables() -> None:
    tables = [ijg_luma_table(83).ravel().tolist(), ijg_chroma_table(41).ravel().tolist()]

    info = read_jpeg_info(encoded(qtables=tables))

    assert (info.quality, info.chroma_quality, info.ijg_tables) == (83, 41, True)
    assert info.quantization == (tuple(tables[0]), tuple(tables[1]), tuple(tables[1]))


def test_quality_of_foreign_tables_is_marked_as_an_estimate() -> None:
    almost = ijg_luma_table(30)
    almost[7, 7] += 1

    info = read_jpeg_info(encoded("L", qtables=[almost.ravel().tolist()]))

    assert (info.quality, info.ijg_tables) == (30, False)


def test_sixteen_bit_tables() -> None:
    # libjpeg's tables of quality 3 before the limit of 255 that baseline files have
    table = np.rint(ijg_luma_table(50) * 1666 / 100).astype(int).ravel().tolist()

    info = read_jpeg_info(encoded("L", qtables=[table]))

    assert info.quality == 3
    assert max(info.quantization[0]) > 255


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_info_of_colour(subsampling: str, progressive: bool, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(subsampling=subsampling, progressive=progressive))

    info = read_jpeg_info(path)

    assert (info.width, info.height, info.mode) == (40, 24, "RGB")
    assert (info.subsampling, info.progressive) == (subsampling, progressive)


@pytest.mark.parametrize(
    ("factors", "name"),
    [
        ((0x12, 0x11, 0x11), "4:4:0"),
        ((0x41, 0x11, 0x11), "4:1:1"),
        ((0x42, 0x11, 0x11), "4:1:0"),
        ((0x22, 0x22, 0x22), "4:4:4"),
        ((0x31, 0x11, 0x11), "3x1,1x1,1x1"),
        ((0x22, 0x11, 0x21), "2x2,1x1,2x1"),
        ((0x21, 0x31, 0x31), "2x1,3x1,3x1"),
    ],
)
def test_unusual_subsampling(factors: tuple[int, ...], name: str) -> None:
    data = bytearray(encoded())
    # T.81, B.2.2: after SOF0 come length, precision, height, width, number of components, and for
    # each component its identifier, its sampling factors and its table.
    first = data.index(b"\xff\xc0") + 10
    data[first + 1 : first + 9 : 3] = bytes(factors)

    info = read_jpeg_info(bytes(data))
    assert info.subsampling == name
    assert info.first_is_whole == (factors[0] != 0x21)
    assert (steps_to_keep_to(info, None) is None) == (factors[0] == 0x21)


def test_files_without_chroma() -> None:
    grey = read_jpeg_info(encoded("L", quality=37))
    assert (grey.mode, grey.subsampling) == ("L", None)
    assert (grey.quality, grey.chroma_quality, grey.ijg_tables) == (37, None, True)

    rgb = read_jpeg_info(encoded(quality=37, keep_rgb=True))
    assert (rgb.mode, rgb.subsampling) == ("RGB", "4:4:4")
    assert (rgb.quality, rgb.chroma_quality, rgb.ijg_tables) == (37, None, True)

    cmyk = read_jpeg_info(encoded("CMYK", quality=37))
    assert (cmyk.mode, cmyk.subsampling) == ("CMYK", "4:4:4")
    assert (cmyk.quality, cmyk.chroma_quality) == (37, None)


def test_info_reads_no_pixels() -> None:
    data = encoded(quality=50)
    scan = data.index(b"\xff\xda")

    assert read_jpeg_info(data[: scan + 14]) == read_jpeg_info(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        encoded()[:100],
        encoded().replace(b"\xff\xdb", b"\xff\xfe"),  # its tables turned into comments
        twice_framed(encoded()),
        encoded().replace(b"\x03\x01\x22\x00", b"\x03\x01\x02\x00"),
    ],
    ids=[
        "empty",
        "start only",
        "png",
        "cut in the tables",
        "no tables",
        "two frame headers",
        "zero samples",
    ],
)
def test_info_refuses_what_is_no_jpeg(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)

    with pytest.raises(ImageFileError, match="expected a JPEG file"):
        read_jpeg_info(data)
    with pytest.raises(ImageFileError, match=r"broken\.jpg: expected a JPEG file"):
        read_jpeg_info(path)


def test_info_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        read_jpeg_info(tmp_path / "gone.jpg")


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(24, 40), (7, 9), (1, 1)])
def test_round_trip_is_that_of_a_file(subsampling: Any, size: tuple[int, int]) -> None:
    image = picture(*size)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=20, subsampling=subsampling)

    result = round_trip(image, quality=20, subsampling=subsampling)

    np.testing.assert_array_equal(result, np.asarray(Image.open(file)))
    assert result.flags.writeable


def test_round_trip_of_grey_quantizes_by_the_table() -> None:
    grey = picture()[..., 0]
    result = round_trip(grey, quality=100)
    assert result.shape == grey.shape
    assert np.abs(result.astype(int) - grey).max() <= 1

    # At this contrast and with steps this large only the means of the blocks are left.
    flat = round_trip(grey // 8, qtables=[[8] + [255] * 63])
    blocks = flat.reshape(3, 8, 5, 8)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_round_trip_by_tables_is_round_trip_by_quality() -> None:
    tables = [ijg_luma_table(23).ravel().tolist(), ijg_chroma_table(23).ravel().tolist()]

    np.testing.assert_array_equal(
        round_trip(picture(), qtables=tables), round_trip(picture(), quality=23)
    )


def test_round_trip_of_a_view() -> None:
    view = picture()[::-1, ::2, 1]

    np.testing.assert_array_equal(
        round_trip(view, quality=10), round_trip(np.ascontiguousarray(view), quality=10)
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.float32),
        np.zeros(8, np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3, 3), np.uint8),
        np.zeros((0, 8), np.uint8),
        np.zeros((1, 65501), np.uint8),
    ],
    ids=["float", "1-D", "RGBA", "4-D", "empty", "too wide"],
)
def test_round_trip_refuses_other_arrays(image: Any) -> None:
    with pytest.raises(UnsupportedImageError, match="expected"):
        round_trip(image, quality=50)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"quality": 50, "qtables": [[1] * 64]},
        {"quality": 0},
        {"quality": 101},
        {"quality": 50, "subsampling": "4:1:1"},
        {"qtables": [[1] * 63]},
    ],
)
def test_round_trip_refuses_other_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        round_trip(picture(), **settings)


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_tables_of_no_quality(quality: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 100"):
        ijg_luma_table(quality)
