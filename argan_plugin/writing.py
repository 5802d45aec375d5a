"""Pictures to disk, whole or not at all, with all that their format can hold."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from argan_plugin.decoding import reason_of
from argan_plugin.errors import ImageFileError
from argan_plugin.formats import FORMAT_OF_SUFFIX, HOLD_CMYK, why_not
from argan_plugin.metadata import save_options
from argan_plugin.picture import Picture
from argan_plugin.png import COMPRESS_LEVEL, write_png
from argan_plugin.profiles import cmyk_to_srgb, is_srgb
from argan_plugin.sixteen_bits import write_tiff_page
from argan_plugin.whole_file import written_whole

_WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    "AVIF": {"subsampling": "4:4:4"},
    "JPEG": {"subsampling": "4:4:4"},
    "JXL": {"lossless": True},
    "PNG": {"compress_level": COMPRESS_LEVEL},  # of animations
    "TIFF": {},  # not compressed: with compression Pillow cannot write EXIF data
    "WEBP": {"lossless": True, "exact": True},  # exact: colours under full transparency, too
}

BeforeNaming = Callable[[IO[bytes]], None]


def check_writable(path: str | os.PathLike[str], picture: Picture) -> None:
    """Raise what `write_picture` would raise for a picture of this kind, before the work is done.

    Raises
    ------
    ImageFileError
        If the suffix names no format, or one that cannot hold the picture.
    """
    pillow_format = FORMAT_OF_SUFFIX.get(Path(path).suffix.lower())
    if pillow_format is None:
        raise ImageFileError(
            f"{path}: the suffix must be one of {', '.join(FORMAT_OF_SUFFIX)} to name the format."
        )
    if problem := why_not(pillow_format, picture):
        raise ImageFileError(f"{path}: {problem}.")
    profile = picture.metadata.icc_profile
    if pillow_format == "JXL" and profile and not picture.cmyk and not is_srgb(profile):
        raise ImageFileError(
            f"{path}: pillow-jxl-plugin cannot write the colour profile that this picture needs; "
            "write another format."
        )


def write_picture(
    path: str | os.PathLike[str],
    picture: Picture,
    *,
    overwrite: bool = False,
    quality: int = 95,
    times_ns: tuple[int, int] | None = None,
    before_naming: BeforeNaming | None = None,
) -> str:
    """Write a picture whole or not at all, with the metadata that its format can hold.

    PNG, TIFF, WebP and JPEG XL are written without loss, JPEG and AVIF at `quality` with all of
    their chroma. Inks become sRGB where the format knows none. Missing folders are made.

    Parameters
    ----------
    path : str or path-like
        The file; its suffix, one of `FORMAT_OF_SUFFIX`, says the format.
    picture : Picture
        What to write.
    overwrite : bool
        Whether a file that is already there may be replaced.
    quality : int
        For JPEG and AVIF alone, 1-100.
    times_ns : (int, int), optional
        When the file is to have been read and changed last, in ns since 1970.
    before_naming : callable, optional
        Called with the open file when all of it is written, before it appears at `path`.

    Returns
    -------
    str
        What was left behind, for the user; mostly empty.

    Raises
    ------
    ImageFileError
        If the format cannot hold the picture, a file is already there, or the file cannot be
        written; then nothing has changed. The message begins with the path.
    """
    path = Path(path)
    check_writable(path, picture)
    pillow_format = FORMAT_OF_SUFFIX[path.suffix.lower()]
    note = ""
    try:
        if picture.cmyk and pillow_format not in HOLD_CMYK:
            picture, note = _as_rgb(picture, pillow_format)
        if pillow_format == "JXL":
            importlib.import_module("pillow_jxl")  # makes itself known to Pillow
        options = _WRITE_OPTIONS[pillow_format] | save_options(pillow_format, picture.metadata)
        if pillow_format in ("AVIF", "JPEG"):
            options["quality"] = quality
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path, overwrite=overwrite) as file:
            _save(file, picture, pillow_format, options)
            if times_ns is not None:
                file.flush()  # or what comes later would change the time again
                os.utime(file.fileno() if os.utime in os.supports_fd else file.name, ns=times_ns)
            if before_naming:
                before_naming(file)
    except ImageFileError:
        raise
    except Exception as error:  # Pillow's encoders at metadata or sizes that a format cannot hold
        raise ImageFileError(f"{path}: cannot be written: {reason_of(error)}.") from error
    return note


def _save(file: IO[bytes], picture: Picture, pillow_format: str, options: dict[str, Any]) -> None:
    """Write all frames of a picture."""
    if pillow_format == "PNG" and not picture.later_frames:
        write_png(file, picture.pixels, options)
        return
    deep = any(_is_deep(frame) for frame in picture.frames)
    if deep or (pillow_format == "TIFF" and picture.later_frames):
        _save_tiff_pages(file, picture, options)
        return
    first, *others = map(_image, picture.frames, picture.modes)
    if others:
        assert picture.animation is not None
        options |= {
            "save_all": True,
            "append_images": others,
            "duration": list(picture.animation.durations),
            "loop": picture.animation.plays,
        }
        if pillow_format == "PNG":
            # Each frame replaces the one before it, transparent pixels included.
            options |= {"blend": 0, "disposal": 0}
    first.save(file, pillow_format, **options)


def _save_tiff_pages(file: IO[bytes], picture: Picture, options: dict[str, Any]) -> None:
    """Write pages, of which the first alone has the metadata, as it was read."""
    with TiffImagePlugin.AppendingTiffWriter(file) as pages:
        for frame, mode in zip(picture.frames, picture.modes, strict=True):
            if _is_deep(frame):
                write_tiff_page(pages, frame, options)
            else:
                _image(frame, mode).save(pages, "TIFF", **options)
            pages.newFrame()
            options = {name: options[name] for name in ("icc_profile", "dpi") if name in options}


def _is_deep(frame: NDArray[Any]) -> bool:
    """Whether this is more than Pillow can hold: 16 bits and more than one channel."""
    return frame.dtype == np.uint16 and frame.ndim == 3


def _image(frame: NDArray[Any], mode: str) -> Image.Image:
    if mode == "CMYK":
        return Image.frombytes("CMYK", frame.shape[1::-1], frame.tobytes())
    return Image.fromarray(frame)


def _as_rgb(picture: Picture, pillow_format: str) -> tuple[Picture, str]:
    """Return a picture in inks as one in light, and what to say of it."""
    frames, profile = cmyk_to_srgb(picture.frames, picture.metadata.icc_profile)
    how = "by its colour profile" if profile else "without a colour profile, so colours are rough"
    if pillow_format == "JXL":
        profile = b""  # its plugin writes none, and sRGB is what everybody assumes
    converted = dataclasses.replace(
        picture.with_frames(list(frames)),
        cmyk=False,
        metadata=dataclasses.replace(picture.metadata, icc_profile=profile),
    )
    return converted, f"{pillow_format} knows no CMYK, so it became RGB {how}; TIFF keeps CMYK"
