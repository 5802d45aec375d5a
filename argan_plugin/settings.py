"""Settings of the command: what holds for all files of one run."""

from __future__ import annotations

import dataclasses
from typing import Any

# Settings that leave the pixels as they are, those of `tile_size` up to float32 rounding.
# `accept_truncated` and `skip_above_quality` decide which outputs there are, not what is in them.
_WITHOUT_EFFECT = {
    "skip_above_quality",
    "tile_size",
    "overwrite",
    "keep_times",
    "accept_truncated",
    "show_progress",
    "resume",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What holds for all files of one run."""

    strength: float = 1.0
    """As in `restore`."""

    chroma: bool = False
    """As in `restore`."""

    consistent: bool = False
    """As in `restore_jpeg`, for the files that it is for. What their steps make plausible, of the
    correction, counts in any case."""

    skip_above_quality: int | None = None
    """Whether pictures are left alone that were not compressed as JPEG of this quality, 1-100, or a
    lower one, by their file and by their pixels."""

    tile_size: int | None = None
    """As in `restore`."""

    overwrite: bool = False
    """Whether outputs that exist already are replaced."""

    quality: int = 95
    """Of the JPEG and AVIF files among the outputs, 1-100."""

    keep_times: bool = False
    """Whether outputs get the dates of their sources."""

    accept_truncated: bool = False
    """Whether what is left of damaged files is restored."""

    show_progress: bool = True
    """Whether there is a progress bar, if stderr is a terminal."""

    resume: bool = False
    """Whether outputs that are up to date are left alone, and those replaced that are not any more.
    The plan must have a folder."""

    def that_matter(self) -> dict[str, Any]:
        """Return what decides about the outputs, so that a change makes them stale."""
        names = {field.name for field in dataclasses.fields(self)} - _WITHOUT_EFFECT
        return {name: getattr(self, name) for name in sorted(names)}
