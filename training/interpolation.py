"""Weights between two networks, where one was trained from the other.

Wang et al. ("ESRGAN", 2018, https://arxiv.org/abs/1809.00219, section 3.4) go from a network that
was trained by its pixel loss to one that was trained adversarially in this way: the share says how
much texture one wants for how many decibels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.checkpoint import (
    CheckpointError,
    Weights,
    begin_generator,
    load_weights,
    save_weights,
)
from training.config import TrainingConfig


def interpolate(first: Path, second: Path, share: float, target: Path) -> None:
    """Write ``(1 - share) * first + share * second``, with the record of the second's run.

    Parameters
    ----------
    first, second
        ``.safetensors`` files of ``python -m training``, of networks of one shape, or of one into
        which ``--reshape`` brought the first when the second's run began with it.
    share
        Of the second, in [0, 1]. If the second lies between the first and a run's weights itself,
        so does the result, by both shares' product.
    target
        Its facts also have ``interpolated``, the share of the way from the first to the run's
        weights.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or the first does not fit into the second's shape.
    ValueError
        If the share is out of its range, or the second's weights are tied and the first's are not.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share:g}")
    start, end = load_weights(first), load_weights(second)
    if end.training is None:
        raise CheckpointError(f"{second}: expected the configuration of its run, found none")
    try:
        begun = _begun(start, end.training)
    except CheckpointError as error:
        raise CheckpointError(
            f"{second}: expected a network of the shape of {first}, {start.generator}, or one into "
            f"which that can be reshaped, got {end.generator}"
        ) from error
    network = end.network()
    network.load_state_dict(
        {
            # BatchNorm counts its batches in an integer
            name: begun[name].lerp(value, share) if value.is_floating_point() else value
            for name, value in end.state.items()
        }
    )
    whole = share * end.facts.get("interpolated", 1.0)
    save_weights(target, network, end.training, end.facts | {"interpolated": whole})


def _begun(start: Weights, run: TrainingConfig) -> dict[str, Tensor]:
    """Return ``start`` as ``run`` began, which has reshaped it to its own shape."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return begin_generator(run, start.state).state_dict()
