"""Weights between two networks, where one was trained from the other.

Wang et al. ("ESRGAN", 2018, https://arxiv.org/abs/1809.00219, section 3.4) go from a network that
was trained by its pixel loss to one that was trained adversarially in this way: the share says how
much texture one wants for how many decibels.
"""

from __future__ import annotations

from pathlib import Path

from training.checkpoint import CheckpointError, load_weights, save_weights


def interpolate(first: Path, second: Path, share: float, target: Path) -> None:
    """Write ``(1 - share) * first + share * second``, with the record of the second's run.

    Parameters
    ----------
    first, second
        ``.safetensors`` files of ``python -m training``, of networks of one shape.
    share
        Of the second, in [0, 1]. If the second lies between the first and a run's weights itself,
        so does the result, by both shares' product.
    target
        Its facts also have ``interpolated``, the share of the way from the first to the run's
        weights.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or the networks differ in shape.
    ValueError
        If the share is out of its range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share:g}")
    start, end = load_weights(first), load_weights(second)
    if start.generator != end.generator:
        raise CheckpointError(
            f"{second}: expected a network of the shape of {first}, {start.generator}, "
            f"got {end.generator}"
        )
    if end.training is None:
        raise CheckpointError(f"{second}: expected the configuration of its run, found none")
    network = end.network()
    network.load_state_dict(
        {
            # BatchNorm counts its batches in an integer
            name: start.state[name].lerp(value, share) if value.is_floating_point() else value
            for name, value in end.state.items()
        }
    )
    whole = share * end.facts.get("interpolated", 1.0)
    save_weights(target, network, end.training, end.facts | {"interpolated": whole})
