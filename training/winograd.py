"""3x3 convolutions by Winograd's F(4x4, 3x3): the same results up to rounding, in half the time.

torch computes a convolution in float32 by its definition. Winograd's algorithm needs a quarter of
the multiplications (Lavin and Gray, CVPR 2016, https://arxiv.org/abs/1509.09308), which pays on
processors without matrix units (docs/experiments.md). Where AMX or a GPU does bfloat16, that is
faster still.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CHANNEL_MULTIPLE = 16
"""Numbers of channels must be multiples of it."""

SIZE_MULTIPLE = 4
"""Height and width of features must be multiples of it."""

# G of the paper: from the three values of a kernel to the six of its transform.
_KERNEL_TRANSFORM = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


@cache
def build() -> Any:
    """Compile ``winograd.cpp`` for this processor, once, and return it.

    Raises
    ------
    RuntimeError
        If there is no C++ compiler that can.
    """
    from torch.utils.cpp_extension import get_default_build_root, load

    root = os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()
    built_for = f"{sys.implementation.cache_tag}-torch{torch.__version__}"
    folder = Path(root, f"argan_winograd-{built_for}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # torch's own lock is a file that a killed build leaves behind, and the next one waits for
        # ever. This lock ends with its process, so torch's means nothing to who holds it.
        with FileLock(folder / "build.lock"):
            (folder / "lock").unlink(missing_ok=True)
            return load(
                "argan_winograd",
                [str(Path(__file__).with_suffix(".cpp"))],
                extra_cflags=["-O3", "-march=native", "-fopenmp"],
                build_directory=str(folder),
            )
    except (OSError, ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"winograd: expected a C++ compiler with OpenMP and ninja, to build {__file__}: {error}"
        ) from error


def residual_block(features: Tensor, conv1: nn.Conv2d, conv2: nn.Conv2d) -> Tensor:
    """Return ``features + conv2(relu(conv1(features)))``, with its gradient.

    Parameters
    ----------
    features
        float32 ``(batch, channel, height, width)``; height and width are multiples of
        ``SIZE_MULTIPLE``.
    conv1, conv2
        3x3, stride and padding 1, with biases; channels are multiples of ``CHANNEL_MULTIPLE``.
    """
    result: Tensor = _ResidualBlock.apply(  # type: ignore[no-untyped-call]
        features, conv1.weight, conv1.bias, conv2.weight, conv2.bias
    )
    return result


class _ResidualBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
    ) -> Tensor:
        native = build()
        features = features.contiguous(memory_format=torch.channels_last)
        batch, _, height, width = features.shape
        hidden = features.new_empty(batch, height, width, len(weight1)).permute(0, 3, 1, 2)
        result = torch.empty_like(features)
        products1, products2 = _transformed(weight1), _transformed(weight2)
        native.forward(features, _packed(products1), bias1, True, None, hidden)
        native.forward(hidden, _packed(products2), bias2, False, features, result)
        ctx.save_for_backward(features, hidden, products1, products2)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        native = build()
        features, hidden, products1, products2 = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        inside1, inside2 = products1.transpose(1, 2), products2.transpose(1, 2)
        change1, change2 = (torch.empty(part.shape) for part in (inside1, inside2))
        hidden_gradient, features_gradient = torch.empty_like(hidden), torch.empty_like(features)
        native.backward(hidden, gradient, _packed(inside2), hidden, None, hidden_gradient, change2)
        native.backward(
            features, hidden_gradient, _packed(inside1), None, gradient, features_gradient, change1
        )
        return (
            features_gradient,
            _transformed_back(change1),
            hidden_gradient.sum((0, 2, 3)),
            _transformed_back(change2),
            gradient.sum((0, 2, 3)),
        )


@cache
def _both_ways() -> Tensor:
    """Return the transform of a flattened 3x3 kernel, float32 ``(36, 9)``."""
    once = torch.tensor(_KERNEL_TRANSFORM, dtype=torch.float64)
    return torch.kron(once, once).float()


def _transformed(weight: Tensor) -> Tensor:
    """Map ``(outside, inside, 3, 3)`` to ``(36, outside, inside)``."""
    outside, inside = weight.shape[:2]
    return (_both_ways() @ weight.reshape(-1, 9).T).reshape(36, outside, inside)


def _transformed_back(change: Tensor) -> Tensor:
    """Map the gradient of what is transformed, ``(36, inside, outside)``, to the kernels'."""
    _, inside, outside = change.shape
    flat = change.transpose(1, 2).reshape(36, -1)
    return (flat.T @ _both_ways()).reshape(outside, inside, 3, 3)


def _packed(products: Tensor) -> Tensor:
    """Map ``(36, outside, inside)`` to ``(36, outside / 16, inside, 16)``."""
    _, outside, inside = products.shape
    panels = products.reshape(36, outside // CHANNEL_MULTIPLE, CHANNEL_MULTIPLE, inside)
    return panels.transpose(2, 3).contiguous()
