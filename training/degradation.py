"""Compressed pictures from pristine ones, by real JPEG encoding: of luma, or in colour.

What happens to pictures outside the laboratory, each with a share of its own in
:class:`~training.config.DegradationConfig`: one compression; two, on shifted 8x8 grids; one and a
resize, and mostly a finer one behind it; none; quantization tables that are not libjpeg's; drawings
instead of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.jpeg import Subsampling, round_trip
from argan_plugin.quantization_tables import ijg_luma_table
from training.config import DegradationConfig
from training.drawings import draw
from training.palettes import coloured, colourless
from training.planes import COLOURED, grey, plane_count

Luma = NDArray[np.uint8]

Pixels = NDArray[np.uint8]
"""Luma ``(height, width)``, or colours ``(height, width, 3)``."""

DCT_BLOCK = 8
"""Side of JPEG's blocks, in pixels."""

_BLOCKS = {1: DCT_BLOCK, COLOURED: 2 * DCT_BLOCK}  # by the number of planes

LARGEST_REDUCTION = 0.5
"""Smallest factor of the resize of what is compressed."""

_FIRST_QUALITY = (20, 96)
_LARGEST_ENLARGEMENT = 2.0
# What was resized is left as pixels by windows and copies, and saved again by the web, seldom with
# a low quality: behind that, the first compression hardly shows (docs/experiments.md).
_QUALITY_BEFORE_RESIZE = (5, 96)
_QUALITY_BEHIND_RESIZE = (50, 98)
_LEFT_RESIZED_SHARE = 0.4
_ALIGNED_SHARE = 0.3  # re-saved without a crop, the second grid is the first
_RESAMPLING = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.NEAREST,  # as pictures are zoomed to see their pixels
)

# How files store chroma, a guess at what people have: libjpeg's default in most, cameras and
# image editors the others.
_SUBSAMPLING: tuple[Subsampling, ...] = ("4:2:0", "4:4:4", "4:2:2")
_SUBSAMPLING_SHARES = (0.7, 0.2, 0.1)
_COLOURLESS_SHARE = 0.05  # grey must stay grey

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
    source: Pixels, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Cut a patch from ``source`` and compress it.

    Parameters
    ----------
    source
        Pristine luma or colours, uint8, full range 0..255, sides of at least ``patch_size`` and
        :func:`margin`. Larger sides are needed for resizing; see :func:`source_size`.
    patch_size
        Side of the patches returned, a multiple of 8.

    Returns
    -------
    compressed, pristine
        uint8, ``patch_size`` each way, of the same place, at any offset to the grid of the blocks.
    """
    if config.drawings and rng.random() < config.drawings:
        drawing = draw(grey(source), rng)
        source = drawing if plane_count(source) == 1 else coloured(drawing, rng)
        config = replace(config, clean=config.clean_drawings, low_quality_bias=1.0)
    elif plane_count(source) == COLOURED and rng.random() < _COLOURLESS_SHARE:
        source = colourless(grey(source))
    if rng.random() < config.studio_range:
        source = np.rint(16 + source * np.float32(219 / 255)).astype(np.uint8)
    kind = rng.random()
    if kind < config.clean:
        patch = _cut(source, patch_size, _offset(source, rng))
        return patch, patch
    kind -= config.clean
    if kind < config.recompressed:
        return _recompressed(source, patch_size, config, rng)
    kind -= config.recompressed
    if kind < config.resized:
        return _resized(source, patch_size, config, rng)
    pristine = _cut(source, patch_size + _block(source), (0, 0))
    return _compress_and_cut(pristine, pristine, patch_size, config, rng)


def margin(planes: int) -> int:
    """Return by how many pixels a crop must exceed the patch, to shift two compressions' grids."""
    return 2 * _BLOCKS[planes]


def source_size(patch_size: int, config: DegradationConfig, planes: int) -> int:
    """Return the side of the crop that :func:`degrade` wants for a patch."""
    size = patch_size + margin(planes)
    return int(np.ceil(size / LARGEST_REDUCTION)) if config.resized else size


