"""What goes wrong while Pillow reads a picture file, told in a sentence."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from argan_plugin.errors import ImageFileError, UnsupportedImageError


class DamagedFileError(ImageFileError):
    """A picture file that is damaged or cut off, so that not all of it can be decoded."""


@contextlib.contextmanager
def decoding(name: str | os.PathLike[str], expected: str) -> Iterator[None]:
    """Turn whatever Pillow raises in the block into an `ImageFileError`.

    Parameters
    ----------
    name
        What to call the file; all messages begin with it.
    expected
        What the file should be, such as "a JPEG file".

    Raises
    ------
    DamagedFileError
        If the file is damaged or cut off.
    ImageFileError
        If it cannot be read for another reason, or is not what was expected.
    """
    try:
        yield
    except ImageFileError:
        raise
    except UnsupportedImageError as error:
        raise ImageFileError(f"{name}: {error}.") from error
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{name}: expected {expected}, but this is none, or its beginning is damaged."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageFileError(
            f"{name}: has more pixels than are allowed for safety. If you trust the file, allow "
            f"more with --max-pixels, or PIL.Image.MAX_IMAGE_PIXELS in Python. ({error})"
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly anything at damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageFileError(f"{name}: cannot be read: {error.strerror}.") from error
        raise DamagedFileError(
            f"{name}: cannot be decoded, it is damaged or cut off ({reason_of(error)})."
        ) from error


@contextlib.contextmanager
def opened(source: str | os.PathLike[str] | bytes) -> Iterator[IO[bytes]]:
    """Open a file, or a file's bytes, for Pillow, which would wait for ever at a named pipe.

    Raises
    ------
    ImageFileError
        If it is no regular file.
    OSError
        If it cannot be opened.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    if not stat.S_ISREG(Path(source).stat().st_mode):
        raise ImageFileError(f"{source}: expected a picture file, but this is no regular file.")
    with Path(source).open("rb") as file:
        yield file


def reason_of(error: Exception) -> str:
    """Say in a few words what an exception of Pillow or of the system means."""
    system_says = error.strerror if isinstance(error, OSError) else None
    return (system_says or str(error) or type(error).__name__).rstrip(".")
