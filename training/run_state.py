"""The files of a run that it goes on from, and that others start from."""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from training.checkpoint import CheckpointError, load_state, save_state, save_weights
from training.config import TrainingConfig
from training.config_dict import from_dict, to_dict
from training.ema import ExponentialMovingAverage
from training.steps import Player

STATE_FILE = "last.ckpt"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class RunState:
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
            "optimizers": [
                [optimizer.state_dict() for optimizer in player.optimizers] for player in players
            ],
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
            for player, network, optimizers in zip(
                players, state["networks"], state["optimizers"], strict=True
            ):
                player.plain.load_state_dict(network)
                for optimizer, saved_optimizer in zip(player.optimizers, optimizers, strict=True):
                    optimizer.load_state_dict(saved_optimizer)
            self.ema.network.load_state_dict(state["ema"])
            return int(state["iteration"]), float(state["hours"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path}: it does not fit this run: {error}") from error


def resumed_config(folder: Path) -> TrainingConfig:
    """Return the configuration of the run in ``folder``.

    Raises
    ------
    CheckpointError
        If there is no whole checkpoint.
    """
    return from_dict(load_state(folder / STATE_FILE)["config"])


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
