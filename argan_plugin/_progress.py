"""How far a run is, in words and as a bar in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari.utils import cancelable_progress


@dataclass(frozen=True)
class Progress:
    """How far a run is: tiles of the current plane and planes, counted from 1."""

    plane: int
    planes: int
    tile: int
    tiles: int

    def __str__(self) -> str:
        tiles = f"tile {self.tile} of {self.tiles}"
        return tiles if self.planes == 1 else f"plane {self.plane} of {self.planes}, {tiles}"


class ProgressBar:
    """A bar in napari's activity dock, with a Cancel button."""

    def __init__(self, title: str, cancel: Callable[[], None]) -> None:
        self._bar = _CancelAtOnce(total=0, desc=title, cancel_callback=cancel)
        self._title = title
        self._latest: Progress | None = None
        self._showing = False
        self._closed = False

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        # napari handles events while it moves a bar: the next progress, or the end, may come in
        # the middle of this.
        self._latest = progress
        if self._showing:
            return
        self._showing = True
        while self._latest is not None and not self._closed:
            latest, self._latest = self._latest, None
            # Before the words, in the middle of which the run may end.
            self._bar.total = latest.planes * latest.tiles
            self._bar.n = (latest.plane - 1) * latest.tiles + latest.tile
            self._bar.set_description(f"{self._title}: {latest}")
            if not self._closed:
                self._bar.update(0)  # napari hears of it by this
        self._showing = False

    def close(self) -> None:
        """Take the bar away, and napari's spinner if it was the last."""
        self._closed = True
        self._bar.close()


class _CancelAtOnce(cancelable_progress):  # type: ignore[misc]  # napari has no types
    """napari's own waits for the next iteration of a loop, and there is none here."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()
