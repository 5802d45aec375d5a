"""Restore a picture that is larger than the memory it may take: docs/scale.md.

``python -m benchmarks.huge --tiny`` writes a picture of one gigapixel to a file and restores it
from one `numpy.memmap` into another in a process of its own, with the network of the tests, so that
the time is that of everything else; ``--megapixels 64`` without ``--tiny`` does it with the shipped
model. It needs Linux, which says how large a process was at most, with all pages of the files that
were in its memory.
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

from argan_plugin.model import RestorationModel
from argan_plugin.restoration import restore
from benchmarks.conditions import conditions_now, save

HEADER = (
    "| model | picture | megapixels | files in and out | peak memory | seconds per megapixel |"
    "\n|---|---|---|---|---|---|"
)
_STRIP = 256  # rows that are made at once


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one picture."""

    model: str
    channels: int
    megapixels: float
    megabytes: float
    """Of both files together."""
    peak_megabytes: float
    seconds: float

    def __str__(self) -> str:
        """Return the row in Markdown."""
        return (
            f"| {self.model} | {'RGB' if self.channels == 3 else 'grey'} | {self.megapixels:.0f} | "
            f"{self.megabytes:,.0f} MB | {self.peak_megabytes:.0f} MB | "
            f"{self.seconds / self.megapixels:.3f} |"
        )


def measure(folder: Path, model: str | None, megapixels: float, channels: int) -> Row:
    """Restore a picture of smooth noise in a new process."""
    side = math.ceil(math.sqrt(megapixels * 1e6) / _STRIP) * _STRIP
    shape = (side, side) if channels == 1 else (side, side, channels)
    random = np.random.default_rng(0)
    strip = random.integers(0, 256, (_STRIP, *shape[1:]), np.uint8)
    with (folder / "in").open("wb") as file:
        for start in range(0, side, _STRIP):
            np.roll(strip, start // 7, axis=1).tofile(file)
    job = json.dumps({"folder": str(folder), "shape": shape, "model": model})
    command = [sys.executable, "-m", __spec__.name, "--job", job]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Row(**json.loads(done.stdout), channels=channels)


def _restore(folder: str, shape: Sequence[int], model: str | None) -> dict[str, Any]:
    """Restore the picture, and return what it took."""
    image = np.memmap(Path(folder, "in"), dtype=np.uint8, mode="r", shape=tuple(shape))
    out = np.memmap(Path(folder, "out"), dtype=np.uint8, mode="w+", shape=tuple(shape))
    network = RestorationModel(model)
    start = time.perf_counter()
    restore(image, model=network, out=out)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return {
        "model": network.name,
        "megapixels": shape[0] * shape[1] / 1e6,
        "megabytes": 2 * image.nbytes / 1e6,
        "peak_megabytes": int(peak.split()[1]) * 1024 / 1e6,
        "seconds": seconds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the row, and write it if a file is named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.huge",
        description="Restore a picture that is larger than the memory it may take.",
    )
    parser.add_argument("--megapixels", type=float, default=1000, metavar="N", help="(1000)")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1, help="1 is grey (1)")
    parser.add_argument("--tiny", action="store_true", help="the network of the tests")
    parser.add_argument("--folder", metavar="DIR", help="where the files go, for a while")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the row there")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        print(json.dumps(_restore(**options.job)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        model = None
        if options.tiny:
            import onnx

            from tests.conftest import tiny_model

            model = str(Path(folder, "tiny.onnx"))
            onnx.save(tiny_model(), model)
        info = RestorationModel(model).info
        conditions = conditions_now(info, 2)
        row = measure(Path(folder), model, options.megapixels, options.channels)
    print(HEADER, row, "", conditions, sep="\n")
    if options.json is not None:
        save(options.json, conditions, [row])
    return 0


if __name__ == "__main__":
    sys.exit(main())
