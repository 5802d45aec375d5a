"""What a run says of itself: a CSV, TensorBoard, sample pictures and a learning curve."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from argan_plugin.whole_file import written_whole

COLUMNS = (
    "iteration",
    "hours",
    "learning_rate",
    "pixel",
    "structure",
    "adversarial",
    "discriminator",
    "discriminator_accuracy",
    "psnr_q10",
    "psnr_q20",
    "psnr_q30",
    "psnr_q40",
    "psnr_clean",
)
"""Columns of ``log.csv``; an empty cell was not measured at that iteration.

``pixel``, ``structure``, ``adversarial`` and ``discriminator`` are mean losses since the row
before; ``psnr_*`` are means in dB over the validation crops, of the averaged weights.
"""


class RunLog:
    """Writes ``log.csv``, TensorBoard events and ``samples/*.png`` into a run's folder.

    Parameters
    ----------
    folder
        The run's folder.
    iteration
        Rows after this one belong to work that was lost with an interruption; they are dropped.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self.folder = folder
        self.path = folder / "log.csv"
        kept = _rows(self.path) if self.path.exists() else []
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in kept if float(row["iteration"]) <= iteration)
        with written_whole(self.path, overwrite=True) as file:
            file.write(text.getvalue().encode())
        self.events = SummaryWriter(folder / "tensorboard", purge_step=iteration + 1)

    def write(self, values: Mapping[str, float]) -> None:
        """Add a row; keys are of :data:`COLUMNS`, ``iteration`` among them."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(values)
        for name, value in values.items():
            if name != "iteration":
                self.events.add_scalar(name, value, int(values["iteration"]))

    def samples(
        self,
        iteration: int,
        rows: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]],
    ) -> None:
        """Save triples compressed, restored, pristine, one under the other, as a grey PNG."""
        width = max(image.shape[1] for row in rows for image in row)
        lines = []
        for row in rows:
            cells = [np.pad(image, ((0, 8), (0, width - image.shape[1] + 8))) for image in row]
            lines.append(np.concatenate(cells, axis=1))
        path = self.folder / "samples" / f"{iteration:08d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.concatenate(lines)).save(path)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        self.events.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the rows of a ``log.csv``; empty cells are left out."""
    return [{name: float(cell) for name, cell in row.items() if cell} for row in _rows(path)]


def plot(folders: Sequence[Path], target: Path) -> None:
    """Draw the validation PSNR and the pixel loss of runs over their hours, as PNG, SVG or PDF."""
    # matplotlib takes a second to import, and training does not need it
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    quality, loss = figure.subplots(1, 2)
    losses: list[float] = []
    for folder in folders:
        rows = read_log(folder / "log.csv")
        for axes, column in ((quality, "psnr_q10"), (loss, "pixel")):
            points = [(row["hours"], row[column]) for row in rows if column in row]
            axes.plot(*zip(*points, strict=True), label=folder.name)
        losses += [row["pixel"] for row in rows if "pixel" in row]
    quality.set(xlabel="hours", ylabel="validation PSNR at q = 10 (dB)")
    # log_l2 is a logarithm already, and negative
    scale = "log" if min(losses, default=1.0) > 0 else "linear"
    loss.set(xlabel="hours", ylabel="pixel loss", yscale=scale)
    for axes in (quality, loss):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(target, dpi=120)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
