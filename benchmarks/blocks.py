"""Measure how often the blocks of a compression are found in pixels, and its steps.

``python -m benchmarks.blocks --images PICTURES --json benchmarks/blocks.json``: docs/real-files.md.
The limits in `argan_plugin.block_grids` and `block_steps` were mostly chosen on the pictures that a
training run keeps to validate by and on every fifth of the others. These are a hundred of the rest,
of which some were looked at, too, for those of an earlier compression.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.blocks import Blocks, find_blocks
from argan_plugin.jpeg import round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.quantization_tables import nearest_luma_quality
from argan_plugin.traces import middle
from benchmarks.command import run
from training.pictures import find_pictures, read_luma, split_names
from training.recipes import fidelity

Luma = NDArray[np.uint8]

HEADER = (
    "| pixels | found | where they were | steps found | quality off by, at most | pictures |\n"
    "|---|---|---|---|---|---|"
)
_MOST = 100
_CHOSEN_BY = 5
_CUT = 3, 5
_BLOCKS = 5, 3
_QUALITIES = (5, 10, 20, 30, 50, 75, 90, 95)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One history of the pixels."""

    history: str
    found: float
    """Share of the pictures in which blocks stand out elsewhere than at the picture's corner."""
    right: float | None
    """Share of the pictures in which they lie where they were put; None if there are none."""
    with_steps: float
    """Share of the pictures of which steps are known."""
    quality_off: int | None
    """By how much the IJG quality of the steps is wrong at most, where blocks are right."""
    pictures: int

    def __str__(self) -> str:
        """Return the row in Markdown."""
        right = "" if self.right is None else f"{self.right:.0%}"
        off = "" if self.quality_off is None else str(self.quality_off)
        return (
            f"| {self.history} | {self.found:.0%} | {right} | {self.with_steps:.0%} | {off} | "
            f"{self.pictures} |"
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """What happens to a picture, and the quality of its blocks, if it has any."""

    name: str
    change: Callable[[Luma], Luma]
    quality: int | None = None


def _cut(picture: Luma) -> Luma:
    return np.ascontiguousarray(picture[_CUT[0] :, _CUT[1] :])


def _saved_and_cut(picture: Luma, quality: int) -> Luma:
    return _cut(round_trip(picture, quality=quality))


def _brighter(picture: Luma) -> Luma:
    changed = 255 * (_saved_and_cut(picture, 50) / np.float32(255)) ** np.float32(0.8)
    return np.rint(changed).astype(np.uint8)


def _smaller(picture: Luma) -> Luma:
    image = Image.fromarray(round_trip(picture, quality=50))
    size = image.width * 4 // 5, image.height * 4 // 5
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _cut_and_saved_again(picture: Luma, quality: int) -> Luma:
    return round_trip(_saved_and_cut(picture, 30), quality=quality)


HISTORIES = (
    History(name="never compressed, cut", change=_cut),
    History(name="q = 50, reduced to four fifths", change=_smaller),
    *(
        History(name=f"q = {q}, cut", change=partial(_saved_and_cut, quality=q), quality=q)
        for q in _QUALITIES
    ),
    History(name="q = 50, cut, a gamma of 0.8", change=_brighter, quality=50),
    *(
        History(
            name=f"q = 30, cut, q = {q}",
            change=partial(_cut_and_saved_again, quality=q),
            quality=30,
        )
        for q in (60, 75, 90)
    ),
)


def measure(folder: Path, _model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each history; the model has no part in it."""
    pictures = [_middle(read_luma(path)) for path in _held_out(folder)]
    for history in HISTORIES:
        changed = (history.change(picture) for picture in pictures)
        found = [find_blocks(image.astype(np.float32)) for image in changed]
        right = [(blocks.down, blocks.across) == _BLOCKS for blocks in found]
        off = [
            abs(_quality(blocks) - history.quality)
            for blocks, is_right in zip(found, right, strict=True)
            if history.quality is not None and is_right and blocks.steps is not None
        ]
        yield Row(
            history=history.name,
            found=_share(blocks.before != (0, 0) for blocks in found),
            right=None if history.quality is None else _share(right),
            with_steps=_share(blocks.steps is not None for blocks in found),
            quality_off=max(off, default=None),
            pictures=len(found),
        )


def _quality(blocks: Blocks) -> int:
    assert blocks.steps is not None
    quality, _ = nearest_luma_quality(blocks.steps.astype(int).ravel().tolist())
    return quality


def _share(tests: Iterable[bool]) -> float:
    return float(np.mean(list(tests)))


def _middle(luma: Luma) -> Luma:
    """Return what is looked at of a picture, and a little more, for the cut."""
    rows, columns = middle(*luma.shape)
    return luma[rows.start : rows.stop + 8, columns.start : columns.stop + 8]


def _held_out(folder: Path) -> list[Path]:
    """Return pictures by which the limits of grids and steps were not chosen."""
    paths = find_pictures(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    trained, _ = split_names(names, fidelity().validation_share)
    rest = [paths[number] for number in trained if number % _CHOSEN_BY != 3]
    return rest[:: max(1, len(rest) // _MOST)][:_MOST]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="blocks",
        description="Measure how often the blocks of a compression are found in pixels.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())
