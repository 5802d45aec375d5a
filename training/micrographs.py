"""What a microscope's camera sees of little light: nuclei, spots, filaments, and counted photons.

Photographs have nearly the same noise everywhere. Here it grows with the light, a pixel knows
nothing of its neighbour's, and a network that has not seen it takes it for what JPEG left.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Luma = NDArray[np.uint8]
_Light = NDArray[np.float64]

_SHARPNESS = (0.6, 2.5)  # deviation in pixels of the optics' spread, as a Gaussian
_PHOTONS = (5, 5000)  # where it is brightest
_MOST_STRAY_LIGHT = 0.2  # of the brightest
_MOST_READ_NOISE = 2.0  # electrons; scientific cameras state 1 to 2
_BRIGHTEST = (99.0, 100.0)  # percentiles that are shown as white
_GAMMAS = (0.5, 1.0)
_GAMMA_SHARE = 0.3
_NEGATIVE_SHARE = 0.15
_NUCLEI = (3, 20)
_NUCLEUS = (4.0, 20.0)  # semi-axes in pixels
_SPOTS = (10, 120)
_FILAMENTS = (5, 30)
_STEPS, _STEP, _BEND = 60, 3.0, 0.15  # of a filament: pixels, radians


def micrograph(source: Luma, rng: np.random.Generator) -> Luma:
    """Return a fluorescence micrograph, or ``source`` as if it had been taken by as little light.

    The number of photons in a pixel has Poisson's distribution, and what the camera adds is
    Gaussian (J. B. Pawley, ed., "Handbook of Biological Confocal Microscopy", Springer, 2006,
    chapter 12).

    Parameters and result as of :func:`training.screens.screened`.
    """
    light = sum(_KINDS[kind](source, rng) for kind in rng.integers(len(_KINDS), size=2))
    light = gaussian_filter(light, rng.uniform(*_SHARPNESS))
    light = light / max(float(light.max()), 1e-9) + rng.uniform(0, _MOST_STRAY_LIGHT)
    photons = np.exp(rng.uniform(*np.log(_PHOTONS)))
    seen = rng.poisson(light * photons) + rng.normal(
        0, rng.uniform(0, _MOST_READ_NOISE), light.shape
    )
    black, white = np.percentile(seen, (0.1, rng.uniform(*_BRIGHTEST)))
    shown = ((seen - black) / max(white - black, 1.0)).clip(0, 1)
    if rng.random() < _GAMMA_SHARE:
        shown = shown ** rng.uniform(*_GAMMAS)
    if rng.random() < _NEGATIVE_SHARE:
        shown = 1 - shown
    levels: Luma = np.rint(255 * shown).astype(np.uint8)
    return levels


def _nuclei(source: Luma, rng: np.random.Generator) -> _Light:
    height, width = source.shape
    rows, columns = np.mgrid[:height, :width]
    light = np.zeros(source.shape)
    for _ in range(int(rng.integers(*_NUCLEI))):
        place = np.exp(1j * rng.uniform(0, np.pi)) * (
            columns - rng.uniform(0, width) + 1j * (rows - rng.uniform(0, height))
        )
        across, down = rng.uniform(*_NUCLEUS, 2)
        thickness = (1.2 - (place.real / across) ** 2 - (place.imag / down) ** 2).clip(0, 1)
        light += rng.uniform(0.2, 1) * thickness
    grains = gaussian_filter(rng.normal(size=source.shape), rng.uniform(1, 4))
    light *= (1 + rng.uniform(0, 0.5) * grains / grains.std()).clip(0)
    return light


def _spots(source: Luma, rng: np.random.Generator) -> _Light:
    light = np.zeros(source.shape)
    number = int(rng.integers(*_SPOTS))
    places = tuple(rng.integers(side, size=number) for side in source.shape)
    np.add.at(light, places, rng.uniform(1, 8, number))
    return light


def _filaments(source: Luma, rng: np.random.Generator) -> _Light:
    height, width = source.shape
    image = Image.new("L", (width, height))
    canvas = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(*_FILAMENTS))):
        angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, _BEND, _STEPS))
        x = rng.uniform(0, width) + np.cumsum(_STEP * np.cos(angles))
        y = rng.uniform(0, height) + np.cumsum(_STEP * np.sin(angles))
        points = [*zip(x.tolist(), y.tolist(), strict=True)]
        canvas.line(points, fill=int(rng.integers(60, 256)))
    return np.asarray(image) / 255


def _photograph(source: Luma, _: np.random.Generator) -> _Light:
    return (source / 255) ** 2


_KINDS: tuple[Callable[[Luma, np.random.Generator], _Light], ...] = (
    _nuclei,
    _spots,
    _filaments,
    _photograph,
)
