"""What a run of the command does with a picture because its file is, or is not, a JPEG file."""

from __future__ import annotations

from pathlib import Path

from argan_plugin.coefficients import LumaCoefficients, read_luma_coefficients
from argan_plugin.errors import ImageFileError, NothingToRestore, UnsupportedImageError
from argan_plugin.inspection import find_earlier, grey_levels, why_to_skip
from argan_plugin.jpeg import JpegInfo, read_jpeg_info
from argan_plugin.picture import Picture
from argan_plugin.traces import Compression

_JPEG_SIGNATURE = b"\xff\xd8\xff"


def find_compressions(source: Path, picture: Picture) -> tuple[JpegInfo | None, Compression | None]:
    """Return what a file's header says if it is a JPEG file, and what its pixels say beside that.

    Raises
    ------
    ImageFileError
        If the file cannot be read.
    """
    file = _header(source)
    levels = grey_levels(picture.pixels, inks=picture.modes[0] == "CMYK")
    return file, find_earlier(levels, file)


def check_needed(
    source: Path, file: JpegInfo | None, earlier: Compression | None, above: int
) -> str:
    """Refuse a picture that was not compressed as JPEG of quality `above` or less.

    Parameters
    ----------
    source
        For the message.
    file, earlier
        From `find_compressions`.
    above
        IJG quality, 1-100.

    Returns
    -------
    str
        A note, if it was though its file says otherwise; else empty.

    Raises
    ------
    NothingToRestore
        If neither its file nor its pixels show such a compression.
    """
    reason = why_to_skip(above, file, earlier)
    if reason is not None:
        raise NothingToRestore(f"{source}: {reason}; --all restores it, too.")
    if file is not None and earlier is not None and file.quality > above:
        return (
            f"its JPEG quality is {file.quality}, but its pixels show an earlier compression at "
            f"about {earlier.quality}, so it was restored"
        )
    return ""


def stated_coefficients(source: Path) -> tuple[LumaCoefficients | None, str]:
    """Return what a file states of its luma, or None and a note that says why it states nothing.

    Raises
    ------
    ImageFileError
        If the file cannot be read.
    """
    if _header(source) is None:
        return None, "no JPEG file, so there is nothing for it to be consistent with"
    try:
        return read_luma_coefficients(source.read_bytes()), ""
    except UnsupportedImageError as error:
        return None, f"restored without consistency: {error}"
    except ImageFileError as error:
        raise ImageFileError(f"{source}: {error}.") from error


def _header(source: Path) -> JpegInfo | None:
    """Return what a JPEG file's header says; None for other files."""
    with source.open("rb") as file:
        if file.read(len(_JPEG_SIGNATURE)) != _JPEG_SIGNATURE:
            return None
    return read_jpeg_info(source)
