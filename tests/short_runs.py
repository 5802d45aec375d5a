"""Training runs of a few iterations of a tiny network on three small pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from training.checkpoint import load_weights
from training.config import TrainingConfig
from training.launch import Machine
from training.recipes import smoke

MACHINE = Machine(accelerator="cpu", devices=1, threads=1, workers=0)


def write_pictures(folder: Path) -> Path:
    """Write the three pictures and return their folder."""
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=(120, 140))
        pixels = np.clip(gaussian_filter(noise, 2) * 300 + 128, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


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
