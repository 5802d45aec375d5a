"""Reads the next file and writes the one before while a file is restored.

::

    thread that reads     1  2  3
    calling thread           1  2  3      restores
    thread that writes          1  2  3

Decoders and encoders use one core, and a network leaves some of every core's time: together they
take less time than one after the other. Each file still comes to its end in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Protocol, Self

MOST_BYTES: Final = 2**27
"""Pictures of more bytes are worked on alone: four of them may be held otherwise, one read, one to
be restored and its result, one written. Smaller ones take half a gigabyte together at most."""


class Steps(Protocol):
    """What is to be done with one file, each step once and in this order. None of them raises."""

    @property
    def size(self) -> int:
        """How many bytes its picture has in memory, once it is read."""

    def read(self) -> None:
        """Read it; in another thread."""

    def restore(self) -> None:
        """Restore it; in the thread that called `Overlap.add`."""

    def write(self) -> None:
        """Write it; in another thread."""


class Overlap:
    """Carries out the steps of files that are added one after the other.

    As a context manager it ends all of them, in the order in which they were added. After an
    exception, such as Ctrl-C, it ends the one that is being written, and no other.

    Parameters
    ----------
    ended : callable
        Called after the last step of each, in the same thread that adds.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._reader = ThreadPoolExecutor(1, "argan-read")
        self._writer = ThreadPoolExecutor(1, "argan-write")
        self._ahead: tuple[Steps, Future[None]] | None = None
        self._behind: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            try:
                self._finish_writing()
            finally:
                self._reader.shutdown()
                self._writer.shutdown()

    def add(self, steps: Steps) -> None:
        """Begin to read a file, and restore the one before meanwhile."""
        if self._ahead:
            before, reading = self._ahead
            reading.result()
            if before.size > MOST_BYTES:
                self.finish()
        ready, self._ahead = self._ahead, (steps, self._reader.submit(steps.read))
        if ready:
            self._restore(ready[0])

    def finish(self) -> None:
        """Carry out all that is left of all files."""
        if self._ahead:
            (steps, reading), self._ahead = self._ahead, None
            reading.result()
            self._restore(steps)
        self._finish_writing()

    def _restore(self, steps: Steps) -> None:
        """Restore a file that was read, and begin to write it."""
        steps.restore()
        self._finish_writing()
        self._behind = self._writer.submit(steps.write)

    def _finish_writing(self) -> None:
        if self._behind:
            writing, self._behind = self._behind, None
            writing.result()
            self._ended()
