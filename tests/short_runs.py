"""Training runs of a few iterations of a tiny network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.checkpoint import load_weights
from training.config import TrainingConfig
from training.launch import Machine
from training.recipes import smoke

MACHINE = Machine(accelerator="cpu", devices=1, threads=1, workers=0)


def short(iterations: int = 4, **changes: Any) -> TrainingConfig:
    """Return a short run."""
    return replace(smoke(), iterations=iterations, **changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights that a run left in its folder."""
    return load_weights(folder / "weights.safetensors").state


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Hold two sets of weights against each other, bit for bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
