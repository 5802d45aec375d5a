"""Degradation: real JPEG, any grid offset, every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from argan_plugin.jpeg import round_trip
from training.config import DegradationConfig
from training.degradation import degrade, margin, source_size

SIZE = 64


def photo(side: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = gaussian_filter(noise, 3) * 300 + gaussian_filter(noise, 1) * 60 + 128
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def pairs(config: DegradationConfig, number: int = 40) -> list[tuple[np.ndarray, np.ndarray]]:
    source = photo(source_size(SIZE, config, 1))
    return [degrade(source, SIZE, config, np.random.default_rng(n)) for n in range(number)]


@pytest.mark.parametrize("kind", ["clean", "recompressed", "resized", "other_tables", "drawings"])
def test_every_kind_gives_patches_of_the_size(kind: str) -> None:
    share: dict[str, Any] = {kind: 1.0}
    for compressed, pristine in pairs(DegradationConfig(**share)):
        assert compressed.shape == pristine.shape == (SIZE, SIZE)
        assert compressed.dtype == pristine.dtype == np.uint8


def test_clean_pairs_are_equal() -> None:
    assert all((a == b).all() for a, b in pairs(DegradationConfig(clean=1.0)))


def test_one_compression_is_what_pillow_makes_of_the_source() -> None:
    config = DegradationConfig(quality=(20, 20))
    source = photo(source_size(SIZE, config, 1))
    whole = round_trip(source[: SIZE + 8, : SIZE + 8], quality=20)
    compressed, pristine = degrade(source, SIZE, config, np.random.default_rng(3))
    places = [
        (top, left)
        for top in range(8)
        for left in range(8)
        if (source[top : top + SIZE, left : left + SIZE] == pristine).all()
    ]
    assert len(places) == 1
    top, left = places[0]
    assert (whole[top : top + SIZE, left : left + SIZE] == compressed).all()


def test_aligned_patches_lie_on_the_grid_of_their_compression() -> None:
    config = DegradationConfig(quality=(20, 20), aligned=1.0)
    for compressed, pristine in pairs(config, 3):
        # the blocks of grey JPEG know nothing of each other
        assert (round_trip(pristine, quality=20) == compressed).all()


def test_patches_lie_at_every_offset_to_the_grid() -> None:
    config = DegradationConfig(quality=(10, 10))
    source = photo(source_size(SIZE, config, 1))
    corners = {
        degrade(source, SIZE, config, np.random.default_rng(n))[1][0, :4].tobytes()
        for n in range(600)
    }
    assert len(corners) > 56  # of 64


def test_low_qualities_come_more_often() -> None:
    config = DegradationConfig(quality=(5, 95), low_quality_bias=1.7)
    errors = [np.mean((a.astype(float) - b) ** 2) for a, b in pairs(config, 200)]
    uniform = DegradationConfig(quality=(5, 95), low_quality_bias=1.0)
    assert np.mean(errors) > np.mean(
        [np.mean((a.astype(float) - b) ** 2) for a, b in pairs(uniform, 200)]
    )


def test_studio_range_stays_in_16_to_235() -> None:
    config = DegradationConfig(clean=1.0, studio_range=1.0)
    extremes = np.tile(np.array([[0, 255]], np.uint8), (SIZE + margin(1), SIZE))
    pristine = degrade(extremes, SIZE, config, np.random.default_rng(0))[1]
    assert (pristine.min(), pristine.max()) == (16, 235)


def test_drawings_have_flat_grounds_and_hard_edges() -> None:
    config = DegradationConfig(clean=1.0, drawings=1.0)
    source = photo(source_size(SIZE, config, 1))
    patches = [degrade(source, SIZE, config, np.random.default_rng(n))[1] for n in range(60)]
    # of the photograph itself no patch has a flat row, or a step of 100 levels
    flat = sum((np.ptp(patch, axis=1) == 0).any() for patch in patches)
    edges = sum(np.abs(np.diff(patch.astype(int), axis=1)).max() > 100 for patch in patches)
    assert flat > 20
    assert edges > 20


def test_drawings_have_a_share_of_clean_pairs_of_their_own() -> None:
    # at qualities that change every drawing but a plain ground
    for clean, clean_drawings in ((0.0, 1.0), (1.0, 0.0)):
        config = DegradationConfig(
            quality=(5, 6), drawings=1.0, clean=clean, clean_drawings=clean_drawings
        )
        equal = np.mean([(a == b).all() for a, b in pairs(config)])
        assert equal == 1.0 if clean_drawings else equal < 0.5


def test_drawings_are_saved_at_any_quality_alike() -> None:
    low, leaning = (
        DegradationConfig(quality=(5, 95), drawings=1.0, low_quality_bias=bias)
        for bias in (1.0, 3.0)
    )
    for (a, b), (c, d) in zip(pairs(low), pairs(leaning), strict=True):
        assert (a == c).all()
        assert (b == d).all()


def test_what_was_resized_is_not_saved_again_at_the_lowest_qualities() -> None:
    """Where the first compression would hardly show any more."""
    twice = DegradationConfig(quality=(5, 6), recompressed=1.0)
    resized = DegradationConfig(quality=(5, 6), resized=1.0)
    least_of_twice, least_of_resized = (
        min(np.square(a.astype(float) - b).mean() for a, b in pairs(config))
        for config in (twice, resized)
    )
    assert least_of_twice > 10 * least_of_resized


def test_a_picture_too_small_for_a_reduction_is_enlarged_at_most() -> None:
    source = photo(SIZE + margin(1))
    compressed, _ = degrade(source, SIZE, DegradationConfig(resized=1.0), np.random.default_rng(0))
    assert compressed.shape == (SIZE, SIZE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quality", (0, 50)),
        ("quality", (60, 50)),
        ("clean", 1.5),
        ("clean_drawings", -1),
        ("low_quality_bias", 0),
    ],
)
def test_nonsense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        replace(DegradationConfig(), **{field: value})


def test_shares_of_more_than_everything_are_refused() -> None:
    with pytest.raises(ValueError, match="resized"):
        DegradationConfig(clean=0.5, recompressed=0.4, resized=0.2)
