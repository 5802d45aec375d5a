"""What libraries print on their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_STDERR = 2  # the file descriptor


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what any code of this process writes to the standard error's file descriptor meanwhile.

    libtiff prints a line for much that is odd in a file, and Pillow cannot turn that off; Pillow
    and imagecodecs log errors, which Python prints if nobody has said what to do with them.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed, as in a program without a console: nothing to drop
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
