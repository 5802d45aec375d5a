"""The losses of the paper: L_G = BCE(D(G(x)), 1) + λ·L2(G(x), y); L_D = BCE over real and restored.

And what may stand for L2 or beside it. ``D`` stands for a discriminator's logits; its sigmoid is
part of the binary cross entropy.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from training.config import PixelLoss
from training.degradation import DCT_BLOCK

# Of blocks that stand out more than in the pristine patch. With all of it, which is PSNR-B's error,
# the network also takes away steps that pictures have (docs/experiments.md, "The eighth run").
_BLOCKS_SHARE = 0.1
# SSIM of 0.99: above it the logarithm's weight for a patch stops to rise, for the same reason.
_SSIM_EPSILON = 1e-2
# Wang et al.'s window and constants (2004, section III.B), as in training.metrics.ssim.
_SSIM_RADIUS, _SSIM_SIGMA = 5, 1.5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2
# Below this difference the Charbonnier loss is quadratic: about a quarter of an 8-bit level.
_CHARBONNIER_EPSILON = 1e-3


def pixel_loss(
    kind: PixelLoss, restored: Tensor, pristine: Tensor, log_floor: float = 4e-5
) -> Tensor:
    """Return the mean difference over all pixels, values in [0, 1].

    ``l2`` is the mean squared error; ``log_l2`` the mean over the patches of ln(MSE + ε), which is
    the negative PSNR in another unit, so that every patch counts the same, whatever its quality and
    detail, as far as its error is above ε, which is `log_floor`; ``log_l2_blocks`` the same with
    0.1 of what PSNR-B (:func:`training.metrics.psnr_b`) adds to the error, as far as blocks stand
    out more than in the pristine patch; ``l1`` the mean absolute error; ``charbonnier`` a smooth L1
    (Charbonnier et al., ICIP 1994), the mean of sqrt(d² + ε²).
    """
    difference = restored - pristine
    if kind == "l2":
        return difference.square().mean()
    if kind in ("log_l2", "log_l2_blocks"):
        error = difference.square().mean(dim=(1, 2, 3))
        if kind == "log_l2_blocks":
            excess = F.relu(_blocking(restored) - _blocking(pristine))
            error = error + _BLOCKS_SHARE * excess
        return torch.log(error + log_floor).mean()
    if kind == "l1":
        return difference.abs().mean()
    return torch.sqrt(difference.square() + _CHARBONNIER_EPSILON**2).mean()


def structure_loss(restored: Tensor, pristine: Tensor) -> Tensor:
    """Return the mean over the patches of ln(1 - SSIM + ε), values in [0, 1].

    SSIM is :func:`training.metrics.ssim`'s, over the windows that lie within the patch. With the
    logarithm a patch of low quality counts as much as one of high quality, as in ``log_l2``.
    """
    return torch.log1p(_SSIM_EPSILON - ssim(restored, pristine)).mean()


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Return the structural similarity of each image, ``(batch,)``.

    Parameters
    ----------
    images, references
        Floating point ``(batch, 1, height, width)`` in [0, 1], sides of at least 11 pixels.
    """
    moments = torch.cat(
        [images, references, images.square(), references.square(), images * references], dim=1
    )
    x, y, xx, yy, xy = _gaussian_means(moments).unbind(1)
    products, squares = x * y, x.square() + y.square()
    likeness = (2 * products + _SSIM_C1) * (2 * (xy - products) + _SSIM_C2)
    scale = (squares + _SSIM_C1) * (xx + yy - squares + _SSIM_C2)
    return (likeness / scale).mean(dim=(1, 2))


def adversarial_loss(restored_logits: Tensor) -> Tensor:
    """Return BCE(D(G(x)), 1): small when the discriminator takes the restored for pristine."""
    return F.binary_cross_entropy_with_logits(restored_logits, torch.ones_like(restored_logits))


def discriminator_loss(pristine_logits: Tensor, restored_logits: Tensor) -> Tensor:
    """Return BCE(D(y), 1) + BCE(D(G(x)), 0); 2 ln 2 when D cannot tell at all."""
    pristine = F.binary_cross_entropy_with_logits(pristine_logits, torch.ones_like(pristine_logits))
    restored = F.binary_cross_entropy_with_logits(
        restored_logits, torch.zeros_like(restored_logits)
    )
    return pristine + restored


def _gaussian_means(values: Tensor) -> Tensor:
    """Return the weighted means of the windows that fit in, for each channel by itself."""
    rows, columns = (_windows(side).to(values) for side in values.shape[2:])
    return rows @ values @ columns.T


def _windows(side: int) -> Tensor:
    """Return SSIM's weights for each window along ``side`` pixels, ``(windows, side)``.

    Products with such a matrix take a seventh of what torch's convolution of one channel takes.
    """
    places = torch.arange(side) - torch.arange(_SSIM_RADIUS, side - _SSIM_RADIUS)[:, None]
    weights = torch.exp(-0.5 * (places / _SSIM_SIGMA) ** 2) * (places.abs() <= _SSIM_RADIUS)
    return weights / weights.sum(dim=1, keepdim=True)


def _blocking(images: Tensor) -> Tensor:
    """Return by how much squared steps between blocks exceed those inside, as PSNR-B weighs it."""
    between, steps, pairs_between, pairs = torch.zeros(()), torch.zeros(()), 0, 0
    height, width = images.shape[2:]
    for dim, across in ((2, width), (3, height)):
        squares = images.diff(dim=dim).square()
        lines = torch.arange(DCT_BLOCK - 1, squares.shape[dim], DCT_BLOCK, device=images.device)
        between = between + squares.index_select(dim, lines).sum(dim=(1, 2, 3))
        steps = steps + squares.sum(dim=(1, 2, 3))
        pairs_between += len(lines) * across
        pairs += squares.shape[dim] * across
    weight = math.log2(DCT_BLOCK) / math.log2(min(height, width))
    inside = (steps - between) / (pairs - pairs_between)
    return weight * (between / pairs_between - inside)
