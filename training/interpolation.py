"""Weights between two networks, where one was trained from the other, and beyond.

Wang et al. ("ESRGAN", 2018, https://arxiv.org/abs/1809.00219, section 3.4) go from a network that
was trained by its pixel loss to one that was trained adversarially in this way: the share says how
much texture one wants for how many decibels.

Ilharco et al. ("Editing models with task arithmetic", 2023, https://arxiv.org/abs/2212.04089) add
what a network has learned to another one of the same origin, without training that.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.checkpoint import (
    CheckpointError,
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
    _check(share)
    start, end = load_weights(first), load_weights(second)
    if end.training is None:
        raise CheckpointError(f"{second}: expected the configuration of its run, found none")
    try:
        begun = _begun(start.state, end.training).state_dict()
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


def transfer(first: Path, second: Path, onto: Path, share: float, target: Path) -> None:
    """Write ``onto + share * (second - first)``, with the record of ``onto``'s run.

    Parameters
    ----------
    first, second, onto
        ``.safetensors`` files of ``python -m training``, of networks of one shape. The second was
        trained from the first, and the first is what the third was trained from, or near it.
    share
        Of the difference, in [0, 1].
    target
        Its facts also have ``transferred``, the share.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or the networks differ in shape.
    ValueError
        If the share is out of its range, or the third's weights are tied and the others' are not.
    """
    _check(share)
    start, end, base = load_weights(first), load_weights(second), load_weights(onto)
    if base.training is None:
        raise CheckpointError(f"{onto}: expected the configuration of its run, found none")
    for path, weights in ((first, start), (second, end)):
        if weights.generator != base.generator:
            raise CheckpointError(
                f"{path}: expected a network of the shape of {onto}, {base.generator}, "
                f"got {weights.generator}"
            )
    moved = {
        name: value + share * (end.state[name] - start.state[name])
        if value.is_floating_point()
        else value  # BatchNorm's count of batches
        for name, value in base.state.items()
    }
    network = _begun(moved, base.training)  # which refuses weights that are not tied
    save_weights(target, network, base.training, base.facts | {"transferred": share})


def _check(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share:g}")


def _begun(state: dict[str, Tensor], run: TrainingConfig) -> nn.Module:
    """Return the network as ``run`` began it with ``state``, which it reshapes to its own shape."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return begin_generator(run, state)
