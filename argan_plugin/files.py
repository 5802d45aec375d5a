"""Pictures on disk: read with their metadata, written whole or not at all.

A picture's rows stay as they are stored and an EXIF orientation stays in the metadata, so that a
viewer turns the result as it turned the original. (TIFF is the exception: Pillow turns the pixels
itself, and the orientation is dropped.)
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from argan_plugin.errors import ImageFileError
from argan_plugin.metadata import Metadata, descriptive_exif, read_metadata, save_options
from argan_plugin.native_stderr import silenced
from argan_plugin.whole_file import written_whole

READABLE_SUFFIXES = frozenset(
    (".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
)
"""What a file in a folder must end with, in lower case, to be taken for a picture."""

FORMAT_OF_SUFFIX = {
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""What a file to be written may end with, in lower case, and the format it gets (Pillow's name)."""

# Formats that Pillow hands on to other programs (EPS, WMF) stay out: files come from strangers.
# GIF is in so that it gets a better answer than "no picture".
_READ_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")

_WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": "4:4:4"},
    "PNG": {},
    "TIFF": {},  # not compressed: with compression Pillow cannot write EXIF data
    "WEBP": {"lossless": True, "exact": True},  # exact: colours under full transparency, too
}

_ADVICE = {
    "1": "it is black and white only, so it holds no JPEG artifacts to remove",
    "P": "it has a palette; convert it to RGB first",
    "PA": "it has a palette; convert it to RGB first",
    "CMYK": "it is in CMYK; convert it to RGB with its colour profile first",
    "I": "it has 32-bit integers; convert it to 16-bit grey first",
    "F": "it has floating-point pixels; call argan_plugin.restore with a value_range instead",
}

_WHITE_IS_ZERO = 0  # of TIFF's PhotometricInterpretation


class DamagedFileError(ImageFileError):
    """A picture file that is damaged or cut off, so that not all of it can be decoded."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A decoded picture and the metadata that goes with it."""

    pixels: NDArray[Any]
    """(height, width) for grey, (height, width, 2) for grey and alpha, 3 for RGB, 4 for RGBA;
    uint8, or uint16 for grey without alpha. Black is 0."""

    metadata: Metadata
    """What the file says beside the pixels."""

    note: str = ""
    """What was left behind on reading, for the user; mostly empty."""


