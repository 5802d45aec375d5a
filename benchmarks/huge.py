"""Restore pictures that are larger than the memory they may take: docs/scale.md.

``python -m benchmarks.huge --json benchmarks/huge.json`` writes pictures to files and restores each
in a process of its own: a gigapixel from one `numpy.memmap` into another and an OME-Zarr pyramid in
colour, both with the network of the tests, so that what is left is all but the network, and a
smaller memmap with the shipped model. It needs Linux, which says how large a process was at most,
with all pages of the files that were in its memory.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import zarr

from argan_plugin.model import RestorationModel
from argan_plugin.ome_zarr import restore_ome_zarr
from argan_plugin.restoration import restore
from benchmarks.conditions import conditions_now, finish
from tests.conftest import tiny_model

HEADER = (
    "| model | from, to | megapixels | files in and out | peak memory | seconds per megapixel | "
    "CPU seconds per megapixel |\n|---|---|---|---|---|---|---|"
)
_STRIP = 512  # rows that are made at once, and the sides of chunks


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is restored."""

    tiny: bool
    """Whether by the network of the tests."""
    kind: str
    """``memmap``, grey, or ``OME-Zarr``, RGB with half the size as a second level."""
    megapixels: float


CASES = {
    "gigapixel": Case(tiny=True, kind="memmap", megapixels=1000),
    "pyramid": Case(tiny=True, kind="OME-Zarr", megapixels=256),
    "shipped": Case(tiny=False, kind="memmap", megapixels=16),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one picture."""

    model: str
    kind: str
    megapixels: float
    megabytes: float
    """Of the pixels in and out, uncompressed."""
    peak_megabytes: float
    seconds: float
    cpu_seconds: float
    """Unlike the others, this depends little on what else the machine does."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        return (
            f"| {self.model} | {self.kind} | {self.megapixels:.0f} | {self.megabytes:,.0f} MB | "
            f"{self.peak_megabytes:.0f} MB | {self.seconds / self.megapixels:.3f} | "
            f"{self.cpu_seconds / self.megapixels:.3f} |"
        )


def measure(folder: Path, model: str | None, case: Case) -> Row:
    """Restore a picture of noise in a new process."""
    side = math.ceil(math.sqrt(case.megapixels * 1e6) / _STRIP) * _STRIP
    strip = np.random.default_rng(0).integers(0, 256, (_STRIP, side), np.uint8)
    if case.kind == "memmap":
        with (folder / "in").open("wb") as file:
            for start in range(0, side, _STRIP):
                np.roll(strip, start // 7, axis=1).tofile(file)
    else:
        _write_pyramid(folder / "in", strip)
    job = {"folder": str(folder), "side": side, "model": model, "kind": case.kind}
    command = [sys.executable, "-m", "benchmarks.huge", "--job", json.dumps(job)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Row(**json.loads(done.stdout), kind=case.kind)


def _write_pyramid(folder: Path, strip: np.ndarray[Any, Any]) -> None:
    """Write an RGB image of format 0.5 with two levels."""
    group = zarr.create_group(folder, zarr_format=3)
    for number, factor in enumerate((1, 2)):
        side = strip.shape[1] // factor
        level = group.create_array(
            str(number), shape=(3, side, side), dtype="uint8", chunks=(1, _STRIP, _STRIP)
        )
        for start in range(0, side, _STRIP):
            rows = strip[: side - start, :side]
            level[:, start : start + len(rows)] = np.stack([rows] * 3)
    axes = [{"name": name, "type": "channel" if name == "c" else "space"} for name in "cyx"]
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [{"type": "scale", "scale": [1, 2**number, 2**number]}],
        }
        for number in range(2)
    ]
    colours = [{"color": colour} for colour in ("FF0000", "00FF00", "0000FF")]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": datasets}],
        "omero": {"channels": colours},
    }


def _restore(folder: str, side: int, model: str | None, kind: str) -> dict[str, Any]:
    """Restore the picture, and return what it took."""
    network = RestorationModel(model, device="cpu")
    source, target = Path(folder, "in"), Path(folder, "out")
    start, cpu = time.perf_counter(), time.process_time()
    if kind == "memmap":
        image = np.memmap(source, dtype=np.uint8, mode="r", shape=(side, side))
        restore(image, model=network, out=np.memmap(target, np.uint8, "w+", shape=image.shape))
        values = side**2
    else:
        restore_ome_zarr(source, target, model=network)
        values = 3 * side**2 * 5 // 4
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return {
        "model": network.name,
        "megapixels": side**2 / 1e6,
        "megabytes": 2 * values / 1e6,
        "peak_megabytes": int(peak.split()[1]) * 1024 / 1e6,
        "seconds": seconds,
        "cpu_seconds": cpu,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows, and write them if a file is named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.huge",
        description="Restore pictures that are larger than the memory they may take.",
    )
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--folder", metavar="DIR", help="where the files go, for a while")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        print(json.dumps(_restore(**options.job)))
        return 0
    conditions = conditions_now(RestorationModel(device="cpu").info, 2)
    print(HEADER)
    rows = []
    for case in (CASES[name] for name in options.cases):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            tiny = str(Path(folder, "tiny.onnx"))
            onnx.save(tiny_model(), tiny)
            rows.append(measure(Path(folder), tiny if case.tiny else None, case))
        print(rows[-1], flush=True)
    finish(conditions, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
