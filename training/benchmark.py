"""How fast a recipe trains on this machine, and where the time goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from training.checkpoint import build_generator
from training.config import TrainingConfig
from training.datasets import PatchBatches, smallest_side
from training.launch import Machine, launch, make_player, patch_batches
from training.pictures import build_store, open_store
from training.steps import (
    Player,
    build_discriminator,
    update_discriminator,
    update_generator,
)

_WARM_UP = 5  # torch.compile, memory, prefetched batches


def benchmark(
    config: TrainingConfig, images: Sequence[Path], iterations: int, machine: Machine
) -> None:
    """Print patches a second and the seconds an iteration spends waiting and computing.

    Parameters
    ----------
    config
        The recipe.
    images
        Folders of pictures.
    iterations
        Timed ones; five more go before them.
    machine
        One device of it is used.
    """
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    config = replace(config, iterations=_WARM_UP + iterations)
    fabric = launch(config, replace(machine, devices=1, num_nodes=1))
    generator = make_player(
        fabric,
        build_generator(config.generator),
        config.optimizer,
        compiled=config.compile,
        winograd=machine.winograd,
    )
    discriminator: Player | None = None
    if config.adversarial is not None:
        judge = build_discriminator(config.adversarial)
        discriminator = make_player(fabric, judge, config.adversarial.optimizer)
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures.luma")
        build_store(images, pictures, smallest_side(config), planes=config.generator.planes)
        store = open_store(pictures)
        numbers = range(len(store))
        start = time.perf_counter()
        PatchBatches(store, numbers, config, 0, 1)[0]
        preparing = time.perf_counter() - start

        batches = patch_batches(fabric, store, numbers, config, 0, machine.workers)
        waiting = discriminating = generating = 0.0
        for iteration in range(config.iterations):
            times = [time.perf_counter()]
            compressed, pristine = next(batches)
            times.append(time.perf_counter())
            restored = generator.network(compressed).float()
            if discriminator is not None:
                update_discriminator(fabric, discriminator, restored, pristine, compressed)
                _finish(fabric.device)
            times.append(time.perf_counter())
            update_generator(
                fabric, config, generator, discriminator, restored, pristine, compressed
            )
            _finish(fabric.device)
            times.append(time.perf_counter())
            if iteration >= _WARM_UP:
                waiting += times[1] - times[0]
                discriminating += times[2] - times[1]
                generating += times[3] - times[2]
        del batches  # ends the workers before their file goes
    total = waiting + discriminating + generating
    print(f"device: {fabric.device}, threads: {torch.get_num_threads()}, torch {torch.__version__}")
    print(f"patches of {config.patch_size} x {config.patch_size} a second: ", end="")
    print(f"{iterations * config.batch_size / total:.1f}")
    print(f"seconds an iteration (batch of {config.batch_size}): {total / iterations:.3f}")
    print(f"  waiting for patches:               {waiting / iterations:.3f}")
    print(f"  restoring, discriminator's update: {discriminating / iterations:.3f}")
    print(f"  generator's update:                {generating / iterations:.3f}")
    print(f"seconds to prepare a batch, in one worker: {preparing:.3f}")


def _finish(device: torch.device) -> None:
    """Wait until the device has done what it was told; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
