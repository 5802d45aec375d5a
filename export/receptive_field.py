"""Measures how far a network sees, on the network itself: no formula has to be kept in step."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

_LARGEST_RADIUS = 1024  # the largest halo that the plugin accepts


def measure_radius(network: nn.Module, size_multiple: int) -> int:
    """Return how many pixels away, up, down, left or right, a pixel can change the output.

    One pixel is made NaN, and NaN goes wherever the pixel goes: a sum or a product with it is NaN
    whatever the weights are. Strided layers treat pixels differently by their place in the square
    of `size_multiple`, so a pixel at each place of its row and column is tried.

    Parameters
    ----------
    network
        Maps ``(batch, 1, height, width)`` to the same shape; height and width are multiples of
        ``size_multiple``. Its kernels' reach along one axis must not depend on the other axis.
    size_multiple
        Its total stride, in pixels.

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
    return max(_radius(network, size_multiple, axis) for axis in (-2, -1))


def halo_of(radius: int, size_multiple: int) -> int:
    """Return the context that a tile needs on each side: `radius` rounded up to a multiple.

    >>> halo_of(15, 8)
    16
    """
    return math.ceil(radius / size_multiple) * size_multiple


@torch.inference_mode()
def _radius(network: nn.Module, size_multiple: int, axis: int) -> int:
    """Return the radius along one axis, on strips of ever larger length."""
    strides = 32
    while (strides // 2) * size_multiple <= _LARGEST_RADIUS:
        centre = strides // 2 * size_multiple
        # A strip is enough: along the other axis the reach is measured on its own.
        size = [strides * size_multiple, size_multiple]
        strips = torch.zeros(size_multiple, 1, *(size if axis == -2 else reversed(size)))
        strips = strips.double()
        along = strips.movedim(axis, -1)
        for place in range(size_multiple):
            along[place, ..., centre + place] = math.nan
        reached: Tensor = network(strips).isnan().movedim(axis, -1).any(dim=-2)[:, 0]
        if not reached[:, 0].any() and not reached[:, -1].any():
            places, positions = reached.nonzero(as_tuple=True)
            return int((positions - places - centre).abs().max())
        strides *= 2
    raise ValueError(
        f"receptive field: expected a radius up to {_LARGEST_RADIUS} pixels, for tiles to be "
        "possible, got a larger one"
    )
