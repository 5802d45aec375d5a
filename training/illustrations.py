"""Flat and shaded figures with smooth outlines: logos, cartoons, clip art, and what is cut out.

They have what photographs lack, sharp curved edges between even tones, and what text and lines
lack, wide shaded areas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Luma = NDArray[np.uint8]
Points = list[tuple[float, float]]

_SCALE = 3  # drawn so much larger, then reduced, which smooths edges as renderers do
_MOST_FIGURES = 10
_MOST_STROKES = 6
_HARMONICS = 6
_CORNERS = (3, 9)
_RADII = (0.03, 0.7)  # of the picture's side
_OUTLINES = (0.5, 6.0)  # pixels
_SAMPLES = 120  # points of a closed curve
# Shares, each of its own draw.
_GROUND_WHITE = 0.4  # as most clip art and goods for sale have it
_GROUND_SHADED = 0.25
_SMOOTH = 0.75  # the others are polygons
_OUTLINED = 0.5
_SHADOWED = 0.15
_SHADED = 0.4
_CUT_OUT = 0.1  # filled from the photograph
_TWO_TONES = 0.3  # a second tone with a hard edge, as cartoons shade


def illustrate(source: Luma, rng: np.random.Generator) -> Luma:
    """Return figures and strokes over a plain or shaded ground.

    Parameters
    ----------
    source
        Luma, uint8 ``(height, width)``. Few figures are filled with it; the others need its size.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    height, width = source.shape
    size = width * _SCALE, height * _SCALE
    image = Image.new("L", size, 255)
    if rng.random() >= _GROUND_WHITE:
        shaded = rng.random() < _GROUND_SHADED
        image.paste(_shading(size, rng) if shaded else shade(rng), (0, 0, *size))
    for _ in range(int(rng.integers(1, _MOST_FIGURES + 1))):
        _figure(image, source, rng)
    for _ in range(int(rng.integers(_MOST_STROKES + 1))):
        _stroke(image, rng)
    return np.asarray(image.reduce(_SCALE))


def shade(rng: np.random.Generator) -> int:
    """Return a grey level; every second one is black or white, as in print and on screens."""
    return int(rng.choice((0, 255)) if rng.random() < 0.5 else rng.integers(256))


def _figure(image: Image.Image, source: Luma, rng: np.random.Generator) -> None:
    """Put one filled shape on ``image``, with or without an outline, a shadow and a second tone."""
    outline = _outline(image.size, rng)
    mask = _mask(image.size, outline)
    if rng.random() < _SHADOWED:
        _cast_shadow(image, mask, rng)
    if rng.random() < _CUT_OUT:
        image.paste(Image.fromarray(source).resize(image.size), mask=mask)
    elif rng.random() < _SHADED:
        image.paste(_shading(image.size, rng), mask=mask)
    else:
        image.paste(shade(rng), mask=mask)
    if rng.random() < _TWO_TONES:
        part = _mask(image.size, _outline(image.size, rng))
        tone = Image.new("L", image.size, shade(rng))
        blended = Image.blend(image, tone, rng.uniform(0.1, 0.6))
        image.paste(blended, mask=Image.composite(part, Image.new("L", image.size), mask))
    if rng.random() < _OUTLINED:
        thickness = round(rng.uniform(*_OUTLINES) * _SCALE)
        ImageDraw.Draw(image).line(
            [*outline, *outline[:2]], fill=_ink(rng), width=max(thickness, 1), joint="curve"
        )


def _ink(rng: np.random.Generator) -> int:
    return 0 if rng.random() < 0.6 else shade(rng)


def _outline(size: tuple[int, int], rng: np.random.Generator) -> Points:
    """Return a closed outline: a circle with random harmonics, or a polygon; stretched, turned."""
    radius = min(size) * np.exp(rng.uniform(*np.log(_RADII)))
    if rng.random() < _SMOOTH:
        angles = np.linspace(0, 2 * np.pi, _SAMPLES, endpoint=False)
        order = np.arange(2, _HARMONICS + 1)[:, None]
        strength = rng.uniform(0, 0.6) * rng.normal(size=order.shape) / order
        wave = np.cos(order * angles + rng.uniform(0, 2 * np.pi, order.shape))
        radii = np.maximum(1 + (strength * wave).sum(axis=0), 0.1)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(*_CORNERS))))
        radii = rng.uniform(0.5, 1, len(angles))
    turned = np.exp(1j * rng.uniform(0, 2 * np.pi))
    place = radius * radii * np.exp(1j * angles)
    place = (place.real + 1j * place.imag * rng.uniform(0.2, 1)) * turned
    place += complex(*(rng.random(2) * size))
    return list(zip(place.real.tolist(), place.imag.tolist(), strict=True))


def _mask(size: tuple[int, int], outline: Points) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask


def _cast_shadow(image: Image.Image, mask: Image.Image, rng: np.random.Generator) -> None:
    blur = ImageFilter.GaussianBlur(rng.uniform(0, 6) * _SCALE)
    moved = Image.new("L", image.size)
    right, down = (rng.integers(-6, 7, 2) * _SCALE).tolist()
    moved.paste(mask, (right, down))
    strength = rng.uniform(0.2, 1)
    image.paste(0, mask=moved.filter(blur).point(lambda value: value * strength))


def _shading(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return what goes from one tone to another, along a line or outwards from a point."""
    width, height = size
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    centre, reach = rng.random(2) * size, max(size) * rng.uniform(0.1, 1)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    else:
        along = np.hypot(x - centre[0], y - centre[1])
    first, last = shade(rng), shade(rng)
    return Image.fromarray(
        np.rint(first + (last - first) * (along / reach).clip(0, 1)).astype(np.uint8)
    )


def _stroke(image: Image.Image, rng: np.random.Generator) -> None:
    """Draw a curve that grows thinner to its ends, as a pen or a brush leaves it."""
    ends = np.array(image.size) * rng.random(2)
    bends = ends + np.cumsum(rng.normal(size=(3, 2)) * min(image.size) * rng.uniform(0.05, 0.3), 0)
    t = np.linspace(0, 1, 40)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    curve = weights @ np.vstack([ends, bends])  # Bézier's, of the third degree
    across = np.gradient(curve, axis=0)[:, ::-1] * (-1, 1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    half = rng.uniform(*_OUTLINES) * _SCALE / 2 * np.sin(np.pi * t) ** rng.uniform(0, 1)
    band = np.vstack([curve + half * across, (curve - half * across)[::-1]])
    ImageDraw.Draw(image).polygon([tuple(point) for point in band.tolist()], fill=_ink(rng))
