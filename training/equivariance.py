"""Weights that commute with flips and quarter turns: a turned picture gives the turned result.

A photograph in a mirror is a photograph, and the borders of JPEG's blocks lie where they lay. So
what a network should make of a turned picture is what it makes of the picture, turned. Convolutions
do so if their weights are tied: channels form groups of eight, one for each orientation, and
turning a kernel and moving its channels within their groups gives back the same weights (Cohen and
Welling, "Group Equivariant Convolutional Networks", ICML 2016, https://arxiv.org/abs/1602.07576).

The network itself stays what it is, and so does its cost. It begins with tied weights, and
gradients are averaged over what is tied, so that each is a mean of eight. Adam and
:mod:`~training.muon` keep tied what got tied gradients: one treats each weight alike, and the other
takes the nearest orthonormal matrix, which moves with a matrix's rows and columns. What it is
worth: ``docs/experiments.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training.generator import UNet, UNetConfig

ORIENTATIONS = 8
"""Four quarter turns, mirrored or not. Widths are multiples of it."""

# What they do to (row, column) about the middle of a square.
_TURNS = torch.tensor(
    [
        [[up, 0], [0, left]] if straight else [[0, up], [left, 0]]
        for straight in (True, False)
        for up in (1, -1)
        for left in (1, -1)
    ]
)
# Rounding lets tied weights drift apart by about 1e-6 of the largest; others differ by about it.
_TOLERANCE = 1e-3


def check_groups(generator: object) -> None:
    """Raise ValueError unless the channels of this shape form groups."""
    if not isinstance(generator, UNetConfig):
        raise ValueError("equivariant: expected the project's U-Net, got the paper's generator")
    widths = generator.widths + (generator.block_widths or ())
    if any(width % ORIENTATIONS for width in widths):
        raise ValueError(
            f"equivariant: expected widths that are multiples of {ORIENTATIONS}, got {widths}"
        )


def tie(network: UNet) -> None:
    """Tie freshly drawn weights, which keep their spread: means of n are smaller by its root."""
    with torch.no_grad():
        for weights, ties in _all_ties(network):
            weights.copy_(ties.mean(weights) * ties.sizes.sqrt().view(weights.shape))


def keep_tied(network: UNet) -> None:
    """Average all gradients that ``network`` will get over what is tied.

    Raises
    ------
    ValueError
        If its weights are not tied.
    """
    for weights, ties in _all_ties(network):
        apart = (weights.detach() - ties.mean(weights.detach())).abs().max()
        if apart > _TOLERANCE * weights.detach().abs().max():
            raise ValueError(
                "equivariant: expected weights that commute with flips and quarter turns, got "
                "others to start from; train them by --set equivariant=False"
            )
        # A hook on a weight sees its gradient before other processes' are added and it is clipped.
        weights.register_hook(ties.mean)  # type: ignore[no-untyped-call]


class _Ties:
    """Which weights of one array are equal: those that some orientation moves onto each other.

    Parameters
    ----------
    moves
        For each axis of the array, ``(orientations, length)``: where each index goes.
    """

    def __init__(self, *moves: Tensor) -> None:
        moved = torch.zeros(ORIENTATIONS, 1, dtype=torch.long)
        for axis in moves:
            moved = (moved[:, :, None] * axis.shape[1] + axis[:, None, :]).flatten(1)
        # What is tied has its smallest index in common.
        first, self._of, counts = torch.unique(
            moved.min(dim=0).values, return_inverse=True, return_counts=True
        )
        self._members = moved[:, first]  # if fewer than eight, each equally often
        self.sizes = counts[self._of]
        """How many are tied to each, itself included, one value for each weight, flat."""

    def mean(self, weights: Tensor) -> Tensor:
        """Return ``weights``, each replaced by the mean of what is tied to it."""
        members, of = self._members.to(weights.device), self._of.to(weights.device)
        means = weights.flatten()[members].mean(dim=0)
        return torch.empty_like(weights).copy_(means[of].view(weights.shape))


def _all_ties(network: UNet) -> Iterator[tuple[Tensor, _Ties]]:
    """Yield all weights and biases of ``network`` with what is tied in them."""
    stride, planes = network.config.stem_stride, network.planes
    still = torch.arange(planes).expand(ORIENTATIONS, -1)
    # The head's channels are the pixels of a square, plane by plane; a pixel shuffle puts them
    # there.
    pixels = torch.cat([_places(stride) + plane * stride**2 for plane in range(planes)], dim=1)
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        given = still if module is network.stem else _channels(module.in_channels)
        made = pixels if module is network.head else _channels(module.out_channels)
        ends = (given, made) if isinstance(module, nn.ConvTranspose2d) else (made, given)
        yield module.weight, _Ties(*ends, _places(module.kernel_size[0]))
        assert module.bias is not None
        yield module.bias, _Ties(made)


def _channels(width: int) -> Tensor:
    """Return where each orientation moves each of ``width`` channels, ``(8, width)``."""
    products = torch.einsum("aij,bjk->abik", _TURNS, _TURNS)
    which = (products[:, :, None] == _TURNS).all(dim=(3, 4)).long().argmax(dim=2)
    groups = torch.arange(0, width, ORIENTATIONS)
    return (groups[None, :, None] + which[:, None, :]).flatten(1)


def _places(side: int) -> Tensor:
    """Return where each orientation moves each place of a square, ``(8, side * side)``."""
    lines = torch.arange(side)
    about_the_middle = 2 * torch.cartesian_prod(lines, lines) - (side - 1)
    moved = (about_the_middle @ _TURNS.transpose(1, 2) + side - 1) // 2
    return moved[..., 0] * side + moved[..., 1]
