"""Measure a batch on a cluster of one machine, from one worker to many: docs/scale.md.

``python -m benchmarks.cluster --json benchmarks/cluster.json`` restores JPEG files of a megapixel
by the shipped model; small ones by the network of the tests, where what is left is the cluster's
own cost; and without a cluster such of 12 megapixels, where it is all but the network: reading,
colour, and writing PNG. A worker has one thread, so that two of them have twice what one has.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from distributed import Client, LocalCluster
from PIL import Image

from argan_plugin.batch import plan_batch
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.restore_files import restore_files
from argan_plugin.restore_on_cluster import restore_on_cluster
from argan_plugin.settings import Settings
from benchmarks.conditions import conditions_now, finish
from tests.conftest import tiny_model

HEADER = (
    "| model | megapixels a file | files | where | seconds | files per second | "
    "CPU seconds a file | of these beside the workers |\n|---|---|---|---|---|---|---|---|"
)
_MAX_PIXELS = 10**8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One batch."""

    model: str
    megapixels: float
    files: int
    workers: int
    """0 is the run without a cluster, with as many threads as the machine has cores."""
    seconds: float
    cpu_seconds: float
    """Of all processes; unlike the others this does not depend on what else the machine does."""
    cpu_seconds_beside: float
    """Of the process with the scheduler and the client."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        where = f"{self.workers} workers" if self.workers else "no cluster"
        return (
            f"| {self.model} | {self.megapixels:g} | {self.files} | "
            f"{'1 worker' if self.workers == 1 else where} | {self.seconds:.1f} | "
            f"{self.files / self.seconds:.2f} | {self.cpu_seconds / self.files:.3f} | "
            f"{self.cpu_seconds_beside / self.files:.4f} |"
        )


def write_pictures(folder: Path, files: int, megapixels: float) -> None:
    """Write different JPEG files of smooth noise, square."""
    folder.mkdir()
    side = round(math.sqrt(megapixels * 1e6))
    random = np.random.default_rng(0)
    grain = Image.fromarray(random.integers(0, 256, (side // 16 + 2, side // 16 + 2, 3), np.uint8))
    picture = np.asarray(grain.resize((side, side), Image.Resampling.BICUBIC))
    for number in range(files):
        Image.fromarray(np.roll(picture, 7 * number, axis=1)).save(
            folder / f"{number}.jpg", quality=30
        )


def measure(folder: Path, model: Path, megapixels: float, files: int, workers: int) -> Row:
    """Restore a folder; opening the model and starting the cluster do not count."""
    inputs = folder / f"{megapixels:g}-{files}"
    if not inputs.exists():
        write_pictures(inputs, files, megapixels)
    output = folder / f"{inputs.name}-{model.stem}-{workers}"
    plan = plan_batch([str(inputs)], str(output))
    settings = Settings(show_progress=False)
    if workers:
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            client.run(_open, str(model))
            before = sum(client.run(time.process_time).values())
            start, here = time.perf_counter(), time.process_time()
            report, _ = restore_on_cluster(
                plan,
                cluster.scheduler_address,
                settings,
                model=str(model),
                device="cpu",
                max_pixels=_MAX_PIXELS,
            )
            seconds, beside = time.perf_counter() - start, time.process_time() - here
            cpu = beside + sum(client.run(time.process_time).values()) - before
    else:
        network = open_model(model, device="cpu")
        start, here = time.perf_counter(), time.process_time()
        report = restore_files(plan, network, settings)
        seconds, cpu = time.perf_counter() - start, time.process_time() - here
        beside = 0.0
    assert len(report.done) == files, report
    return Row(
        model=model.stem,
        megapixels=megapixels,
        files=files,
        workers=workers,
        seconds=seconds,
        cpu_seconds=cpu,
        cpu_seconds_beside=beside,
    )


def _open(model: str) -> None:
    """Import everything on a worker; the model itself is opened with the first file."""
    RestorationModel(model, device="cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each number of workers and each kind of file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster",
        description="Measure a batch on a cluster of one machine, from one worker to many.",
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="(1 2)")
    parser.add_argument("--files", type=int, default=12, metavar="N", help="of a megapixel (12)")
    parser.add_argument("--small-files", type=int, default=500, metavar="N", help="tiny ones (500)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    shipped = RestorationModel(device="cpu")
    conditions = conditions_now(shipped.info, max(options.workers))
    print(HEADER)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(tiny_model(), folder / "tiny.onnx")
        tiny = folder / "tiny.onnx"
        cases = [
            (shipped.path, 1.0, options.files, [0, *options.workers]),
            (tiny, 0.01, options.small_files, [0, *options.workers]),
            (tiny, 12.0, 3, [0]),
        ]
        for model, megapixels, files, numbers in cases:
            for workers in numbers:
                rows.append(measure(folder, model, megapixels, files, workers))
                print(rows[-1], flush=True)
    finish(conditions, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
