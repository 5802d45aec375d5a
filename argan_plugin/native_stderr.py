"""What libraries print on their own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = 2  # the file descriptor

_lock = threading.Lock()
_users = 0
_kept: int | None = None


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what any code of this process writes to the standard error's file descriptor meanwhile.

    libtiff prints a line for much that is odd in a file, and Pillow cannot turn that off; Pillow
    and imagecodecs log errors, which Python prints if nobody has said what to do with them.

    Threads may overlap: the first in redirects, the last out puts things back.
    """
    global _users, _kept
    with _lock:
        if _users == 0:
            _kept = _redirect()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _kept is not None:
                os.dup2(_kept, _STDERR)
                os.close(_kept)


def _redirect() -> int | None:
    """Let the standard error lead nowhere, and return a descriptor of where it led."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed, as in a program without a console: nothing to drop
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return kept
