"""Colours for drawings: what must hold whatever chance decides."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import drawn_pictures
from training.palettes import coloured, colourless

_SEEDS = range(40)


def test_some_drawings_have_colours_and_others_none() -> None:
    pictures = [coloured(drawn_pictures.serif_text(), np.random.default_rng(n)) for n in _SEEDS]
    without = sum(np.array_equal(one, colourless(one[..., 0])) for one in pictures)
    assert 0.1 * len(pictures) < without < 0.6 * len(pictures)
    assert all(one.shape == (192, 256, 3) and one.dtype == np.uint8 for one in pictures)


def test_the_ground_is_plain_and_words_are_not_all_of_one_colour() -> None:
    drawing = drawn_pictures.serif_text()  # black on white
    inks = []
    for seed in _SEEDS:
        picture = coloured(drawing, np.random.default_rng(seed))
        assert len(np.unique(picture[drawing == 255], axis=0)) == 1
        inks.append(len(np.unique(picture[drawing == 0], axis=0)))
    assert min(inks) == 1
    assert max(inks) > 2


@pytest.mark.parametrize("shape", [(8, 8), (40, 300), (300, 40)])
def test_every_shape_gets_its_colours(shape: tuple[int, int]) -> None:
    drawing = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for seed in _SEEDS:
        assert coloured(drawing, np.random.default_rng(seed)).shape == (*shape, 3)


def test_the_same_chance_gives_the_same_colours() -> None:
    first, second = (coloured(drawn_pictures.text(), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)
