"""What can go wrong, as a family tree: catch `ArganError` to catch all of it.

::

    ArganError
    ├── ModelError             a model file is missing, corrupt, not ours, or answers wrongly
    ├── DeviceError            the requested device cannot be used, or has not enough memory
    ├── UnsupportedImageError  pixels that cannot be restored: shape, dtype, mode, NaN, no pixels
    ├── ImageFileError         a file that cannot be read or written
    │   └── NothingToRestore   a file that cannot have JPEG artifacts
    └── Cancelled              the caller asked to stop

`UnsupportedImageError` is a ``ValueError`` too. Each message says what was expected, what came, and
what to do. A wrong option (`strength=-1`) is a plain ``ValueError`` or ``TypeError``: the program
that called is at fault, not the picture.
"""


class ArganError(Exception):
    """The base of all errors that this package raises on purpose."""


class ModelError(ArganError):
    """A model file is missing, corrupt, not one of this project's, or gives a wrong output."""


class DeviceError(ArganError):
    """The requested device cannot be used, or has not enough memory for the smallest tile."""


class UnsupportedImageError(ArganError, ValueError):
    """Pixels that cannot be restored: a wrong shape, dtype, mode or range, NaN, or no pixels."""


class ImageFileError(ArganError):
    """An image file that cannot be read or written."""


class NothingToRestore(ImageFileError):
    """A picture that cannot have JPEG artifacts, being black and white only."""


class Cancelled(ArganError):
    """The caller set the `cancel` event; there is no result, and the model can be used again."""


def one_line(error: Exception) -> str:
    """Return what an error of some library says, as one line of bearable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
