"""Measure how often earlier compressions are found in pixels, and how often where there are none.

``python -m benchmarks.earlier_compression --images PICTURES --json
benchmarks/earlier_compression.json``: docs/real-files.md. The limits in `argan_plugin.traces` were
chosen on pictures whose name has an even CRC-32; these are a hundred of the others.
The limits of zeros, in `argan_plugin.block_grids`, were chosen on pictures of both kinds.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argan_plugin.inspection import find_earlier
from argan_plugin.jpeg import round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.quantization_tables import ijg_luma_table
from argan_plugin.traces import Compression, find_compression, middle
from benchmarks.command import run
from training.pictures import find_pictures, read_luma

Luma = NDArray[np.uint8]

HEADER = (
    "| pixels | found | called certain | on the right grid | quality off by, mean | pictures |\n"
    "|---|---|---|---|---|---|"
)
_MOST = 100
_SHIFT = 3, 5
_SINGLE = (None, 10, 20, 30, 40, 60, 75, 85, 90, 95)
_IN_PNG = (10, 30, 50, 75, 85, 90)
_TWICE = ((20, 50), (30, 60), (30, 90), (50, 75), (50, 90), (50, 98), (70, 95), (75, 85), (80, 90))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One history of the pixels."""

    history: str
    found: float
    """Share of the pictures in which a compression beside the file's own was found."""
    certain: float
    """Share for which it was called certain."""
    right_grid: float | None
    """Share of the found ones with the true grid; None if there is nothing to find."""
    quality_error: float | None
    """Mean difference between the quality found and the true one, without sign."""
    pictures: int

    def __str__(self) -> str:
        """Return the row in Markdown."""
        right = "" if self.right_grid is None else f"{self.right_grid:.0%}"
        error = "" if self.quality_error is None else f"{self.quality_error:.1f}"
        return (
            f"| {self.history} | {self.found:.1%} | {self.certain:.1%} | {right} | {error} | "
            f"{self.pictures} |"
        )


def histories(original: Luma) -> Iterator[tuple[str, Compression | None, tuple[int, int, int]]]:
    """Yield what was done to a picture, what is found, and the truth: quality, down, across.

    Quality 0 stands for nothing to find.
    """
    for quality in _SINGLE:
        if quality is None:
            yield "never compressed", find_earlier(original.astype(np.float32), None), (0, 0, 0)
            continue
        found = find_compression(round_trip(original, quality=quality), ijg_luma_table(quality))
        yield f"JPEG, q = {quality}", found, (0, 0, 0)
    down, across = _SHIFT
    begin = -down % 8, -across % 8
    for quality in _IN_PNG:
        compressed = round_trip(original, quality=quality)[down:, across:]
        found = find_earlier(compressed.astype(np.float32), None)
        yield f"q = {quality}, cut, PNG", found, (quality, *begin)
    for first, second in _TWICE:
        once = round_trip(original, quality=first)
        cut = np.ascontiguousarray(once[down:, across:])
        for name, image, place in (("", once, (0, 0)), ("cut, ", cut, begin)):
            twice = round_trip(image, quality=second)
            found = find_compression(twice, ijg_luma_table(second))
            yield f"q = {first}, {name}q = {second}", found, (first, *place)


def measure(folder: Path, _model: RestorationModel) -> Iterator[Row]:
    """Yield a row for each history; the model has no part in it."""
    results: dict[str, list[tuple[Compression | None, tuple[int, int, int]]]] = {}
    for path in _held_out(folder):
        luma = read_luma(path)
        # a little more than is looked at, for the cut
        rows, columns = middle(*luma.shape)
        window = luma[rows.start : rows.stop + 8, columns.start : columns.stop + 8]
        for history, found, truth in histories(np.ascontiguousarray(window)):
            results.setdefault(history, []).append((found, truth))
    for history, outcomes in results.items():
        hits = [(found, truth) for found, truth in outcomes if found is not None]
        expected = outcomes[0][1][0] > 0 and bool(hits)
        yield Row(
            history=history,
            found=len(hits) / len(outcomes),
            certain=sum(found.certainty == "certain" for found, _ in hits) / len(outcomes),
            right_grid=_mean((found.down, found.across) == truth[1:] for found, truth in hits)
            if expected
            else None,
            quality_error=_mean(abs(found.quality - truth[0]) for found, truth in hits)
            if expected
            else None,
            pictures=len(outcomes),
        )


def _held_out(folder: Path) -> list[Path]:
    """Return pictures that had no part in choosing the limits, in an order by chance."""
    numbers = {
        path: zlib.crc32(path.relative_to(folder).as_posix().encode())
        for path in find_pictures(folder)
    }
    return sorted((path for path in numbers if numbers[path] % 2), key=numbers.__getitem__)[:_MOST]


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    return run(
        arguments,
        name="earlier_compression",
        description="Measure how often earlier compressions are found in pixels.",
        header=HEADER,
        measure=measure,
    )


if __name__ == "__main__":
    sys.exit(main())
