"""The comparison of candidates for chroma, on networks whose results are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks import chroma_candidates
from tests.textures import texture

Planes = NDArray[np.float32]


def same(planes: Planes) -> Planes:
    return planes


def grey(planes: Planes) -> Planes:
    """Take all colour away."""
    return np.stack([planes[0], *np.full_like(planes[1:], 128 / 255)])


def crops() -> list[NDArray[np.uint8]]:
    return [np.stack([texture(96, 80, seed + n) for n in range(3)], -1) for seed in range(2)]


def gains(cells: dict[str, str]) -> list[float]:
    return [float(number) for cell in cells.values() for number in cell.split(" / ")]


def test_what_changes_no_chroma_gains_nothing_on_resized_crops() -> None:
    found = gains(chroma_candidates.resized(same, crops()))
    assert found == [0.0] * 8


def test_what_takes_colour_away_loses_on_resized_crops() -> None:
    found = gains(chroma_candidates.resized(grey, crops()))
    assert max(found) < -1


def test_what_changes_no_chroma_neither_gains_nor_harms() -> None:
    row = chroma_candidates.plain(same)
    assert row["plain colours off by more than 1"] == "0 of 150"
    photographs = chroma_candidates.photographs(same, crops())
    assert {cell for name, cell in photographs.items() if name != "pristine"} == {"+0.000 (+0.00)"}
