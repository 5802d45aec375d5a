"""Compressed luma from pristine luma, by real JPEG encoding.

What happens to pictures outside the laboratory, each with a share of its own in
:class:`~training.config.DegradationConfig`: one compression; two, on shifted 8x8 grids; a resize
between two; none; quantization tables that are not libjpeg's; drawings instead of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.jpeg import round_trip
from argan_plugin.quantization_tables import ijg_luma_table
from training.config import DegradationConfig
from training.drawings import draw

Luma = NDArray[np.uint8]

DCT_BLOCK = 8
"""Side of JPEG's blocks, in pixels."""

MARGIN = 2 * DCT_BLOCK
"""Pixels by which a source crop must exceed the patch, to shift the grids of two compressions."""

LARGEST_REDUCTION = 0.6
"""Smallest factor of the resize between two compressions."""

_FIRST_QUALITY = (20, 96)
_LARGEST_ENLARGEMENT = 1.4
_ALIGNED_SHARE = 0.3  # re-saved without a crop, the second grid is the first
_RESAMPLING = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)

# N. Robidoux's table, made for ImageMagick and mozjpeg's default (its jcparam.c, index 3).
_ROBIDOUX_TABLE = (
    (16, 16, 16, 18, 25, 37, 56, 85),
    (16, 17, 20, 27, 34, 40, 53, 75),
    (16, 20, 24, 31, 43, 62, 91, 135),
    (18, 27, 31, 40, 53, 74, 106, 156),
    (25, 34, 43, 53, 69, 94, 131, 189),
    (37, 40, 62, 74, 94, 124, 169, 238),
    (56, 53, 91, 106, 131, 169, 226, 311),
    (85, 75, 135, 156, 189, 238, 311, 418),
)
# Corners of the family that other tables are drawn from: Annex K's (libjpeg), mozjpeg's, and a flat
# one. Cameras and phones mostly have smooth tables between a flat and a steep one.
_CORNERS = np.log(
    np.stack([ijg_luma_table(50), np.array(_ROBIDOUX_TABLE), np.full((8, 8), 16)]).reshape(3, 64)
)


def degrade(
    source: Luma, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Luma, Luma]:
    """Cut a patch from ``source`` and compress it.

    Parameters
    ----------
    source
        Pristine luma, uint8 ``(height, width)``, full range 0..255, sides of at least
        ``patch_size + MARGIN``. Larger sides are needed for resizing; see
        :func:`source_size`.
    patch_size
        Side of the patches returned, a multiple of 8.

    Returns
    -------
    compressed, pristine
        uint8 ``(patch_size, patch_size)`` each, of the same place, at any offset to the 8x8 grid.
    """
    if config.drawings and rng.random() < config.drawings:
        source = draw(source, rng)
        config = replace(config, clean=config.clean_drawings, low_quality_bias=1.0)
    if rng.random() < config.studio_range:
        source = np.rint(16 + source * np.float32(219 / 255)).astype(np.uint8)
    kind = rng.random()
    if kind < config.clean:
        patch = _cut(source, patch_size, _offset(rng))
        return patch, patch
    kind -= config.clean
    if kind < config.recompressed:
        return _recompressed(source, patch_size, config, rng)
    kind -= config.recompressed
    if kind < config.resized:
        return _resized(source, patch_size, config, rng)
    pristine = _cut(source, patch_size + DCT_BLOCK, (0, 0))
    return _compress_and_cut(pristine, pristine, patch_size, config, rng)


def source_size(patch_size: int, config: DegradationConfig) -> int:
    """Return the side of the crop that :func:`degrade` wants for a patch."""
    size = patch_size + MARGIN
    return int(np.ceil(size / LARGEST_REDUCTION)) if config.resized else size


def _recompressed(
    source: Luma, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Luma, Luma]:
    pristine = _cut(source, patch_size + MARGIN, (0, 0))
    once = _compress(pristine, int(rng.integers(*_FIRST_QUALITY)), config, rng)
    shift = (0, 0) if rng.random() < _ALIGNED_SHARE else _offset(rng)
    once, pristine = (_cut(image, patch_size + DCT_BLOCK, shift) for image in (once, pristine))
    return _compress_and_cut(once, pristine, patch_size, config, rng)


def _resized(
    source: Luma, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Luma, Luma]:
    target = patch_size + DCT_BLOCK
    # A small picture limits the reduction.
    smallest = max(target / min(source.shape), LARGEST_REDUCTION)
    factor = np.exp(rng.uniform(np.log(smallest), np.log(max(smallest, _LARGEST_ENLARGEMENT))))
    side = min(round(target / factor), *source.shape)
    pristine = _cut(source, side, (0, 0))
    once = _compress(pristine, int(rng.integers(*_FIRST_QUALITY)), config, rng)
    resampling = _RESAMPLING[rng.integers(len(_RESAMPLING))]
    once, pristine = (
        np.asarray(Image.fromarray(image).resize((target, target), resampling))
        for image in (once, pristine)
    )
    return _compress_and_cut(once, pristine, patch_size, config, rng)


def _compress_and_cut(
    image: Luma,
    pristine: Luma,
    patch_size: int,
    config: DegradationConfig,
    rng: np.random.Generator,
) -> tuple[Luma, Luma]:
    """Compress ``image`` and cut a patch out of it and ``pristine``."""
    low, high = config.quality
    quality = round(low + (high - low) * rng.random() ** config.low_quality_bias)
    offset = (0, 0) if rng.random() < config.aligned else _offset(rng)
    compressed = _compress(image, quality, config, rng)
    return _cut(compressed, patch_size, offset), _cut(pristine, patch_size, offset)


def _compress(
    image: Luma, quality: int, config: DegradationConfig, rng: np.random.Generator
) -> Luma:
    if rng.random() < config.other_tables:
        return round_trip(image, qtables=[_other_table(quality, rng)])
    return round_trip(image, quality=quality)


def _other_table(quality: int, rng: np.random.Generator) -> Sequence[int]:
    """Return a table between the corners, scaled as libjpeg scales its own."""
    table = np.exp(rng.dirichlet((0.6, 0.6, 0.6)) @ _CORNERS)
    percent = 50 / quality if quality < 50 else 2 - quality / 50
    steps: list[int] = np.clip(np.rint(table * percent), 1, 255).astype(int).tolist()
    return steps


def _offset(rng: np.random.Generator) -> tuple[int, int]:
    top, left = rng.integers(DCT_BLOCK, size=2).tolist()
    return top, left


def _cut(image: Luma, side: int, offset: tuple[int, int]) -> Luma:
    top, left = offset
    return image[top : top + side, left : left + side]