def _recompressed(
    source: Pixels, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    block = _block(source)
    pristine = _cut(source, patch_size + 2 * block, (0, 0))
    once = _compress(pristine, int(rng.integers(*_FIRST_QUALITY)), config, rng)
    shift = (0, 0) if rng.random() < _ALIGNED_SHARE else _offset(source, rng)
    once, pristine = (_cut(image, patch_size + block, shift) for image in (once, pristine))
    return _compress_and_cut(once, pristine, patch_size, config, rng)


def _resized(
    source: Pixels, patch_size: int, config: DegradationConfig, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    target = patch_size + _block(source)
    # A small picture limits the reduction.
    shorter = min(source.shape[:2])
    smallest = max(target / shorter, LARGEST_REDUCTION)
    factor = np.exp(rng.uniform(np.log(smallest), np.log(max(smallest, _LARGEST_ENLARGEMENT))))
    side = min(round(target / factor), shorter)
    pristine = _cut(source, side, (0, 0))
    once = _compress(pristine, int(rng.integers(*_QUALITY_BEFORE_RESIZE)), config, rng)
    resampling = _RESAMPLING[rng.integers(len(_RESAMPLING))]
    once, pristine = (
        np.asarray(Image.fromarray(image).resize((target, target), resampling))
        for image in (once, pristine)
    )
    if rng.random() < _LEFT_RESIZED_SHARE:
        offset = _offset(once, rng)
        return _cut(once, patch_size, offset), _cut(pristine, patch_size, offset)
    config = replace(config, quality=_QUALITY_BEHIND_RESIZE, low_quality_bias=1.0)
    return _compress_and_cut(once, pristine, patch_size, config, rng)


def _compress_and_cut(
    image: Pixels,
    pristine: Pixels,
    patch_size: int,
    config: DegradationConfig,
    rng: np.random.Generator,
) -> tuple[Pixels, Pixels]:
    """Compress ``image`` and cut a patch out of it and ``pristine``."""
    low, high = config.quality
    quality = round(low + (high - low) * rng.random() ** config.low_quality_bias)
    offset = (0, 0) if rng.random() < config.aligned else _offset(image, rng)
    compressed = _compress(image, quality, config, rng)
    return _cut(compressed, patch_size, offset), _cut(pristine, patch_size, offset)


def _compress(
    image: Pixels, quality: int, config: DegradationConfig, rng: np.random.Generator
) -> Pixels:
    subsampling = _SUBSAMPLING[0]  # which luma has none of
    coloured = plane_count(image) == COLOURED
    if coloured:
        subsampling = _SUBSAMPLING[int(rng.choice(len(_SUBSAMPLING), p=_SUBSAMPLING_SHARES))]
    if rng.random() < config.other_tables:
        tables = [_other_table(quality, rng) for _ in range(2 if coloured else 1)]
        return round_trip(image, qtables=tables, subsampling=subsampling)
    return round_trip(image, quality=quality, subsampling=subsampling)


def _other_table(quality: int, rng: np.random.Generator) -> Sequence[int]:
    """Return a table between the corners, scaled as libjpeg scales its own."""
    table = np.exp(rng.dirichlet((0.6, 0.6, 0.6)) @ _CORNERS)
    percent = 50 / quality if quality < 50 else 2 - quality / 50
    steps: list[int] = np.clip(np.rint(table * percent), 1, 255).astype(int).tolist()
    return steps


def _block(image: Pixels) -> int:
    """Return the side of the largest blocks, in pixels: those of chroma at half the size."""
    return _BLOCKS[plane_count(image)]


def _offset(image: Pixels, rng: np.random.Generator) -> tuple[int, int]:
    top, left = rng.integers(_block(image), size=2).tolist()
    return top, left


def _cut(image: Pixels, side: int, offset: tuple[int, int]) -> Pixels:
    top, left = offset
    return image[top : top + side, left : left + side]
