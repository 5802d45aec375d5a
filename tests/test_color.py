"""Luma is JFIF's, and changing it leaves chroma alone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from argan_plugin.color import LUMA_WEIGHTS, add_luma_change, luma


def _some_colours() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_luma_agrees_with_libjpegs_to_its_rounding() -> None:
    colours = _some_colours()
    of_pillow = np.asarray(Image.fromarray(colours).convert("L"), np.float32)
    ours = luma(colours.astype(np.float32))
    assert ours.dtype == np.float32
    # Pillow computes L with 16-bit fixed-point weights and rounds to whole levels.
    assert np.abs(ours - of_pillow).max() <= 0.51


def test_luma_of_the_primaries_and_of_grey() -> None:
    assert (
        luma(np.eye(3, dtype=np.float32)).tolist() == np.asarray(LUMA_WEIGHTS, np.float32).tolist()
    )
    grey = np.linspace(0, 1, 256, dtype=np.float32)
    np.testing.assert_allclose(luma(np.stack([grey] * 3, axis=-1)), grey, atol=1e-7)
    assert luma(np.ones(3, np.float32)) == 1, "the network must not see more than white"


def test_luma_of_a_tile_is_that_of_the_whole_bit_for_bit() -> None:
    colours = _some_colours().astype(np.float32) / np.float32(255)
    assert np.array_equal(luma(colours[3:20, 5:31]), luma(colours)[3:20, 5:31])


def test_a_change_of_luma_changes_luma_by_it_and_chroma_not_at_all() -> None:
    colours = _some_colours().astype(np.float64)
    change = np.random.default_rng(2).normal(0, 10, colours.shape[:2])
    changed = colours.copy()
    add_luma_change(changed, change)

    def jfif(rgb: np.ndarray) -> np.ndarray:  # ITU-T T.871, section 7
        y = rgb @ [0.299, 0.587, 0.114]
        return np.stack([y, (rgb[..., 2] - y) / 1.772, (rgb[..., 0] - y) / 1.402], axis=-1)

    difference = jfif(changed) - jfif(colours)
    np.testing.assert_allclose(difference[..., 0], change, atol=1e-9)
    np.testing.assert_allclose(difference[..., 1:], 0, atol=1e-9)
