"""What every run needs of its machine: processes, networks on their devices, patches in time."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from training.config import OptimizerConfig, TrainingConfig
from training.datasets import PatchBatches
from training.generator import ResidualBlock, UNetConfig
from training.muon import Muon, inner_convolutions
from training.pictures import PictureStore
from training.planes import to_planes
from training.steps import Player
from training.winograd import CHANNEL_MULTIPLE, SIZE_MULTIPLE, build


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run runs, in the words of Lightning Fabric."""

    accelerator: str = "auto"
    devices: int = 1
    """Processes on each node, one a device."""
    num_nodes: int = 1
    threads: int | None = None
    """CPU threads of each process; None leaves the choice to torch."""
    workers: int = 1
    """Processes that prepare patches, for each training process; 0 prepares them in the loop."""
    winograd: bool = False
    """Whether residual blocks are trained by :mod:`training.winograd`, in float32 on a CPU."""


def launch(config: TrainingConfig, machine: Machine) -> Fabric:
    """Start the processes of ``machine`` and return the tool that keeps them together.

    Raises
    ------
    ValueError
        If Winograd's algorithm is asked for where it does not work.
    """
    one = machine.devices == 1 and machine.num_nodes == 1
    # Sending BatchNorm's buffers around would change them between the two forward passes of the
    # discriminator; each process keeps its own.
    strategy: Any = "auto" if one else DDPStrategy(forward_sync_buffers=False)
    fabric = Fabric(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=strategy,
        precision=config.precision,
    )
    fabric.launch()
    if machine.winograd:
        _check_winograd(fabric, config)
    return fabric


def _check_winograd(fabric: Fabric, config: TrainingConfig) -> None:
    if fabric.device.type != "cpu" or config.precision != "32-true":
        raise ValueError(
            "--winograd: expected a CPU and float32 (--set precision=32-true), got "
            f"{fabric.device.type} and {config.precision}"
        )
    if not isinstance(config.generator, UNetConfig):
        raise ValueError("--winograd: expected the project's U-Net, got the paper's generator")
    levels = config.generator.widths + (config.generator.block_widths or ())
    if any(width % CHANNEL_MULTIPLE for width in levels):
        raise ValueError(
            f"--winograd: expected widths that are multiples of {CHANNEL_MULTIPLE}, got {levels}"
        )
    side = config.generator.stem_stride * 2 ** (len(config.generator.widths) - 1) * SIZE_MULTIPLE
    if config.patch_size % side:
        raise ValueError(
            f"--winograd: expected a patch_size that is a multiple of {side}, "
            f"got {config.patch_size}"
        )
    build()


def make_player(
    fabric: Fabric,
    network: nn.Module,
    config: OptimizerConfig,
    *,
    compiled: bool = False,
    winograd: bool = False,
) -> Player:
    """Put ``network`` on its device, with Adam, or with Adam and Muon."""
    if winograd:
        compiled = False  # torch.compile does not see through winograd.cpp
        for block in network.modules():
            if isinstance(block, ResidualBlock):
                block.by_winograd = True
    # torch's stubs do not know this form of `to`
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inner = inner_convolutions(network) if config.muon else []
    by_muon = set(map(id, inner))
    adam = torch.optim.Adam(
        [weight for weight in network.parameters() if id(weight) not in by_muon],
        lr=config.learning_rate,
        betas=config.betas,
        # Five times faster on a CPU. On a GPU it would scale float16 gradients back by itself,
        # and Lightning Fabric then refuses to clip them.
        fused=fabric.device.type == "cpu",
    )
    muon = [Muon(inner, lr=config.learning_rate)] if inner else []
    module: Any = torch.compile(network) if compiled else network
    wrapped, *optimizers = fabric.setup(module, adam, *muon)
    return Player(network=wrapped, plain=network, optimizers=tuple(optimizers), config=config)


def patch_batches(
    fabric: Fabric,
    store: PictureStore,
    numbers: Sequence[int],
    config: TrainingConfig,
    iteration: int,
    workers: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ``compressed, pristine`` on the device, from ``iteration`` on.

    Both are what :func:`training.planes.to_planes` gives: float32 in [0, 1].
    """
    dataset = PatchBatches(store, numbers, config, fabric.global_rank, fabric.world_size)
    loader = DataLoader(
        dataset,
        batch_size=None,  # an item is a batch
        sampler=range(iteration, config.iterations),
        num_workers=workers,
        prefetch_factor=8 if workers else None,
        worker_init_fn=_ignore_interrupt,
    )
    for compressed, pristine in fabric.setup_dataloaders(loader, use_distributed_sampler=False):
        yield to_planes(compressed), to_planes(pristine)


def _ignore_interrupt(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
