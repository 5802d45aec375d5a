"""What is left of files that are cut off or damaged."""

from __future__ import annotations

import dataclasses
import os
import threading

from PIL import ImageFile

from argan_plugin.decoding import DamagedFileError
from argan_plugin.files import read_picture
from argan_plugin.picture import Picture

_NOTE = "is damaged or cut off; what is there was restored, the rest is blank"

_alone = threading.Lock()  # or one thread's second try would let pass another's first


def read_what_is_there(path: str | os.PathLike[str]) -> Picture:
    """Read a picture like `read_picture`, or as much of it as can be decoded.

    For the second try Pillow's `LOAD_TRUNCATED_IMAGES` is set, for the whole process. What it makes
    of a file: rows that are missing are grey in a JPEG file and black in others, and wrong
    checksums of a PNG file count for nothing. Cut-off WebP files it does not read either.

    Returns
    -------
    Picture
        Its `note` says so if the file is not whole.

    Raises
    ------
    ImageFileError
        If nothing can be decoded.
    """
    with _alone:
        try:
            return read_picture(path)
        except DamagedFileError:
            before = ImageFile.LOAD_TRUNCATED_IMAGES
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            try:
                picture = read_picture(path)
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = before
    return dataclasses.replace(picture, note=f"{_NOTE}. {picture.note}".removesuffix(". "))
