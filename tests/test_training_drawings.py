"""What code draws for the network to learn from."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from training import micrographs
from training.charts import chart
from training.drawings import draw
from training.grounds import grating, ground
from training.illustrations import illustrate
from training.marks import draw_marks
from training.micrographs import micrograph
from training.pages import page
from training.screens import pixel_art, screened

SIDE = 96
SHAPE = (SIDE, SIDE)
Kind = Callable[..., np.ndarray]


def photo() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=SHAPE)
    smooth = gaussian_filter(noise, 3) * 300 + gaussian_filter(noise, 1) * 60 + 128
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def steepest(drawing: np.ndarray) -> int:
    values = drawing.astype(int)
    return int(max(np.abs(np.diff(values)).max(), np.abs(np.diff(values, axis=0)).max()))


@pytest.mark.parametrize("kind", [draw, draw_marks, illustrate, micrograph, pixel_art, screened])
def test_the_same_seed_draws_the_same_on_any_source(kind: Kind) -> None:
    source = photo()[:, :80]
    before = source.copy()
    for n in range(8):
        first, second = (kind(source, np.random.default_rng(n)) for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == source.shape
        assert (first == second).all()
    assert (source == before).all()


@pytest.mark.parametrize("kind", [chart, grating, ground, page])
def test_the_same_seed_draws_the_same_of_any_shape(kind: Kind) -> None:
    for n in range(8):
        first, second = (kind((SIDE, 80), np.random.default_rng(n)) for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == (SIDE, 80)
        assert (first == second).all()


@pytest.mark.parametrize("lying", [False, True])
def test_gratings_have_even_bars_of_any_thickness(lying: bool) -> None:
    thickness = set()
    for n in range(400):
        drawing = grating(SHAPE, np.random.default_rng(n))
        across = drawing[:, 0] if lying else drawing[0]
        runs = np.unique(np.diff(np.flatnonzero(np.diff(across.astype(int)))))
        if len(runs) == 1:
            thickness.add(int(runs[0]))
    assert thickness > {1, 2, 4, 8}


def test_some_gradients_are_steep() -> None:
    # over all of the 96 pixels, a ramp from end to end has three levels a pixel at most
    steps = [steepest(ground(SHAPE, np.random.default_rng(n))) for n in range(100)]
    assert max(steps) > 8
    assert min(steps) == 0


def test_softened_drawings_have_softer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    source = photo()
    monkeypatch.setattr("training.drawings._SOFT_SHARE", 0.0)
    sharp = np.array([steepest(draw(source, np.random.default_rng(n))) for n in range(60)])
    monkeypatch.setattr("training.drawings._SOFT_SHARE", 1.0)
    soft = np.array([steepest(draw(source, np.random.default_rng(n))) for n in range(60)])
    assert (soft <= sharp).all()
    assert (soft < sharp).sum() > 30


def test_illustrations_have_wide_even_areas_with_smooth_edges() -> None:
    # A smoothed edge between two even areas has tones that neither of them has.
    source = photo()
    even = smooth = 0
    for n in range(100):
        counts = np.bincount(illustrate(source, np.random.default_rng(n)).ravel(), minlength=256)
        even += bool(counts.max() > 0.3 * source.size)
        smooth += int((counts > 0).sum()) > 20
    assert even > 50
    assert smooth > 80


def test_pages_have_legible_ink_on_even_paper() -> None:
    dark = 0
    for n in range(60):
        drawing = page((160, 160), np.random.default_rng(n)).astype(int)
        counts = np.bincount(drawing.ravel(), minlength=256)
        paper = int(counts.argmax())
        ink = np.abs(drawing - paper) > 40  # half of the least contrast
        assert counts[paper] > 0.35 * drawing.size
        assert 0.01 < ink.mean() < 0.6
        # Text goes from edge to edge: no quarter is without ink.
        assert all(part.any() for half in np.split(ink, 2) for part in np.split(half, 2, axis=1))
        dark += bool(drawing[ink].mean() > paper)
    assert 5 < dark < 30


def test_a_screen_has_the_more_ink_the_darker_the_tone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.screens._DRAWN_SHARE", 0.0)
    monkeypatch.setattr("training.screens._FADED_SHARE", 0.0)
    for n in range(12):
        tones = [
            screened(np.full(SHAPE, level, np.uint8), np.random.default_rng(n))
            for level in (0, 40, 80, 128, 176, 216, 255)
        ]
        assert (tones[0] == 0).all()
        assert (tones[-1] == 255).all()
        means = np.array([tone.mean() for tone in tones])
        assert (np.diff(means) > 5).all()
        assert abs(means[3] - 128) < 12  # half of the paper is inked
        assert np.mean((tones[3] > 5) & (tones[3] < 250)) < 0.9  # ink and paper, no even grey


def test_a_screen_repeats_itself_at_its_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.screens._DRAWN_SHARE", 0.0)
    periods = []
    for n in range(30):
        tone = screened(np.full(SHAPE, 128, np.uint8), np.random.default_rng(n)).astype(float)
        window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
        power = np.abs(np.fft.fft2((tone - tone.mean()) * window))
        row, column = np.unravel_index(power.argmax(), SHAPE)
        across = np.hypot(np.fft.fftfreq(SIDE)[row], np.fft.fftfreq(SIDE)[column])
        periods.append(1 / across)
    assert 2.7 < min(periods) < 4
    assert 7 < max(periods) < 11


def test_pixel_art_consists_of_even_squares() -> None:
    source, sides = photo(), set()
    for n in range(30):
        drawing = pixel_art(source, np.random.default_rng(n)).astype(int)
        changes = np.flatnonzero(np.abs(np.diff(drawing)).sum(axis=0))
        steps = np.diff(changes)
        if len(steps) > 3:
            side = int(np.gcd.reduce(steps))
            assert side >= 2
            sides.add(side)
    assert sides >= {2, 3, 4, 5}


def test_micrographs_have_the_noise_of_counted_photons(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of Poisson's distribution the variance is the mean: here 6.25 times as much on the right.
    monkeypatch.setattr(micrographs, "_KINDS", (micrographs._photograph,))
    for name in ("_MOST_READ_NOISE", "_MOST_STRAY_LIGHT", "_GAMMA_SHARE", "_NEGATIVE_SHARE"):
        monkeypatch.setattr(micrographs, name, 0.0)
    monkeypatch.setattr(micrographs, "_BRIGHTEST", (100.0, 100.0))
    monkeypatch.setattr(micrographs, "_PHOTONS", (50, 500))
    source = np.full((SIDE, 2 * SIDE), 100, np.uint8)
    source[:, SIDE:] = 250
    for n in range(8):
        seen = micrograph(source, np.random.default_rng(n)).astype(float)
        dark, bright = seen[:, : SIDE - 9].var(), seen[:, SIDE + 9 :].var()
        assert bright / dark == pytest.approx(6.25, rel=0.1)
        right = seen[:, SIDE + 9 :]
        neighbours = np.corrcoef(right[:, 1:].ravel(), right[:, :-1].ravel())[0, 1]
        assert abs(neighbours) < 0.05


def test_charts_leave_the_settings_of_matplotlib_alone() -> None:
    matplotlib.get_backend()  # settles what is left open until it is asked for
    before = matplotlib.rcParams.copy()
    dark = 0
    for n in range(20):
        drawing = chart(SHAPE, np.random.default_rng(n))
        dark += bool(np.median(drawing) < 64)
        assert drawing.std() > 0
    assert dict(matplotlib.rcParams) == dict(before)
    assert dark < 8
