"""Pictures on disk, read with their metadata.

A picture's rows stay as they are stored and an EXIF orientation stays in the metadata, so that a
viewer turns the result as it turned the original. (TIFF is the exception: Pillow turns the pixels
itself, and the orientation is dropped.)
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from argan_plugin.bands import RESTORED_MODES
from argan_plugin.decoding import decoding, opened
from argan_plugin.errors import ImageFileError, NothingToRestore
from argan_plugin.formats import READ_FORMATS
from argan_plugin.metadata import Metadata, descriptive_exif, read_metadata
from argan_plugin.native_stderr import silenced
from argan_plugin.picture import Animation, Picture
from argan_plugin.sixteen_bits import decode, has_deep_colour

_ADVICE = {
    "I": "it has 32-bit integers; convert it to 16-bit grey first",
    "F": "it has floating-point pixels; call argan_plugin.restore with a value_range instead",
}

# What becomes of modes that say the same in other words.
_CONVERTED = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}

_WHITE_IS_ZERO = 0  # of TIFF's PhotometricInterpretation


@contextlib.contextmanager
def strict_decoding(max_pixels: int) -> Iterator[None]:
    """Set Pillow up for files of strangers, and back again afterwards.

    A file that is cut off is an error whatever was set before, a picture of more than `max_pixels`
    is an error too (it could be a decompression bomb), and Pillow's warnings about odd metadata
    are not shown. These settings are the whole process's, so this is for a program that owns its
    process, not for a library.
    """
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    # Pillow warns above its limit, and refuses above twice that.
    Image.MAX_IMAGE_PIXELS = max(1, max_pixels // 2)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF file, with all of its pages or frames.

    Of an MPO file (a JPEG with previews, a gain map or a second view behind the photo) the photo
    is read, and `note` says so. Palettes become full colour, one transparent colour becomes alpha.

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
    NothingToRestore
        If the picture is black and white only.
    ImageFileError
        If it cannot be read for another reason, is no such picture, or has a mode that cannot be
        restored. All messages begin with the path.
    """
    with (
        decoding(path, "a picture (JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF)"),
        # Given a name, Pillow would map some files into memory, and crash if one shrinks meanwhile.
        opened(path) as file,
        silenced(),  # decoders print what they find odd
        Image.open(file, formats=READ_FORMATS) as image,
    ):
        return _read(path, file, image)


def _read(path: str | os.PathLike[str], file: IO[bytes], image: Image.Image) -> Picture:
    """Read an opened file."""
    count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    _refuse_too_many(image, count)
    # Of the first page, before Pillow turns its pixels; where it does not decode them, they stay.
    is_tiff = image.format == "TIFF"
    tiff_exif = b""
    if is_tiff:
        tiff_exif = descriptive_exif(image.getexif(), orientation=has_deep_colour(image))
    notes = ["only the photo was taken from an MPO file, not what lies behind it"] * (
        image.format == "MPO"
    )
    frames: list[NDArray[Any]] = []
    durations: list[float] = []
    modes: set[str] = set()
    metadata = Metadata()
    for number in range(count):
        image.seek(number)
        # A GIF file's frames behind the first are in full colour whatever they were.
        modes.add(image.mode)
        deep = has_deep_colour(image)  # before anything that loads it
        _refuse_unsupported(path, image)
        image.load()
        frames.append(_deep_pixels(file, image) if deep else _pixels(image))
        durations.append(float(image.info.get("duration", 0)))
        if number == 0:
            metadata = read_metadata(image, tiff_exif=tiff_exif)
    if modes & {"P", "PA"}:
        notes.append("its palette became full colour")
    animation = None
    if count > 1 and not is_tiff:
        if image.info.get("default_image"):
            notes.append("a still picture for old viewers, in front of the animation, was left out")
            del frames[0], durations[0]
        frames = _with_equal_channels(frames)
        animation = Animation(durations=tuple(durations), plays=_plays(image))
    return Picture(
        pixels=frames[0],
        later_frames=tuple(frames[1:]),
        animation=animation,
        cmyk="CMYK" in modes,
        metadata=metadata,
        note="; ".join(notes),
    )


def _refuse_too_many(image: Image.Image, count: int) -> None:
    """Raise DecompressionBombError if all frames together have too many pixels.

    Pillow itself looks at one frame alone, and a small file can hold thousands.
    """
    limit = Image.MAX_IMAGE_PIXELS
    pixels = image.width * image.height * count
    if count > 1 and limit is not None and pixels > 2 * limit:
        raise Image.DecompressionBombError(
            f"{count} pages or frames, {pixels} pixels in all, the limit is {2 * limit}"
        )


def _refuse_unsupported(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Raise ImageFileError, with what to do, for a picture that would not survive as it is."""
    if image.mode == "1":
        raise NothingToRestore(
            f"{path}: black and white only, so it holds no JPEG artifacts to remove."
        )
    grey_16 = image.mode.startswith("I;16")
    if not grey_16 and image.mode not in (*RESTORED_MODES, *_CONVERTED, "P", "PA"):
        advice = _ADVICE.get(image.mode, f"its mode is {image.mode}; convert it to RGB first")
        raise ImageFileError(f"{path}: expected grey, RGB or CMYK, but {advice}.")
    photometric = image.getexif().get(ExifTags.Base.PhotometricInterpretation)
    if grey_16 and image.format == "TIFF" and photometric == _WHITE_IS_ZERO:
        raise ImageFileError(f"{path}: expected black to be 0, but here white is; invert it first.")


def _deep_pixels(file: IO[bytes], image: Image.Image) -> NDArray[Any]:
    """Return colours of 16 bits, which Pillow has cut down to 8."""
    file.seek(0)
    return decode(file.read(), image)


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of a loaded picture as `Picture` holds them."""
    if "transparency" in image.info:  # one colour is transparent, and a correction changes colours
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    pixels = np.array(image)
    # Some TIFF files have the other byte order.
    return pixels if pixels.dtype.itemsize == 1 else pixels.astype(np.uint16)


def _with_equal_channels(frames: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the frames of an animation as RGB, or as RGBA if any has alpha, or all as grey."""
    if len({frame.shape for frame in frames}) == 1:
        return frames
    mode = "RGBA" if any(frame.shape[2:] in ((2,), (4,)) for frame in frames) else "RGB"
    return [np.array(Image.fromarray(frame).convert(mode)) for frame in frames]


def _plays(image: Image.Image) -> int:
    """Return how often an animation is shown, 0 being for ever."""
    if image.format == "AVIF":
        return 0  # Pillow does not say
    if image.format != "GIF":
        return int(image.info.get("loop", 0))
    # A GIF file says how often it is shown again, and without a word it is shown once.
    loop = image.info.get("loop")
    return 1 if loop is None else loop and loop + 1
