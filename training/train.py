"""The training loop, from top to bottom."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from training.checkpoint import begin_generator, load_weights
from training.config import GeneratorConfig, TrainingConfig
from training.datasets import smallest_side, validation_crops
from training.ema import ExponentialMovingAverage
from training.launch import Machine, launch, make_player, patch_batches
from training.pictures import PictureFolderError, PictureStore, build_store, open_store, split
from training.run_log import RunLog
from training.run_state import WEIGHTS_FILE, RunState
from training.steps import build_discriminator, update_discriminator, update_generator
from training.validation import Validation

_LOG_INTERVAL = 50
_AGREE_INTERVAL = 10
_SAVE_SECONDS = 180


class TrainingDiverged(Exception):
    """A loss became NaN or infinite; the last good checkpoint is kept."""


def train(
    config: TrainingConfig,
    images: Sequence[Path],
    folder: Path,
    *,
    machine: Machine | None = None,
    resume: bool = False,
    init_from: Path | None = None,
    reshape: Callable[[GeneratorConfig], GeneratorConfig] | None = None,
    minutes: float | None = None,
) -> Path:
    """Run ``config`` on the pictures below ``images`` and return the file with the weights.

    Parameters
    ----------
    config
        The whole run.
    images
        Folders of pictures.
    folder
        Gets the checkpoints, the log and the samples.
    machine
        Devices and processes.
    resume
        Go on from ``folder/last.ckpt``, exactly as if the run had not stopped.
    init_from
        Start from the weights of a ``.safetensors`` file, and its network, instead of from scratch.
    reshape
        Gives that network more residual blocks, which begin as the identity, or narrower ones.
    minutes
        Stop after so long, as Ctrl-C does; for machines that one has for a limited time.

    Raises
    ------
    PictureFolderError
        If no usable picture is found.
    CheckpointError
        If a checkpoint is missing, damaged or does not fit ``config``.
    TrainingDiverged
        If a loss became NaN or infinite.
    ValueError
        If ``machine`` cannot train ``config``, or the weights to start from are not tied as it
        says.
    """
    machine = machine or Machine()
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    weights = load_weights(init_from) if init_from is not None else None
    if weights is not None:
        shape = weights.generator if reshape is None else reshape(weights.generator)
        config = replace(config, generator=shape)
    fabric = launch(config, machine)
    torch.manual_seed(config.seed)

    network = begin_generator(config, weights.state if weights is not None else None)
    generator = make_player(
        fabric,
        network,
        config.optimizer,
        compiled=config.compile,
        winograd=machine.winograd,
    )
    discriminator = None
    if config.adversarial is not None:
        judge = build_discriminator(config.adversarial)
        discriminator = make_player(fabric, judge, config.adversarial.optimizer)
    ema = ExponentialMovingAverage(generator.plain, config.ema_decay)
    run = RunState(config, folder, generator, discriminator, ema)
    iteration, hours = run.load() if resume else (0, 0.0)

    store = _open_store(fabric, images, folder, config, reuse=resume)
    training, kept = split(store, config.validation_share)
    batches = patch_batches(fabric, store, training, config, iteration, machine.workers)
    log = RunLog(folder, iteration) if fabric.is_global_zero else None
    validation = Validation(validation_crops(store, kept)) if log is not None else None

    begun = clock = saved = time.monotonic()
    losses = LossMeans()
    progress = tqdm(
        total=config.iterations,
        initial=iteration,
        desc=config.name,
        disable=None if log is not None else True,
    )
    with stop_on_signal() as stop, progress:
        while iteration < config.iterations and not _stopped(fabric, stop, iteration):
            compressed, pristine = next(batches)
            learns = config.adversarial is None or iteration >= config.adversarial.head_start
            with torch.set_grad_enabled(learns):
                restored = generator.network(compressed).float()
            trio = restored, pristine, compressed
            if discriminator is not None:
                discriminator.set_rate(iteration, config.iterations)
                losses.add(update_discriminator(fabric, discriminator, *trio))
            rate = generator.set_rate(iteration, config.iterations) if learns else 0.0
            if learns:
                losses.add(update_generator(fabric, config, generator, discriminator, *trio))
            ema.update(generator.plain, iteration)
            iteration += 1
            progress.update()

            last = iteration == config.iterations
            if iteration % _LOG_INTERVAL and not last:
                continue
            row = {"iteration": iteration, "learning_rate": rate, **losses.take(iteration)}
            now = time.monotonic()
            hours, clock = hours + (now - clock) / 3600, now
            if minutes is not None and now - begun > 60 * minutes:
                stop.set()
            if log is not None and validation is not None:
                if iteration % config.validation_interval == 0 or last:
                    scores, samples = validation.measure(ema.network, fabric.device)
                    log.samples(iteration, samples)
                    row |= scores
                    progress.set_postfix(psnr_q10=f"{scores['psnr_q10']:.3f}")
                log.write(row | {"hours": hours})
                if now - saved > _SAVE_SECONDS:
                    run.save(iteration, hours, len(training))
                    saved = now
        if log is not None:
            run.save(iteration, hours, len(training))
            log.close()
    fabric.barrier()
    fabric.print(f"weights: {folder / WEIGHTS_FILE}")
    return folder / WEIGHTS_FILE


class LossMeans:
    """Means of the losses of some iterations; they stay on the device until they are taken."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, losses: dict[str, Tensor]) -> None:
        """Count one iteration's losses."""
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self, iteration: int) -> dict[str, float]:
        """Return the means and start again.

        Raises
        ------
        TrainingDiverged
            If one is NaN or infinite.
        """
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise TrainingDiverged(
                    f"The {name} loss became {mean} before iteration {iteration}. The last good "
                    "checkpoint is kept: go on from it with --resume, or start again with a lower "
                    "learning rate."
                )
        return means


def _open_store(
    fabric: Fabric, images: Sequence[Path], folder: Path, config: TrainingConfig, *, reuse: bool
) -> PictureStore:
    """Let one process decode the pictures and all of them share the result."""
    path = folder / "pictures.luma"
    problem: str | None = None
    if fabric.is_global_zero and not (reuse and path.exists()):
        try:
            build_store(images, path, smallest_side(config), planes=config.generator.planes)
        except PictureFolderError as error:
            problem = str(error)
    # Every process must learn of it, or the others would wait for ever.
    problem = fabric.broadcast(problem)
    if problem is not None:
        raise PictureFolderError(problem)
    return open_store(path)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C or SIGTERM sets, so that the loop ends between two iterations."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(fabric: Fabric, stop: threading.Event, iteration: int) -> bool:
    """Whether to stop: all processes in the same iteration, or they would wait for each other."""
    if fabric.world_size == 1:
        return stop.is_set()
    if iteration % _AGREE_INTERVAL:
        return False
    votes = fabric.all_reduce(torch.tensor(float(stop.is_set())), reduce_op="sum")
    return bool(votes)
