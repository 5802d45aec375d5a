"""Measure how much memory restoring takes: docs/guarantees.md.

``python -m benchmarks.memory --json benchmarks/memory.json`` restores a JPEG of 100 megapixels to
PNG by the command, in colour and in grey, and 500 pictures of random sizes in one process. It reads
what Linux says of a process in ``/proc``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.conditions import conditions_now, save

MOST_DECODED_SIZES, MOST_BESIDE = 3, 500e6
"""A command's peak must stay under so many times the decoded picture, and so many bytes more."""

PICTURES, SETTLED, MOST_GROWTH = 500, 20, 50e6
"""So many pictures in one process may let it grow, after so many, by so many bytes."""

# What a new process says after it has run the command: its exit code and its own largest resident
# size in KiB. (`wait4` would give the largest of the parent too, for it counts from the fork on.)
_COMMAND = """
import sys
from pathlib import Path
from argan_plugin.cli import main
code = main(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(code, next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The largest resident size of one run of the command."""

    mode: str
    """Pillow's: RGB or L."""
    megapixels: float
    decoded_megabytes: float
    peak_megabytes: float
    limit_megabytes: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a process that restores many pictures grows."""

    pictures: int
    settled_megabytes: float
    """Resident size after the first 20."""
    last_megabytes: float
    """Resident size after the last."""
    growth_megabytes: float
    """From the one to the largest of all later ones."""
    limit_megabytes: float
    seconds: float


def peak_of_command(mode: str, side: int, folder: Path, *, model: Path | None = None) -> Peak:
    """Restore a square JPEG to PNG by the command, in a process of its own.

    Parameters
    ----------
    mode : {"RGB", "L"}
    side : int
        In pixels, a multiple of 500.
    folder : Path
        Where the files go.
    model : Path, optional
        An ONNX file; by default the shipped model.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    random = np.random.default_rng(0)
    tile = random.normal(128, 40, (25, 25)).repeat(20, axis=0).repeat(20, axis=1)
    pixels = np.tile(tile.clip(0, 255).astype(np.uint8), (side // 500, side // 500))
    if mode == "RGB":
        pixels = np.stack([pixels, pixels.T, pixels[::-1]], axis=-1)
    source, target = folder / f"{mode}-{side}.jpg", folder / f"{mode}-{side}.png"
    Image.fromarray(pixels).save(source, quality=30)
    arguments = [str(source), "-o", str(target), "--overwrite", "--quiet", "--device", "cpu"]
    arguments += [] if model is None else ["--model", str(model)]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode or not done.stdout.startswith("0 "):
        raise RuntimeError(f"the command failed: {done.stderr.strip()}")
    return Peak(
        mode=mode,
        megapixels=side**2 / 1e6,
        decoded_megabytes=pixels.nbytes / 1e6,
        peak_megabytes=int(done.stdout.split()[1]) * 1024 / 1e6,
        limit_megabytes=(MOST_DECODED_SIZES * pixels.nbytes + MOST_BESIDE) / 1e6,
        seconds=seconds,
    )


def growth_of_process(pictures: int = PICTURES, *, model: Path | None = None) -> Growth:
    """Restore pictures of random sizes from 1 to 600 pixels a side in a process of its own."""
    started = time.perf_counter()
    options = [] if model is None else ["--model", str(model)]
    command = [sys.executable, "-m", "benchmarks.memory", "--resident-sizes", str(pictures)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    sizes = json.loads(done.stdout)
    return Growth(
        pictures=pictures,
        settled_megabytes=sizes[SETTLED - 1] / 1e6,
        last_megabytes=sizes[-1] / 1e6,
        growth_megabytes=(max(sizes[SETTLED:]) - sizes[SETTLED - 1]) / 1e6,
        limit_megabytes=MOST_GROWTH / 1e6,
        seconds=time.perf_counter() - started,
    )


def resident_sizes(pictures: int, model: RestorationModel) -> Iterator[int]:
    """Yield this process's resident size in bytes after each picture."""
    random = np.random.default_rng(11)
    for _ in range(pictures):
        height, width = random.integers(1, 600, 2)
        restore(random.integers(0, 256, (height, width, 3), np.uint8), model=model)
        status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        yield next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", type=Path, metavar="FILE", help="an ONNX file (the shipped one)")
    parser.add_argument("--side", type=int, default=10_000, metavar="N", help="of the squares")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    parser.add_argument("--resident-sizes", type=int, metavar="N", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    model = RestorationModel(options.model, device="cpu")
    if options.resident_sizes:
        print(json.dumps(list(resident_sizes(options.resident_sizes, model))))
        return 0
    conditions = conditions_now(model.info, os.cpu_count() or 1)
    print(conditions)
    rows: list[Peak | Growth] = [growth_of_process(model=options.model)]
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("RGB", "L"):
            rows.append(peak_of_command(mode, options.side, Path(folder), model=options.model))
    for row in rows:
        print(row)
    if options.json:
        save(options.json, conditions, rows)
    held = all(
        row.growth_megabytes < row.limit_megabytes
        if isinstance(row, Growth)
        else row.peak_megabytes < row.limit_megabytes
        for row in rows
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
