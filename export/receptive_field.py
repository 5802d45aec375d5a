"""Measures how far a network sees, on the network itself: no formula has to be kept in step.

What a pixel *can* change, its receptive field, is far larger than what it changes in numbers: each
layer passes on a part, and the parts shrink with the distance (Luo et al., "Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS 2016,
https://arxiv.org/abs/1701.04128). Tiles need context for the second.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from argan_plugin.jpeg import round_trip

NEGLIGIBLE: Final = 1e-4 / 255
"""What pixels beyond the halo may change: a ten thousandth of an 8-bit level, below what float32's
rounding makes of the same network in another order of sums."""

# Another size is another order of sums, which alone makes more than the above.
_NEGLIGIBLE_IN_A_TILE = 10 * NEGLIGIBLE

_LARGEST_RADIUS = 1024  # the largest halo that the plugin accepts
_MIDDLE = 64  # side of what is compared, in pixels: the more of them, the surer
_SEED = 0


def measure_radius(network: nn.Module, size_multiple: int, planes: int = 1) -> int:
    """Return how many pixels away, up, down, left or right, a pixel can change the output.

    One pixel is made NaN, and NaN goes wherever the pixel goes: a sum or a product with it is NaN
    whatever the weights are. Strided layers treat pixels differently by their place in the square
    of `size_multiple`, so a pixel at each place of its row and column is tried.

    Parameters
    ----------
    network
        Maps ``(batch, planes, height, width)`` to the same shape; height and width are multiples of
        ``size_multiple``. Its kernels' reach along one axis must not depend on the other axis.
    size_multiple
        Its total stride, in pixels.
    planes
        How many it sees.

    Returns
    -------
    int
        Half of the receptive field: one output pixel can depend on a square of ``2 * radius + 1``.

    Raises
    ------
    ValueError
        If the radius is larger than 1024: such a network cannot be run in tiles.
    """
    # torch has fast convolutions for float32 (Winograd) that would carry NaN to neighbours.
    network = copy.deepcopy(network).double().eval()
    return max(_radius(network, size_multiple, planes, axis) for axis in (-2, -1))


def measure_halo(network: nn.Module, size_multiple: int, radius: int, planes: int = 1) -> int:
    """Return the context that a tile needs on each side to equal the whole picture.

    The middle of each of several synthetic pictures is restored once whole, once after all that is
    further away than a halo was replaced by another picture, and once after it was cut off, as a
    tile is. They are what a network
    finds hardest, not what people have: noise of black and white pixels and squares, compressed or
    not, and of all greys, beside white or other noise. On photographs the change is smaller.

    Parameters
    ----------
    network
        As for :func:`measure_radius`.
    size_multiple
        Its total stride, in pixels.
    radius
        What :func:`measure_radius` gave.
    planes
        How many it sees; each gets a picture of its own.

    Returns
    -------
    int
        The least multiple of `size_multiple` from which on no pixel beyond changes the output
        by more than `NEGLIGIBLE`, and a tile differs by at most ten times that; at most
        `radius`, rounded up to a multiple.
    """
    network = copy.deepcopy(network).eval()
    halo = math.ceil(radius / size_multiple) * size_multiple
    middle = math.lcm(size_multiple, _MIDDLE)  # whole blocks of JPEG and of the network
    reach = math.ceil(halo / middle) * middle
    # Each plane beside that of another pair.
    inside, outside = (
        torch.cat([images.roll(plane, 0) for plane in range(planes)], dim=1)
        for images in _pairs(2 * reach + middle)
    )
    expected = _middle(network, inside, reach, middle)
    while halo > 0:
        smaller = halo - size_multiple
        kept = slice(reach - smaller, reach + middle + smaller)
        mixed = outside.clone()
        mixed[..., kept, kept] = inside[..., kept, kept]
        replaced = _middle(network, mixed, reach, middle)
        cut = _middle(network, inside[..., kept, kept], smaller, middle)
        changes = [float((result - expected).abs().max()) for result in (replaced, cut)]
        # written so that NaN ends it, too
        if not (changes[0] <= NEGLIGIBLE and changes[1] <= _NEGLIGIBLE_IN_A_TILE):
            break
        halo = smaller
    return halo


@torch.inference_mode()
def _middle(network: nn.Module, images: Tensor, start: int, length: int) -> Tensor:
    """Restore `images`, one at a time for the memory's sake; return their middles."""
    kept = slice(start, start + length)
    return torch.cat([network(image[None])[..., kept, kept] for image in images])


def _pairs(side: int) -> tuple[Tensor, Tensor]:
    """Return float32 pictures ``(number, 1, side, side)`` in [0, 1], and others to put around."""
    random = np.random.default_rng(_SEED)

    def squares(length: int) -> NDArray[np.uint8]:
        number = math.ceil(side / length)
        noise = random.integers(0, 2, (number, number), np.uint8) * np.uint8(255)
        return noise.repeat(length, axis=0).repeat(length, axis=1)[:side, :side]

    def compressed(length: int) -> NDArray[np.uint8]:
        return round_trip(squares(length), quality=10)

    inner: list[Callable[[], NDArray[np.uint8]]] = [
        lambda: squares(1),
        lambda: squares(2),
        lambda: squares(8),
        lambda: compressed(8),
        lambda: random.integers(0, 256, (side, side), np.uint8),
    ]
    outer: list[Callable[[], NDArray[np.uint8]]] = [
        lambda: squares(1),
        lambda: squares(8),
        lambda: np.full((side, side), 255, np.uint8),
    ]
    pairs = [(one(), other()) for one in inner for other in outer]
    inside, outside = (torch.from_numpy(np.stack(images)) for images in zip(*pairs, strict=True))
    return inside[:, None] / 255, outside[:, None] / 255


@torch.inference_mode()
def _radius(network: nn.Module, size_multiple: int, planes: int, axis: int) -> int:
    """Return the radius along one axis, on strips of ever larger length."""
    strides = 32
    while (strides // 2) * size_multiple <= _LARGEST_RADIUS:
        centre = strides // 2 * size_multiple
        # A strip is enough: along the other axis the reach is measured on its own.
        size = [strides * size_multiple, size_multiple]
        strips = torch.zeros(size_multiple, planes, *(size if axis == -2 else reversed(size)))
        strips = strips.double()
        along = strips.movedim(axis, -1)
        for place in range(size_multiple):
            along[place, ..., centre + place] = math.nan
        reached: Tensor = network(strips).isnan().movedim(axis, -1).any(dim=-2).any(dim=1)
        if not reached[:, 0].any() and not reached[:, -1].any():
            places, positions = reached.nonzero(as_tuple=True)
            return int((positions - places - centre).abs().max())
        strides *= 2
    raise ValueError(
        f"receptive field: expected a radius up to {_LARGEST_RADIUS} pixels, for tiles to be "
        "possible, got a larger one"
    )
