"""What libraries print on their own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = 2  # the file descriptor

_lock = threading.RLock()  # what is heard may be told of by more that is to be heard
_users = 0
_kept: int | None = None
"""Where the standard error leads while it is silent; None if there is none."""


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


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Let what this process writes to the standard error be seen, whatever threads are silent."""
    with _lock:
        if _users == 0 or _kept is None:
            yield
            return
        os.dup2(_kept, _STDERR)
        try:
            yield
        finally:
            _lead_nowhere()


def _redirect() -> int | None:
    """Let the standard error lead nowhere, and return a descriptor of where it led."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed, as in a program without a console: nothing to drop
        return None
    _lead_nowhere()
    return kept


def _lead_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
