"""Checkpoints: the whole state of a run, and the weights alone.

``last.ckpt`` holds all that a run needs to go on as if it had never stopped. A ``.safetensors``
file holds the averaged weights with the network's configuration in its header: what is shipped,
exported and fine-tuned. Neither can run code when it is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from argan_plugin.whole_file import written_whole
from training.config import GeneratorConfig, TrainingConfig
from training.config_dict import from_dict, generator_from_dict, generator_to_dict, to_dict
from training.equivariance import keep_tied, tie
from training.generator import ResidualBlock, UNet, UNetConfig
from training.paper_networks import PaperGenerator

FORMAT_VERSION = 1

Generator = UNet | PaperGenerator


class CheckpointError(Exception):
    """A checkpoint that is missing, damaged or of another kind."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A trained generator, ready to be evaluated, exported or fine-tuned."""

    generator: GeneratorConfig
    """Shape of the network."""

    state: dict[str, Tensor]
    """Its weights."""

    training: TrainingConfig | None
    """The run that made them."""

    facts: dict[str, Any]
    """What the run wrote beside them: iterations, hours, commit, …"""

    def network(self) -> Generator:
        """Return the network with these weights, in evaluation mode.

        Raises
        ------
        CheckpointError
            If the weights do not fit the network.
        """
        network = build_generator(self.generator)
        try:
            network.load_state_dict(self.state)
        except RuntimeError as error:
            raise CheckpointError(f"The weights do not fit their network: {error}") from error
        return network.eval()


def load_into(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Give ``network`` the weights ``state``, which may be those of another depth and inner width.

    Residual blocks that they lack begin as the identity, so a deeper network starts with the
    results of the shallower one. A block with fewer channels inside gets those with the largest
    weights.

    Raises
    ------
    CheckpointError
        If the weights lack more than whole blocks, or do not fit.
    """
    state = dict(state)
    for name, module in network.named_modules():
        if isinstance(module, ResidualBlock) and f"{name}.conv2.weight" in state:
            _narrow(state, name, module.conv1.out_channels)
    lacking = network.state_dict().keys() - state.keys()
    blocks = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, ResidualBlock) and f"{name}.conv2.weight" in lacking
    }
    for block in blocks.values():
        nn.init.zeros_(block.conv2.weight)
        assert block.conv2.bias is not None
        nn.init.zeros_(block.conv2.bias)
    begun = {
        key: value
        for key, value in network.state_dict().items()
        if key in lacking and key.rpartition(".conv")[0] in blocks
    }
    try:
        network.load_state_dict(state | begun)
    except RuntimeError as error:
        raise CheckpointError(f"The weights do not fit their network: {error}") from error


def _narrow(state: dict[str, Tensor], block: str, width: int) -> None:
    """Leave at most ``width`` channels between the convolutions of a block in ``state``.

    A channel counts as the product of the norms of its weights in front of it and behind it: how
    much of the block's result it carries for features of one size (Li et al., "Pruning Filters for
    Efficient ConvNets", https://arxiv.org/abs/1608.08710, look at the former alone).
    """
    before, after = state[f"{block}.conv1.weight"], state[f"{block}.conv2.weight"]
    if len(before) <= width:
        return
    carried = before.flatten(1).norm(dim=1) * after.transpose(0, 1).flatten(1).norm(dim=1)
    kept = carried.topk(width).indices.sort().values
    state[f"{block}.conv1.weight"] = before[kept]
    state[f"{block}.conv1.bias"] = state[f"{block}.conv1.bias"][kept]
    state[f"{block}.conv2.weight"] = after[:, kept]


def build_generator(config: GeneratorConfig) -> Generator:
    """Return a freshly initialised generator."""
    return UNet(config) if isinstance(config, UNetConfig) else PaperGenerator(config)


def begin_generator(config: TrainingConfig, state: dict[str, Tensor] | None = None) -> Generator:
    """Return the generator as a run begins with it: fresh, or :func:`load_into` with ``state``.

    Raises
    ------
    CheckpointError
        If the weights ``state`` do not fit.
    ValueError
        If they are not tied and ``config`` says that weights are.
    """
    network = build_generator(config.generator)
    tied = network if config.equivariant and isinstance(network, UNet) else None
    if tied is not None:
        tie(tied)  # blocks that ``state`` lacks stay so
    if state is not None:
        load_into(network, state)
    if tied is not None:
        keep_tied(tied)
    return network


def save_weights(
    path: Path, network: nn.Module, config: TrainingConfig, facts: dict[str, Any]
) -> None:
    """Write the weights of ``network`` and where they come from, whole or not at all."""
    header = {
        "argan.format_version": str(FORMAT_VERSION),
        "argan.generator": json.dumps(generator_to_dict(config.generator)),
        "argan.training": json.dumps(to_dict(config)),
        "argan.facts": json.dumps(facts),
    }
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, overwrite=True) as file:
        file.write(save(state, header))


def load_weights(path: Path) -> Weights:
    """Read a file of :func:`save_weights`.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, of another program or of a newer format.
    """
    _must_exist(path)
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a .safetensors file with a generator's weights: {error}"
        ) from error
    version = header.get("argan.format_version", "")
    if not version.isdigit():
        raise CheckpointError(
            f"{path}: expected weights written by `python -m training`; its header does not say so."
        )
    if int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {version} is newer than this program's {FORMAT_VERSION}; update it."
        )
    try:
        return Weights(
            generator=generator_from_dict(json.loads(header["argan.generator"])),
            state=state,
            training=from_dict(json.loads(header["argan.training"])),
            facts=json.loads(header["argan.facts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its header is damaged: {error!r}") from error


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the whole state of a run, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, overwrite=True) as file:
        torch.save({"format_version": FORMAT_VERSION, **state}, file)


def load_state(path: Path) -> dict[str, Any]:
    """Read a file of :func:`save_state`; no code in it can run.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or of a newer format.
    """
    _must_exist(path)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = int(state["format_version"])
    # torch has RuntimeError, EOFError, KeyError and UnpicklingError for the ways of being damaged.
    except Exception as error:
        raise CheckpointError(
            f"{path}: expected a training state: {type(error).__name__}: {error}"
        ) from error
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {version} is newer than this program's {FORMAT_VERSION}; update it."
        )
    return state


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: expected a checkpoint file, found none.")
