"""`inspect_jpeg`: what it says of files of every kind."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import ImageFileError, inspect_jpeg, inspection
from argan_plugin.inspection import grey_levels, steps_to_keep_to, why_to_skip
from argan_plugin.jpeg import read_jpeg_info, round_trip
from argan_plugin.traces import Compression
from benchmarks import drawn_pictures
from tests.textures import texture


def saved(pixels: NDArray[Any], kind: str, mode: str | None = None, **options: Any) -> bytes:
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def colourful(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([pixels, pixels // 2 + 60, 255 - pixels], axis=-1)


@pytest.mark.parametrize(
    ("quality", "worthwhile"), [(5, True), (60, True), (90, True), (91, False), (100, False)]
)
def test_a_jpeg_file(quality: int, worthwhile: bool, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(saved(colourful(texture()), "JPEG", quality=quality, subsampling="4:2:0"))

    found = inspect_jpeg(path)

    assert found.file == read_jpeg_info(path)
    assert (found.format, found.width, found.height, found.mode) == ("JPEG", 240, 200, "RGB")
    assert found.earlier is None
    assert (found.quality, found.worthwhile) == (quality, worthwhile)
    assert ("quality 90" if not worthwhile else f"quality {quality}") in found.reason
    assert inspect_jpeg(path.read_bytes()) == found


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_pixels_tell_what_the_file_hides(mode: str) -> None:
    earlier = round_trip(texture(), quality=40)[2:, 3:]
    found = inspect_jpeg(saved(earlier, "JPEG", mode, quality=98))

    assert found.mode == mode
    assert found.file is not None
    assert found.file.quality == 98
    assert found.earlier is not None
    assert (found.earlier.down, found.earlier.across) == (6, 5)
    assert found.quality == found.earlier.quality == pytest.approx(40, abs=1)
    assert found.worthwhile
    assert "earlier, stronger JPEG compression at about quality" in found.reason


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", None), ("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", None), ("BMP", None), ("PNG", "P")],
)
def test_other_files_that_hold_a_decoded_jpeg(kind: str, mode: str | None) -> None:
    found = inspect_jpeg(saved(round_trip(texture(), quality=30), kind, mode))
    assert (found.format, found.file) == (kind, None)
    assert found.earlier is not None
    assert found.quality == pytest.approx(30, abs=1)
    assert found.worthwhile
    assert found.reason == f"the pixels show a JPEG compression at about quality {found.quality}"


def test_a_colour_jpeg_decoded_into_a_png() -> None:
    decoded = round_trip(colourful(texture()), quality=40, subsampling="4:2:0")
    found = inspect_jpeg(saved(decoded, "PNG"))
    assert found.quality == pytest.approx(40, abs=1)


def test_sixteen_bits() -> None:
    deep = round_trip(texture(), quality=30).astype(np.uint16) * 257
    assert inspect_jpeg(saved(deep, "PNG")).quality == pytest.approx(30, abs=1)
    assert inspect_jpeg(saved(deep, "TIFF")).quality == pytest.approx(30, abs=1)


def test_a_picture_that_was_never_compressed() -> None:
    found = inspect_jpeg(saved(texture(), "PNG"))
    assert (found.file, found.earlier, found.quality, found.worthwhile) == (None, None, None, False)
    assert found.reason == "it is no JPEG file, and its pixels show no JPEG compression"


@pytest.mark.parametrize(
    ("quality", "certainty", "counts"),
    [(92, "likely", True), (93, "likely", False), (93, "certain", True)],
)
def test_a_vague_find_in_a_weakly_compressed_file_is_chance(
    quality: int,
    certainty: Literal["likely", "certain"],
    counts: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = Compression(quality=50, down=0, across=2, regularity=0.3, certainty=certainty)
    monkeypatch.setattr(inspection, "find_compression", lambda *_: find)
    found = inspect_jpeg(saved(texture(), "JPEG", quality=quality))
    assert found.earlier == (find if counts else None)


@pytest.mark.parametrize("quality", [10, 50, 75])
def test_text_on_white_that_is_no_jpeg_file_any_more(quality: int) -> None:
    page = drawn_pictures.text()
    assert inspect_jpeg(saved(page, "PNG")).earlier is None
    found = inspect_jpeg(saved(round_trip(page, quality=quality)[1:, 6:], "PNG"))
    assert found.earlier is not None
    assert (found.earlier.down, found.earlier.across) == (7, 2)
    assert found.quality == found.earlier.quality == pytest.approx(quality, abs=1)
    assert found.worthwhile


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (9, 9)])
def test_small_pictures(size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG"):
        assert inspect_jpeg(saved(np.full(size, 9, np.uint8), kind)).earlier is None


def test_files_that_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        inspect_jpeg(tmp_path / "gone.jpg")
    with pytest.raises(ImageFileError, match="the given bytes: expected a picture file"):
        inspect_jpeg(b"no picture")
    with pytest.raises(ImageFileError, match="is damaged or cut off"):
        inspect_jpeg(saved(texture(), "JPEG")[:3000])
    with pytest.raises(ImageFileError, match="no regular file"):
        inspect_jpeg(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageFileError, match="no regular file"):
            inspect_jpeg(tmp_path / "pipe.jpg")


def test_a_decompression_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageFileError, match="more pixels than are allowed for safety"):
        inspect_jpeg(saved(texture(), "PNG"))


def test_grey_levels_of_all_channels() -> None:
    grey = texture(24, 16)
    expected = grey.astype(np.float32)
    alpha = np.full_like(grey, 9)
    for pixels in (grey, np.dstack([grey, alpha]), np.dstack([grey] * 3 + [alpha])):
        np.testing.assert_allclose(grey_levels(pixels), expected, atol=1e-4)
    np.testing.assert_allclose(grey_levels(grey.astype(np.uint16) * 257), expected, atol=1e-4)
    inks = np.dstack([255 - grey] * 3 + [alpha])
    np.testing.assert_allclose(grey_levels(inks, inks=True), expected, atol=1e-4)


def test_why_to_skip() -> None:
    weak, strong = (read_jpeg_info(saved(texture(), "JPEG", quality=q)) for q in (95, 50))
    hidden = inspect_jpeg(saved(round_trip(texture(), quality=40), "PNG")).earlier
    assert hidden is not None
    assert "quality is above 90" in (why_to_skip(90, weak, None) or "")
    assert "no JPEG file" in (why_to_skip(90, None, None) or "")
    assert why_to_skip(95, weak, None) is None
    assert why_to_skip(90, strong, None) is None
    assert why_to_skip(90, weak, hidden) is None
    assert why_to_skip(90, None, hidden) is None
    assert "is above 20" in (why_to_skip(20, weak, hidden) or "")


def test_steps_to_keep_to() -> None:
    hidden = inspect_jpeg(saved(round_trip(texture(), quality=40), "PNG")).earlier
    for mode, has_luma in (("L", True), ("RGB", True), ("CMYK", False)):
        file = read_jpeg_info(saved(texture(), "JPEG", mode, quality=80))
        assert steps_to_keep_to(file, None) == (file.quantization[0] if has_luma else None)
        assert steps_to_keep_to(file, hidden) is None
    as_rgb = read_jpeg_info(saved(colourful(texture()), "JPEG", keep_rgb=True))
    assert steps_to_keep_to(as_rgb, None) is None
    assert steps_to_keep_to(None, hidden) is None
