"""What is written: lossless where it can be, and whole; other libraries read it back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from argan_plugin.errors import ImageFileError
from argan_plugin.files import read_picture
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.metadata import Metadata
from argan_plugin.picture import Picture
from argan_plugin.profiles import cmyk_to_srgb, is_srgb
from argan_plugin.writing import write_picture
from tests.picture_files import INKS, PIXELS

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


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
        ("a.avif", "I;16", "16 bits; write PNG or TIFF"),
        ("a.jxl", "I;16", "16 bits; write PNG or TIFF"),
        ("a.bmp", "RGB", "the suffix must be one of .avif, .jpeg, .jpg, .jxl, .png"),
        ("a", "RGB", "the suffix must be one of .avif, .jpeg, .jpg, .jxl, .png"),
    ],
)
def test_format_that_cannot_hold_it(tmp_path: Path, name: str, mode: str, advice: str) -> None:
    with pytest.raises(ImageFileError, match=f"{name}: .*{advice}"):
        write_picture(tmp_path / name, Picture(pixels=PIXELS[mode], metadata=Metadata()))

    assert not list(tmp_path.iterdir())


def test_what_the_encoder_refuses_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    metadata = Metadata(exif=b"Exif\0\0" + bytes(70_000))  # too much for JPEG

    with pytest.raises(ImageFileError, match=r"picture\.jpg: cannot be written: "):
        write_picture(path, Picture(pixels=PIXELS["L"], metadata=metadata))

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


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_xl_is_lossless(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.jxl"

    write_picture(path, Picture(pixels=PIXELS[mode], metadata=Metadata(icc_profile=SRGB)))

    decoded = imagecodecs.jpegxl_decode(path.read_bytes())
    np.testing.assert_array_equal(decoded, PIXELS[mode])


def test_jpeg_xl_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(ImageFileError, match="pip install pillow-jxl-plugin"):
        write_picture(tmp_path / "a.jxl", Picture(pixels=PIXELS["RGB"], metadata=Metadata()))


def test_jpeg_xl_refuses_to_lose_a_profile(tmp_path: Path) -> None:
    picture = Picture(pixels=PIXELS["RGB"], metadata=Metadata(icc_profile=LAB))
    with pytest.raises(ImageFileError, match="cannot write the colour profile"):
        write_picture(tmp_path / "a.jxl", picture)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_avif_has_the_quality(tmp_path: Path, mode: str) -> None:
    smooth = np.linspace(40, 200, 32 * 32).astype(np.uint8).reshape(32, 32)
    pixels = smooth if mode == "L" else np.dstack([smooth, *[smooth.T] * (len(mode) - 1)])
    sizes = []
    for quality in (95, 30):
        path = tmp_path / f"{quality}.avif"
        write_picture(path, Picture(pixels=pixels, metadata=Metadata()), quality=quality)
        sizes.append(path.stat().st_size)

    assert sizes[0] > sizes[1]
    decoded = imagecodecs.avif_decode((tmp_path / "95.avif").read_bytes())
    expected = np.asarray(Image.fromarray(pixels).convert("RGBA" if "A" in mode else "RGB"))
    decoded = np.dstack([decoded] * 3) if decoded.ndim == 2 else decoded
    assert np.abs(decoded.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_inks_stay_inks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    inks = np.broadcast_to(INKS[:1, :1], (16, 16, 4))
    metadata = Metadata(icc_profile=b"a profile of inks")

    assert not write_picture(path, Picture(pixels=inks, metadata=metadata, cmyk=True), quality=100)

    with Image.open(path) as image:
        assert image.mode == "CMYK"
        assert image.info["icc_profile"] == b"a profile of inks"
        assert np.abs(np.asarray(image).astype(int) - inks).max() <= 1
    if suffix == ".jpg":  # what Adobe's programs expect: the marker, and paper instead of ink
        assert b"Adobe" in path.read_bytes()
        paper = imagecodecs.jpeg8_decode(path.read_bytes(), outcolorspace="CMYK")
        assert np.abs(255 - paper.astype(int) - inks).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".jxl"])
def test_inks_become_rgb_where_there_are_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"

    note = write_picture(path, Picture(pixels=INKS, metadata=Metadata(icc_profile=LAB), cmyk=True))

    picture = read_picture(path) if suffix != ".jxl" else None
    assert picture is None or picture.modes == ("RGB",)
    assert "knows no CMYK, so it became RGB without a colour profile" in note


def test_inks_become_what_their_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # A profile of inks is half a megabyte, so one for RGB stands in, and Pillow takes it for inks.
    seen = {}

    class Transform:
        def apply(self, image: Image.Image) -> Image.Image:
            return image.convert("RGB").point(lambda value: value // 2)

    def build(inks: Any, screen: Any, *settings: Any) -> Transform:
        seen["inks"], seen["settings"] = inks.tobytes(), settings
        return Transform()

    monkeypatch.setattr(ImageCms, "buildTransform", build)

    (frame,), profile = cmyk_to_srgb((INKS,), SRGB)

    assert seen["inks"] == SRGB
    assert seen["settings"][:2] == ("CMYK", "RGB")
    plain = np.asarray(Image.frombytes("CMYK", (7, 9), INKS.tobytes()).convert("RGB"))
    np.testing.assert_array_equal(frame, plain // 2)
    assert is_srgb(profile)


@pytest.mark.parametrize("profile", [b"", b"nonsense", SRGB])
def test_inks_without_a_profile_of_inks(profile: bytes) -> None:
    (frame,), found = cmyk_to_srgb((INKS,), profile)

    plain = Image.frombytes("CMYK", (7, 9), INKS.tobytes()).convert("RGB")
    np.testing.assert_array_equal(frame, np.asarray(plain))
    assert found == b""


def test_which_profiles_are_srgb() -> None:
    assert is_srgb(SRGB)
    assert not is_srgb(LAB)
    assert not is_srgb(b"nonsense")


def test_dates_are_kept_on_request(tmp_path: Path) -> None:
    times = (1_000_000_000_123_456_700, 1_100_000_000_765_432_100)
    picture = Picture(pixels=PIXELS["RGB"], metadata=Metadata())
    stamps = []

    for name in ("a.png", "a.jpg", "a.tif"):
        write_picture(
            tmp_path / name,
            picture,
            times_ns=times,
            before_naming=lambda file: stamps.append(os.fstat(file.fileno()).st_mtime_ns),
        )
        assert (tmp_path / name).stat().st_mtime_ns == times[1]
    assert stamps == [times[1]] * 3, "who looks before the file is named sees another date"


@pytest.mark.parametrize(
    ("suffix", "largest"),
    [(".avif", 32768), (".jpg", 65500), (".png", 1_000_000), (".webp", 16383)],
)
def test_largest_side(
    tmp_path: Path, suffix: str, largest: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"wide{suffix}"
    pixels = np.zeros((1, largest + 1), np.uint8)

    with pytest.raises(ImageFileError, match=f"cannot hold {largest + 1} pixels a side, only"):
        write_picture(path, Picture(pixels=pixels, metadata=Metadata()))
    assert not path.exists()
    assert capfd.readouterr().err == ""  # libjpeg, too, has something to say

    write_picture(path, Picture(pixels=pixels[:, 1:], metadata=Metadata()))
    assert read_picture(path).pixels.shape[:2] == (1, largest)
