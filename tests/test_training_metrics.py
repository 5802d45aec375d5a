"""Metrics against scikit-image and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from argan_plugin.jpeg import round_trip
from training import metrics


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.mgrid[0:96, 0:128]
    original = np.rint(128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 4 + x / 30)).astype(np.uint8)
    return round_trip(original, quality=10), original


def test_psnr_is_that_of_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=255)
    assert metrics.psnr(*pair) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ssim", "ssim_uniform"])
def test_equal_images_have_ssim_1(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    metric = getattr(metrics, name)
    assert metric(pair[1], pair[1]) == pytest.approx(1)
    assert metric(*pair) < 0.99


def test_uniform_ssim_is_that_of_the_formula_in_one_window(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = (image[:8, :8].astype(float) for image in pair)
    c1, c2 = 6.5025, 58.5225  # (0.01 * 255)², (0.03 * 255)²: Wang et al. 2004
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    expected = ((2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)) / (
        (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var() + b.var() + c2)
    )
    small = tuple(image[:8, :8] for image in pair)
    assert metrics.ssim_uniform(*small) == pytest.approx(expected)


def test_psnr_b_is_psnr_without_blocks_and_less_with_them() -> None:
    flat = np.full((64, 64), 100, np.uint8)
    assert metrics.psnr_b(flat + np.uint8(5), flat) == metrics.psnr(flat + np.uint8(5), flat)
    # Equation 7 of Yim and Bovik by hand: every step at a border is 10 and no other step is
    # anything, so the mean squared errors are 50 and the blocking effect log2(8) / log2(64) * 100.
    board = flat + np.kron(np.indices((8, 8)).sum(0) % 2 * 10, np.ones((8, 8))).astype(np.uint8)
    assert metrics.psnr_b(board, flat) == pytest.approx(10 * np.log10(255**2 / (50 + 50)))


def test_ssimulacra2_is_high_for_equal_images_and_falls_with_quality(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    assert metrics.ssimulacra2(pair[1], pair[1]) == pytest.approx(100)
    better = metrics.ssimulacra2(round_trip(pair[1], quality=50), pair[1])
    assert metrics.ssimulacra2(*pair) < better < 100


def test_images_of_two_shapes_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="one shape"):
        metrics.psnr(pair[0], pair[1][:-1])


def test_detail_is_the_share_of_the_power_of_what_is_fine() -> None:
    grain = np.random.default_rng(3).integers(-20, 21, (64, 96))
    reference = (128 + 2 * grain).astype(np.uint8)
    assert metrics.detail((128 + grain).astype(np.uint8), reference) == pytest.approx(0.25)
    assert metrics.detail(np.full_like(reference, 90), reference) == pytest.approx(0)
    # a wave of 48 pixels, as strong as the grain, is no detail
    wave = np.rint(24 * np.sin(np.arange(96) * 2 * np.pi / 48)).astype(int)
    waved = (128 + 2 * grain + wave).astype(np.uint8)
    assert metrics.detail(waved, reference) == pytest.approx(1, abs=0.01)
    assert np.isnan(metrics.detail(reference, np.full_like(reference, 90)))
