"""How two results for one image differ; needs numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError

Image = NDArray[np.float32]
"""Luma ``(batch, 1, height, width)`` in [0, 1], or Y, Cb and Cr ``(batch, 3, height, width)``."""

# So close to the middle between two levels, the order of float32 additions decides.
_TIE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How two results for one image differ."""

    shape: tuple[int, ...]
    """Of the image: batch, planes, height, width."""

    largest: float
    """Largest absolute difference of values in [0, 1]."""

    where: tuple[int, ...]
    """Where it is: batch, plane, row, column."""

    levels_changed: int
    """Pixels whose value rounded to 8 bits differs, ties apart."""

    beyond_one_level: int
    """Pixels that differ by more than one 8-bit level."""

    def __str__(self) -> str:
        batch, _, height, width = self.shape
        image, _, row, column = self.where
        return (
            f"{batch} x {height} x {width}: largest difference {self.largest:.1e} "
            f"(image {image}, row {row}, column {column}), "
            f"8-bit levels changed: {self.levels_changed}, by more than one: "
            f"{self.beyond_one_level}"
        )


def compare(expected: Image, got: Image) -> Parity:
    """Return how two results of one shape differ.

    Raises
    ------
    ExportError
        If the shapes differ.
    """
    if got.shape != expected.shape:
        raise ExportError(f"expected an output of shape {expected.shape}, got {got.shape}")
    difference = np.abs(got.astype(np.float64) - expected)
    where = np.unravel_index(difference.argmax(), difference.shape)
    levels = expected.astype(np.float64) * 255
    tie = np.abs(levels % 1 - 0.5) < _TIE * 255
    changed = (np.rint(levels) != np.rint(got.astype(np.float64) * 255)) & ~tie
    return Parity(
        shape=expected.shape,
        largest=float(difference.max()),
        where=tuple(int(index) for index in where),
        levels_changed=int(changed.sum()),
        # written so that NaN counts
        beyond_one_level=int((~(difference <= 1 / 255)).sum()),
    )
