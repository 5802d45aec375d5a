"""A decoded picture, between reading and writing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argan_plugin.metadata import Metadata

_MODE_OF_CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Animation:
    """How frames follow each other."""

    durations: tuple[float, ...]
    """How long each frame is shown, in milliseconds."""

    plays: int
    """How often all of them are shown; 0 is for ever."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A decoded picture and the metadata that goes with it."""

    pixels: NDArray[Any]
    """(height, width) for grey, (height, width, 2) for grey and alpha, 3 for RGB, 4 for RGBA or
    CMYK; uint8, or uint16 except for CMYK. Black is 0, in CMYK no ink is."""

    metadata: Metadata
    """What the file says beside the pixels."""

    later_frames: tuple[NDArray[Any], ...] = ()
    """The pages or frames behind the first, as `pixels`; pages may differ in size and channels."""

    animation: Animation | None = None
    """When the frames are shown; None for pages, or for one picture alone."""

    cmyk: bool = False
    """Whether four channels are inks, not RGBA."""

    note: str = ""
    """What was left behind on reading, for the user; mostly empty."""

    @property
    def frames(self) -> tuple[NDArray[Any], ...]:
        """All pages or frames."""
        return (self.pixels, *self.later_frames)

    @property
    def modes(self) -> tuple[str, ...]:
        """What Pillow calls the channels of each frame: L, LA, RGB, RGBA or CMYK."""
        return tuple(self._mode(frame) for frame in self.frames)

    @property
    def has_16_bits(self) -> bool:
        """Whether any frame has 16 bits a channel."""
        return any(frame.dtype == np.uint16 for frame in self.frames)

    def with_frames(self, frames: list[NDArray[Any]]) -> Picture:
        """Return the picture with other pixels in the same order; empties the list."""
        first = frames.pop(0)
        later = tuple(frames)
        frames.clear()
        return dataclasses.replace(self, pixels=first, later_frames=later)

    def _mode(self, frame: NDArray[Any]) -> str:
        channels = frame.shape[2] if frame.ndim == 3 else 1
        return "CMYK" if self.cmyk and channels == 4 else _MODE_OF_CHANNELS[channels]