@contextlib.contextmanager
def strict_decoding(max_pixels: int) -> Iterator[None]:
    """Set Pillow up for files of strangers, and back again afterwards.

    A file that is cut off is an error whatever was set before, a picture of more than `max_pixels`
    is an error too (it could be a decompression bomb), and what Pillow warns of and logs about odd
    files is not shown. These settings are the whole process's, so this is for a program that owns
    its process, not for a library.
    """
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    # Pillow warns above its limit, and refuses above twice that.
    Image.MAX_IMAGE_PIXELS = max(1, max_pixels // 2)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    nowhere = logging.NullHandler()  # without any handler Python would print errors that are logged
    logging.getLogger("PIL").addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        logging.getLogger("PIL").removeHandler(nowhere)
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a JPEG, PNG, WebP, TIFF or BMP file.

    Of an MPO file (a JPEG with previews, a gain map or a second view behind the photo) the photo
    is read, and `note` says so. Other files of several pages or frames are refused.

    Parameters
    ----------
    path : str or path-like
        The file. Its contents decide what it is, not its name.

    Returns
    -------
    Picture
        All of the file's pixels. Whether a truncated or a very large file is an error is up to
        Pillow's settings: see `strict_decoding`.

    Raises
    ------
    DamagedFileError
        If the file is damaged or cut off.
    ImageFileError
        If it cannot be read for another reason, is no such picture, or has a mode that cannot be
        restored. All messages begin with the path.
    """
    try:
        # Pillow would wait for ever at a named pipe.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise ImageFileError(f"{path}: expected a picture file, but this is no regular file.")
        # Given a name, Pillow would map some files into memory, and crash if one shrinks meanwhile.
        with Path(path).open("rb") as file, Image.open(file, formats=_READ_FORMATS) as image:
            _refuse_unsupported(path, image)
            is_tiff = image.format == "TIFF"
            tiff_exif = descriptive_exif(image.getexif()) if is_tiff else b""
            with silenced() if is_tiff else contextlib.nullcontext():
                image.load()
            return Picture(
                pixels=_pixels(image),
                metadata=read_metadata(image, tiff_exif=tiff_exif),
                note="only the photo was taken from an MPO file, not what lies behind it"
                if image.format == "MPO"
                else "",
            )
    except ImageFileError:
        raise
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{path}: expected a picture (JPEG, PNG, WebP, TIFF or BMP), but this is none, "
            "or its beginning is damaged."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageFileError(
            f"{path}: has more pixels than are allowed for safety. If you trust the file, "
            f"allow more with --max-pixels. ({error})"
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly anything at damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageFileError(f"{path}: cannot be read: {error.strerror}.") from error
        raise DamagedFileError(
            f"{path}: cannot be decoded, it is damaged or cut off ({_reason(error)})."
        ) from error


def write_picture(
    path: str | os.PathLike[str],
    picture: Picture,
    *,
    overwrite: bool = False,
    quality: int = 95,
    before_naming: Callable[[IO[bytes]], None] | None = None,
) -> None:
    """Write a picture whole or not at all, with the metadata that its format can hold.

    PNG, TIFF and WebP are written without loss. PNG and TIFF hold every picture, WebP none with 16
    bits, JPEG none with 16 bits or alpha. Missing folders are made.

    Parameters
    ----------
    path : str or path-like
        The file; its suffix, one of `FORMAT_OF_SUFFIX`, says the format.
    picture : Picture
        What to write.
    overwrite : bool
        Whether a file that is already there may be replaced.
    quality : int
        For JPEG alone, 1-100. Chroma is never subsampled.
    before_naming : callable, optional
        Called with the open file when all of it is written, before it appears at `path`.

    Raises
    ------
    ImageFileError
        If the format cannot hold the picture, a file is already there, or the file cannot be
        written; then nothing has changed. The message begins with the path.
    """
    path = Path(path)
    pillow_format = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if pillow_format is None:
        raise ImageFileError(
            f"{path}: the suffix must be one of {', '.join(FORMAT_OF_SUFFIX)} to name the format."
        )
    image = Image.fromarray(picture.pixels)
    if image.mode == "I;16" and pillow_format in ("JPEG", "WEBP"):
        raise ImageFileError(f"{path}: {pillow_format} cannot hold 16 bits; write PNG or TIFF.")
    if image.mode in ("LA", "RGBA") and pillow_format == "JPEG":
        raise ImageFileError(f"{path}: JPEG cannot hold transparency; write PNG, WebP or TIFF.")
    try:
        options = _WRITE_OPTIONS[pillow_format] | save_options(pillow_format, picture.metadata)
        if pillow_format == "JPEG":
            options["quality"] = quality
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path, overwrite=overwrite) as file:
            image.save(file, pillow_format, **options)
            if before_naming:
                before_naming(file)
    except ImageFileError:
        raise
    except Exception as error:  # so do its encoders at metadata or sizes that a format cannot hold
        raise ImageFileError(f"{path}: cannot be written: {_reason(error)}.") from error


def _refuse_unsupported(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Raise ImageFileError, with what to do, for a picture that would not survive as it is."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ImageFileError(
            f"{path}: expected one picture, but the file holds {frames} pages or frames; "
            "save each of them as a file of its own first."
        )
    grey_16 = image.mode.startswith("I;16")
    if not grey_16 and image.mode not in ("L", "LA", "RGB", "RGBA"):
        advice = _ADVICE.get(image.mode, f"its mode is {image.mode}; convert it to RGB first")
        raise ImageFileError(f"{path}: expected a grey or RGB picture, but {advice}.")
    # How the pixels are stored: Pillow cuts colours of 16 bits down to 8 without a word.
    if not grey_16 and any(";16" in str(tile.args) for tile in getattr(image, "tile", ())):
        raise ImageFileError(
            f"{path}: expected 8 bits a channel, but this is a colour picture of 16; convert it "
            "to 8 bits first. (Grey pictures of 16 bits are treated, without transparency.)"
        )
    if grey_16 and "transparency" in image.info:
        raise ImageFileError(
            f"{path}: expected 16-bit grey without transparency, but one grey is transparent; "
            "remove the transparency, or convert the picture to 8 bits."
        )
    photometric = image.getexif().get(ExifTags.Base.PhotometricInterpretation)
    if grey_16 and image.format == "TIFF" and photometric == _WHITE_IS_ZERO:
        raise ImageFileError(f"{path}: expected black to be 0, but here white is; invert it first.")


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of a loaded picture as `Picture` holds them."""
    if "transparency" in image.info:  # one colour is transparent, and a correction changes colours
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    pixels = np.asarray(image)
    # Some TIFF files have the other byte order.
    return pixels if pixels.dtype.itemsize == 1 else pixels.astype(np.uint16)


def _reason(error: Exception) -> str:
    """Say in a few words what an exception of Pillow or of the system means."""
    system_says = error.strerror if isinstance(error, OSError) else None
    return (system_says or str(error) or type(error).__name__).rstrip(".")
