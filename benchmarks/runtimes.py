"""Run exported files in every runtime that is installed, and compare them: docs/runtimes.md.

``python -m benchmarks.runtimes argan.onnx argan-bare.onnx`` needs onnx and onnxruntime; each other
runtime is one more package (openvino, opencv-python-headless, ncnn and pnnx, ai-edge-litert), and
the table says which were not there. onnxruntime-web: ``npm install onnxruntime-web``, and the
folder in ``$NODE_MODULES``; for its row in a browser also selenium, Chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from argan_plugin.model_file import inspect_model, read_model_file
from benchmarks.conditions import conditions_now, save
from export.parity import Image, compare
from export.runtimes import RUNTIMES, LiteRT, Run, Runtime, open_onnxruntime

SHAPES = {
    "default": ((1, 1, 1, 1), (3, 1, 7, 2), (1, 1, 101, 195), (2, 1, 64, 48)),
    "bare": ((1, 1, 32, 32), (2, 1, 64, 96), (1, 1, 192, 128)),
}
TIMED_SHAPE = (1, 1, 512, 512)
TIMED_RUNS = 4
LARGEST_DIFFERENCE = 1e-4
"""As in :mod:`export.verify`, which compares ONNX Runtime with torch."""

HEADER = (
    "| runtime | version | file | sizes | largest difference | 8-bit levels changed | s/megapixel |"
    "\n|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one runtime."""

    runtime: str
    version: str
    file: str
    sizes: str = "any"
    """``any``, or the only one."""
    largest: float = math.nan
    """Largest difference from ONNX Runtime on the CPU, of values in [0, 1]."""
    levels_changed: int = 0
    """8-bit levels changed, ties apart."""
    seconds_per_megapixel: float = math.nan
    problem: str = ""
    """Why it was not run, or what it said."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        facts = f"| {self.runtime} | {self.version} | {self.file} |"
        if self.problem:
            return f"{facts} {self.problem} | | | |"
        return (
            f"{facts} {self.sizes} | {self.largest:.1e} | {self.levels_changed} | "
            f"{self.seconds_per_megapixel:.2f} |"
        )


def measure(runtime: Runtime, files: dict[str, Path], threads: int) -> Row:
    """Run one runtime on noise, and compare it with ONNX Runtime on the CPU.

    Parameters
    ----------
    runtime
        Which.
    files
        By kind: ``default`` and ``bare`` ONNX files of the same weights; ``tflite``, if there is
        one.
    threads
        Threads of the CPU.
    """
    name, version, kind = runtime.name, _version(runtime.package), runtime.file
    if kind not in files:
        problem = "not run: no such file was given"
        return Row(runtime=name, version=version, file=kind, problem=problem)
    expected = open_onnxruntime(files["default" if kind == "default" else "bare"], threads)
    random = np.random.default_rng(0)
    try:
        run = runtime.open(files[kind], threads)
        shapes: Sequence[tuple[int, ...]] = SHAPES.get(kind, ())
        timed: tuple[int, ...] = TIMED_SHAPE
        sizes = "any" if kind == "default" else "multiples"
        if isinstance(run, LiteRT):
            shapes, timed = [run.shape], run.shape
            sizes = "{} x {}".format(*run.shape[2:])
        images = [random.random(shape, np.float32) for shape in shapes]
        parities = [compare(expected(image), run(image)) for image in images]
        seconds = seconds_per_megapixel(run, random.random(timed, np.float32))
    # Each runtime has errors of its own; what it says is the result.
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Row(runtime=name, version=version, file=kind, problem=f"not run: {said}")
    return Row(
        runtime=name,
        version=version,
        file=kind,
        sizes=sizes,
        largest=max(parity.largest for parity in parities),
        levels_changed=sum(parity.levels_changed for parity in parities),
        seconds_per_megapixel=seconds,
    )


def seconds_per_megapixel(run: Run, image: Image) -> float:
    """Return the time of the shortest of some runs, after one that does not count."""
    times = []
    for _ in range(TIMED_RUNS):
        start = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / image.size * 1e6


def _version(package: str) -> str:
    """Return the version of a Python or, in ``$NODE_MODULES``, an npm package.

    ONNX Runtime's has another name where it can use a GPU.
    """
    for name in (package, f"{package}-gpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    manifest = Path(os.environ.get("NODE_MODULES", "node_modules"), package, "package.json")
    return str(json.loads(manifest.read_text())["version"]) if manifest.is_file() else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all runtimes; return 1 if one that computes in float32 differs too much."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.runtimes",
        description="Run exported files in other runtimes and compare them with ONNX Runtime.",
    )
    parser.add_argument("default", type=Path, help="ONNX file for images of any size")
    parser.add_argument("bare", type=Path, help="ONNX file of the same weights, written by --bare")
    parser.add_argument("--tflite", type=Path, metavar="FILE", help="made by onnx2tf of a bare one")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    files = {"default": options.default, "bare": options.bare}
    if options.tflite is not None:
        files["tflite"] = options.tflite
    conditions = conditions_now(inspect_model(read_model_file(options.default)), options.threads)
    print(HEADER)
    rows, failed = [], False
    for runtime in RUNTIMES:
        row = measure(runtime, files, options.threads)
        print(row, flush=True)
        rows.append(row)
        if not row.problem and runtime.exact:
            failed |= not (row.largest < LARGEST_DIFFERENCE and row.levels_changed == 0)
    if options.json is not None:
        save(options.json, conditions, rows)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
