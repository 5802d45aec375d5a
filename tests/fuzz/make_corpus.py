"""Write the seeds of fuzzing: one small file of each kind that a decoder treats in its own way.

``python -m tests.fuzz.make_corpus`` writes them to ``tests/fuzz/corpus``, from drawn pixels alone.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

CORPUS = Path(__file__).with_name("corpus")
_HEIGHT, _WIDTH = 20, 26


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    for name, data in _files().items():
        (CORPUS / name).write_bytes(data)


def _files() -> dict[str, bytes]:
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    rgba = np.stack([rows * 12, columns * 9, (rows * columns) % 256, 255 - rows], -1)
    pixels = rgba.astype(np.uint8)
    rgb, alpha = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    grey, grey_alpha = rgb.convert("L"), alpha.convert("LA")
    deep = Image.fromarray((rows * columns * 126).astype(np.uint16))
    palette, bilevel = rgb.quantize(16), grey.convert("1")
    exif = Image.Exif()
    exif.update({0x010E: "words", 0x0112: 6, 0x0131: "argan"})
    exif.get_ifd(0x8769)[0x9003] = "2026:11:22 12:00:00"
    exif.get_ifd(0x8825)[0x0001] = "N"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich: dict[str, Any] = {"exif": exif, "icc_profile": icc, "dpi": (72, 72), "xmp": b"<x/>"}
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "plain")
    texts.add_text("Packed", "z" * 99, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    upside_down = rgb.rotate(180)
    return {
        "420.jpg": _encoded(rgb, "JPEG", quality=30),
        "422.jpg": _encoded(rgb, "JPEG", quality=50, subsampling="4:2:2"),
        "444-rich.jpg": _encoded(rgb, "JPEG", subsampling="4:4:4", comment=b"word", **rich),
        "grey.jpg": _encoded(grey, "JPEG", quality=10),
        "progressive.jpg": _encoded(rgb, "JPEG", progressive=True),
        "progressive-grey.jpg": _encoded(grey, "JPEG", progressive=True, optimize=True),
        "restarts.jpg": _encoded(rgb, "JPEG", restart_marker_blocks=1),
        "cmyk.jpg": _encoded(rgb.convert("CMYK"), "JPEG"),
        "two.mpo": _encoded(rgb, "MPO", frames=[upside_down]),
        "grey.png": _encoded(grey, "PNG"),
        "grey-alpha.png": _encoded(grey_alpha, "PNG"),
        "grey-16.png": _encoded(deep, "PNG"),
        "grey-2.png": _png(2, 0, 7),
        "rgb-rich.png": _encoded(rgb, "PNG", pnginfo=texts, exif=exif, icc_profile=icc, dpi=(9, 9)),
        "rgb-key.png": _encoded(rgb, "PNG", transparency=(0, 0, 0)),
        "rgb-16.png": _png(16, 2, 6 * _WIDTH),
        "rgba.png": _encoded(alpha, "PNG"),
        "rgba-16.png": _png(16, 6, 8 * _WIDTH),
        "palette.png": _encoded(palette, "PNG", transparency=b"\0\x80"),
        "bilevel.png": _encoded(bilevel, "PNG"),
        "animated.png": _encoded(rgb, "PNG", frames=[upside_down]),
        "rgb.tif": _encoded(rgb, "TIFF", dpi=(72, 72), exif=exif, icc_profile=icc),
        "rgba.tif": _encoded(alpha, "TIFF"),
        "grey-16.tif": _encoded(deep, "TIFF"),
        "grey-16-lzw.tif": _encoded(deep, "TIFF", compression="tiff_lzw"),
        "rgb-lzw.tif": _encoded(rgb, "TIFF", compression="tiff_lzw"),
        "rgb-deflate.tif": _encoded(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "rgb-packbits.tif": _encoded(rgb, "TIFF", compression="packbits"),
        "rgb-jpeg.tif": _encoded(rgb, "TIFF", compression="jpeg"),
        "bilevel-group4.tif": _encoded(bilevel, "TIFF", compression="group4"),
        "palette.tif": _encoded(palette, "TIFF"),
        "float.tif": _encoded(grey.convert("F"), "TIFF"),
        "pages.tif": _encoded(rgb, "TIFF", frames=[upside_down]),
        "big.tif": _encoded(grey, "TIFF", big_tiff=True),
        "lossy.webp": _encoded(rgb, "WEBP", quality=20, **rich),
        "lossy-alpha.webp": _encoded(alpha, "WEBP", quality=20),
        "lossless.webp": _encoded(alpha, "WEBP", lossless=True),
        "animated.webp": _encoded(rgb, "WEBP", frames=[upside_down]),
        "rgb.bmp": _encoded(rgb, "BMP"),
        "rgba.bmp": _encoded(alpha, "BMP"),
        "palette.bmp": _encoded(palette, "BMP"),
        "still.gif": _encoded(palette, "GIF", comment=b"word"),
        "animated.gif": _encoded(rgb, "GIF", frames=[upside_down]),
        "rgb.avif": _encoded(rgb, "AVIF", quality=40, speed=10, exif=exif),
        "other.ppm": _encoded(grey, "PPM"),
    }


def _encoded(
    image: Image.Image, pillow_format: str, *, frames: Sequence[Image.Image] = (), **options: Any
) -> bytes:
    file = io.BytesIO()
    # Copies: what has been saved as one format keeps settings that the encoders of others choke on.
    if frames:
        options |= {"save_all": True, "append_images": [frame.copy() for frame in frames]}
    image.copy().save(file, pillow_format, **options)
    return file.getvalue()


def _png(depth: int, colour_type: int, bytes_a_row: int) -> bytes:
    """Return a PNG file of a kind that Pillow cannot write, with a slope (PNG, 11.2.2)."""
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, depth, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([9 * row] * bytes_a_row) for row in range(_HEIGHT))
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    return data


if __name__ == "__main__":
    main()
