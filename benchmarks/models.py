"""The shipped models: their weights, and the table at the head of the model card."""

from __future__ import annotations

from pathlib import Path

from tabulate import tabulate

from argan_plugin.model import open_model
from argan_plugin.weights import model_names, model_path, shipped_names
from training.checkpoint import Weights, load_weights

_FOLDER = Path(__file__).parent.parent / "training" / "weights"


def weights_of(model: str) -> Weights:
    """Return the weights that a shipped model was exported from."""
    return load_weights(_FOLDER / f"{model}.safetensors")


def overview() -> str:
    """Return a row for each shipped model, the default first."""
    rows = []
    for name in shipped_names():
        info = open_model(name, device="cpu").info
        parameters = sum(weight.numel() for weight in weights_of(name).network().parameters())
        rows.append(
            [
                f"`{name}`" + (" (default)" if name == model_names()[0] else ""),
                info.summary,
                f"{parameters / 1e6:.2f} M",
                f"{info.kflop_per_pixel:,.0f} kFLOP per pixel",
                f"{model_path(name).stat().st_size / 1e6:.1f} MB",
                info.license,
            ]
        )
    header = ["name", "for", "parameters", "cost", "file", "licence"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)
