"""Measure what the defaults were chosen from, one choice after the other: docs/speed.md.

``python -m benchmarks.choices --json benchmarks/choices.json``, and for other forms of the model
``--file int8=argan-int8.onnx``. Each row differs from the first of its runtime in one thing, and is
measured in a process of its own on noise. Processor time is what counts where other programs run.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_info import ModelInfo
from argan_plugin.tiling import plan_tiles
from argan_plugin.weights import find_model
from benchmarks.choice_runners import Choice, open_choice
from benchmarks.conditions import conditions_now, finish

PICTURE = (3000, 4000)
"""The picture that the share of halo is reckoned for."""

RUNS = 2

HEADER = (
    "| runtime | choice | tile | s/megapixel | processor s/megapixel | opening s | peak MB |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one choice."""

    runtime: str
    choice: str
    tile: str
    """Height and width of the largest, in pixels, with its halo."""
    seconds_per_megapixel: float = math.nan
    """Of the picture: what is computed of the halo twice is within."""
    processor_seconds_per_megapixel: float = math.nan
    """The same, as the sum over the threads."""
    opening_seconds: float = math.nan
    peak_megabytes: float = math.nan
    """Largest resident size of the process beyond what it had before opening; Linux alone."""
    problem: str = ""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        facts = f"| {self.runtime} | {self.choice} | {self.tile} |"
        if self.problem:
            return f"{facts} {self.problem} | | | |"
        return (
            f"{facts} {self.seconds_per_megapixel:.2f} | "
            f"{self.processor_seconds_per_megapixel:.2f} | {self.opening_seconds:.2f} | "
            f"{self.peak_megabytes:.0f} |"
        )


def choices(
    file: Path, others: dict[str, Path], threads: int, sides: Sequence[int]
) -> Iterator[Choice]:
    """Yield what is measured, the plugin's way first for each runtime."""
    onnxruntime = Choice(runtime="ONNX Runtime", name="float32", file=file, threads=threads)
    openvino = replace(onnxruntime, runtime="OpenVINO")
    yield onnxruntime
    yield from _in_each(onnxruntime, others, threads, sides)
    for level in ("EXTENDED", "BASIC"):
        yield replace(
            onnxruntime, name=f"optimization {level.lower()}", optimization=f"ORT_ENABLE_{level}"
        )
    yield replace(onnxruntime, name="no optimization", optimization="ORT_DISABLE_ALL")
    yield replace(onnxruntime, name="saved optimized graph", saved=True)
    yield replace(onnxruntime, name="no memory arena", arena=False)
    yield replace(onnxruntime, name="memory planned for each shape", pattern=True)
    yield replace(onnxruntime, name="spinning threads", spinning=True)
    yield replace(onnxruntime, name="io-binding", binding=True)
    yield openvino
    bfloat16 = replace(openvino, name="bfloat16", precision="bf16")
    yield bfloat16
    yield from _in_each(bfloat16, others, threads, sides)


def _in_each(
    first: Choice, others: dict[str, Path], threads: int, sides: Sequence[int]
) -> Iterator[Choice]:
    """Yield what both runtimes are measured in."""
    for name, file in others.items():
        yield replace(first, name=name, file=file)
    for side in sides:
        name = f"tile size {side}" if side else "the whole picture"
        yield replace(first, side=side, name=name)
    yield replace(first, side=512, name="one tile a run")
    yield replace(first, side=512, batch=4, name="four tiles a run")
    for number in sorted({1, threads // 2, threads - 1} - {0, threads}):
        yield replace(first, threads=number, name=f"{number} threads")


def measure(choice: Choice) -> Row:
    """Run one choice in this process."""
    info = inspect_model(read_model_file(choice.file))
    shape, overhead = tile_shape(info, choice.side)
    tile = "{} x {}".format(*shape)
    row = Row(runtime=choice.runtime, choice=choice.name, tile=tile)
    image = np.random.default_rng(0).random((choice.batch, 1, *shape), np.float32)
    before = _resident("VmRSS")
    started = time.perf_counter()
    try:
        run = open_choice(choice, image)
        opened = time.perf_counter()
        run()
        times = []
        for _ in range(RUNS):
            wall, processor = time.perf_counter(), time.process_time()
            run()
            times.append((time.perf_counter() - wall, time.process_time() - processor))
    # Each runtime has errors of its own; what it says is the result.
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return replace(row, problem=f"not run: {said}")
    wall, processor = (min(kind) * overhead / image.size * 1e6 for kind in zip(*times, strict=True))
    return replace(
        row,
        seconds_per_megapixel=wall,
        processor_seconds_per_megapixel=processor,
        opening_seconds=opened - started,
        peak_megabytes=_resident("VmHWM") - before,
    )


def tile_shape(info: ModelInfo, side: int | None) -> tuple[tuple[int, int], float]:
    """Return the largest tile of the picture, and pixels computed for each pixel of it."""
    tiles = plan_tiles(
        *PICTURE,
        tile_size=max(PICTURE) if side == 0 else side,
        halo=info.halo,
        size_multiple=info.size_multiple,
    )
    shapes = [
        (rows.stop - rows.start, columns.stop - columns.start)
        for rows, columns in (tile.read for tile in tiles)
    ]
    return max(shapes, key=math.prod), sum(map(math.prod, shapes)) / math.prod(PICTURE)


def _resident(what: str) -> float:
    """Return a resident size of this process in megabytes, as Linux has it; else NaN."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.nan
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024 / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all choices and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.choices", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="by default the default model")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another form of the model",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument(
        "--sides",
        type=int,
        nargs="*",
        default=[256, 512, 1024, 2048, 0],
        metavar="N",
        help="tile sizes; 0 for the whole picture",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    file = find_model(options.model)
    others = {name: Path(path) for name, _, path in (pair.partition("=") for pair in options.file)}
    conditions = conditions_now(inspect_model(read_model_file(file)), options.threads)
    print(HEADER)
    rows = []
    context = multiprocessing.get_context("spawn")
    for choice in choices(file, others, options.threads, options.sides):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            row = pool.submit(measure, choice).result()
        print(row, flush=True)
        rows.append(row)
    finish(conditions, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
