"""The training loop, from top to bottom."""

from __future__ import annotations

import math
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.checkpoint import (
    CheckpointError,
    build_generator,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from training.config import OptimizerConfig, TrainingConfig, from_dict, to_dict
from training.datasets import (
    PatchBatches,
    PictureFolderError,
    PictureStore,
    build_store,
    open_store,
    smallest_side,
    split,
    validation_crops,
)
from training.ema import ExponentialMovingAverage
from training.run_log import RunLog
from training.steps import Player, build_discriminator, update_discriminator, update_generator
from training.validation import Validation

STATE_FILE = "last.ckpt"
WEIGHTS_FILE = "weights.safetensors"

_LOG_INTERVAL = 50
_AGREE_INTERVAL = 10
_SAVE_SECONDS = 180


class TrainingDiverged(Exception):
    """A loss became NaN or infinite; the last good checkpoint is kept."""


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


def train(
    config: TrainingConfig,
    images: Sequence[Path],
    folder: Path,
    *,
    machine: Machine | None = None,
    resume: bool = False,
    init_from: Path | None = None,
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
        Start from the weights of a ``.safetensors`` file instead of from scratch.

    Raises
    ------
    PictureFolderError
        If no usable picture is found.
    CheckpointError
        If a checkpoint is missing, damaged or does not fit ``config``.
    TrainingDiverged
        If a loss became NaN or infinite.
    """
    machine = machine or Machine()
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    weights = load_weights(init_from) if init_from is not None else None
    if weights is not None:
        config = replace(config, generator=weights.generator)
    fabric = launch(config, machine)
    torch.manual_seed(config.seed)

    network = build_generator(config.generator)
    if weights is not None:
        network.load_state_dict(weights.state)
    generator = make_player(fabric, network, config.optimizer, compiled=config.compile)
    discriminator = None
    if config.adversarial is not None:
        judge = build_discriminator(config.adversarial)
        discriminator = make_player(fabric, judge, config.adversarial.optimizer)
    ema = ExponentialMovingAverage(generator.plain, config.ema_decay)
    run = _Run(config, folder, generator, discriminator, ema)
    iteration, hours = run.load() if resume else (0, 0.0)

    store = _open_store(fabric, images, folder, smallest_side(config), reuse=resume)
    training, kept = split(store, config.validation_share)
    batches = patch_batches(fabric, store, training, config, iteration, machine.workers)
    log = RunLog(folder, iteration) if fabric.is_global_zero else None
    validation = Validation(validation_crops(store, kept)) if log is not None else None

    clock = saved = time.monotonic()
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
            restored = generator.network(compressed).float()
            if discriminator is not None:
                discriminator.set_rate(iteration, config.iterations)
                losses.add(update_discriminator(fabric, discriminator, restored, pristine))
            rate = generator.set_rate(iteration, config.iterations)
            losses.add(
                update_generator(fabric, config, generator, discriminator, restored, pristine)
            )
            ema.update(generator.plain, iteration)
            iteration += 1
            progress.update()

            last = iteration == config.iterations
            if iteration % _LOG_INTERVAL and not last:
                continue
            row = {"iteration": iteration, "learning_rate": rate, **losses.take(iteration)}
            now = time.monotonic()
            hours, clock = hours + (now - clock) / 3600, now
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


def launch(config: TrainingConfig, machine: Machine) -> Fabric:
    """Start the processes of ``machine`` and return the tool that keeps them together."""
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
    return fabric


def make_player(
    fabric: Fabric, network: nn.Module, config: OptimizerConfig, *, compiled: bool = False
) -> Player:
    """Put ``network`` on its device, with Adam."""
    # torch's stubs do not know this form of `to`
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=config.betas)
    module: Any = torch.compile(network) if compiled else network
    wrapped, optimizer = fabric.setup(module, adam)
    return Player(network=wrapped, plain=network, optimizer=optimizer, config=config)


def patch_batches(
    fabric: Fabric,
    store: PictureStore,
    numbers: Sequence[int],
    config: TrainingConfig,
    iteration: int,
    workers: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ``compressed, pristine`` on the device, float32 in [0, 1], from ``iteration`` on."""
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
        yield compressed.float() / 255, pristine.float() / 255


def resumed_config(folder: Path) -> TrainingConfig:
    """Return the configuration of the run in ``folder``.

    Raises
    ------
    CheckpointError
        If there is no whole checkpoint.
    """
    return from_dict(load_state(folder / STATE_FILE)["config"])


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


@dataclass(frozen=True)
class _Run:
    """The parts of a run that its checkpoint holds."""

    config: TrainingConfig
    folder: Path
    generator: Player
    discriminator: Player | None
    ema: ExponentialMovingAverage

    def save(self, iteration: int, hours: float, pictures: int) -> None:
        """Write the state and the averaged weights; a full disk costs the save, not the run."""
        players = [self.generator] + ([self.discriminator] if self.discriminator else [])
        state = {
            "config": to_dict(self.config),
            "iteration": iteration,
            "hours": hours,
            "ema": self.ema.network.state_dict(),
            "networks": [player.plain.state_dict() for player in players],
            "optimizers": [player.optimizer.state_dict() for player in players],
        }
        facts = {
            "iterations": iteration,
            "hours": round(hours, 2),
            "pictures": pictures,
            "commit": _commit(),
            "torch": torch.__version__,
        }
        try:
            save_state(self.folder / STATE_FILE, state)
            save_weights(self.folder / WEIGHTS_FILE, self.ema.network, self.config, facts)
        except OSError as error:
            if iteration == self.config.iterations:
                raise
            warnings.warn(
                f"The checkpoint of iteration {iteration} could not be written ({error}); the one "
                "before it is kept. The run goes on and tries again.",
                RuntimeWarning,
                stacklevel=2,
            )

    def load(self) -> tuple[int, float]:
        """Take up the state; return the iterations done and their hours."""
        path = self.folder / STATE_FILE
        state = load_state(path)
        try:
            saved = replace(from_dict(state["config"]), iterations=self.config.iterations)
            if saved != self.config:
                raise CheckpointError(f"{path}: it is of another run: {saved} is not {self.config}")
            players = [self.generator] + ([self.discriminator] if self.discriminator else [])
            for player, network, optimizer in zip(
                players, state["networks"], state["optimizers"], strict=True
            ):
                player.plain.load_state_dict(network)
                player.optimizer.load_state_dict(optimizer)
            self.ema.network.load_state_dict(state["ema"])
            return int(state["iteration"]), float(state["hours"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path}: it does not fit this run: {error}") from error


def _open_store(
    fabric: Fabric, images: Sequence[Path], folder: Path, side: int, *, reuse: bool
) -> PictureStore:
    """Let one process decode the pictures and all of them share the result."""
    path = folder / "pictures.luma"
    problem: str | None = None
    if fabric.is_global_zero and not (reuse and path.exists()):
        try:
            build_store(images, path, side)
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


def _ignore_interrupt(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _commit() -> str:
    """Return the commit of the code, with a + if it was changed since; "unknown" outside git."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        here = Path(__file__).parent
        return subprocess.run(
            command, cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
