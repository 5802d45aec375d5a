"""Where the time goes when the command restores a photo of 12 megapixels: docs/speed.md.

``python -m benchmarks.profile_file --json benchmarks/profile_file.json`` runs the command once for
each runtime, in a process of its own, and once with a network that takes no time, which shows what
limits when a network is as fast as on a GPU. The time of a step is what the clock says, without
that of the steps in it. Other programs lengthen it: the quickest of several runs counts, and the
machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from argan_plugin import (
    cli,
    correction,
    devices,
    model,
    restoration,
    restore_file,
    restore_files,
    tilewise,
)
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.onnxruntime_session import OnnxRuntimeSession
from argan_plugin.openvino_session import OpenVinoSession
from argan_plugin.weights import find_model
from benchmarks.conditions import conditions_now, finish

NO_TIME = "none: the result is the input"
RUNTIMES = {"ONNX Runtime": "cpu", "OpenVINO": "openvino", NO_TIME: "cpu"}
"""The device of each."""

_SIZE = 3000, 4000
_PIECE = 500
_SAMPLE = Path(cli.__file__).parent / "samples" / "vintage_cars.jpg"

HEADER = (
    "| network | start | first tile | decode | luma | network | checks | tiles | colour | encode "
    "| rest | outside the network | around it |\n" + "|---" * 13 + "|"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seconds of one run of the command by the clock, but for the last two."""

    runtime: str
    start: float
    """From the start of the process until the first tile goes to the network."""
    first_tile: float
    """And until it comes back."""
    decode: float
    luma: float
    network: float
    """In the session's `run`."""
    checks: float
    """Of shapes and results, by `RestorationModel`."""
    tiles: float
    """Cutting and stitching, and the difference to luma that the file's steps make plausible."""
    colour: float
    encode: float
    """And bringing the file to the disk."""
    rest: float
    outside: float
    """Share of all that is not `network` in the time after the start."""
    around: float
    """Megapixels per second in luma, checks, tiles and colour."""

    @property
    def whole(self) -> float:
        """Seconds after the start."""
        steps = self.decode, self.luma, self.network, self.checks, self.tiles, self.colour
        return sum(steps) + self.encode + self.rest

    def __str__(self) -> str:
        """Return the row in Markdown."""
        seconds = [getattr(self, field.name) for field in fields(self)[1:-2]]
        cells = [self.runtime, *(f"{value:.2f}" for value in seconds)]
        return f"| {' | '.join(cells)} | {self.outside:.0%} | {self.around:.0f} MP/s |"


def photo(height: int, width: int) -> Image.Image:
    """Return a picture made of crops of the sample photo, no two of which are alike."""
    random = np.random.default_rng(12)
    result = Image.new("RGB", (width, height))
    with Image.open(_SAMPLE) as sample:
        for top in range(0, height, _PIECE):
            for left in range(0, width, _PIECE):
                side = int(random.integers(_PIECE // 2, _PIECE))
                x, y = (int(random.integers(0, length - side + 1)) for length in sample.size)
                box = (x, y, x + side, y + side)
                piece = sample.resize((_PIECE, _PIECE), Image.Resampling.BICUBIC, box)
                result.paste(piece, (left, top))
    return result


class _Clock:
    """Adds up the time of steps, each without the steps that it calls in the same thread."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.moments: dict[str, float] = {}
        """When a step began and ended first, in seconds since 1970."""
        self._within = threading.local()

    def watch(self, owner: Any, name: str, step: str) -> None:
        """Measure a function of a module or a class from now on."""
        setattr(owner, name, self._watched(getattr(owner, name), step))

    def _watched(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            outer = getattr(self._within, "inner_seconds", 0.0)
            self._within.inner_seconds = 0.0
            self.moments.setdefault(f"{step} begins", time.time())
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds = time.perf_counter() - started
                self.seconds[step] += seconds - self._within.inner_seconds
                self._within.inner_seconds = outer + seconds
                self.moments.setdefault(f"{step} ends", time.time())

        return watched


def profile(runtime: str, arguments: Sequence[str], started: float, pixels: int) -> Row:
    """Run the command in this process and say where its time went.

    Parameters
    ----------
    runtime : str
        A key of `RUNTIMES`.
    arguments : sequence of str
        Of the command, without the device.
    started : float
        When the process started, in seconds since 1970.
    pixels : int
        How many the picture has.
    """
    clock = _Clock()
    if runtime == NO_TIME:

        def give_back(session: Any, image: Any, cancel: Any) -> Any:  # noqa: ARG001
            return image

        OnnxRuntimeSession.run = give_back  # type: ignore[method-assign]
    for owner, name, step in (
        (restore_files, "restore_files", "rest"),
        (restore_file, "read_picture", "decode"),
        (restore_file, "write_picture", "encode"),
        (tilewise, "map_tiles", "tiles"),
        (correction, "unit_luma", "luma"),
        (model.RestorationModel, "run", "checks"),
        (OnnxRuntimeSession, "run", "network"),
        (OpenVinoSession, "run", "network"),
        (restoration, "applied", "colour"),
    ):
        clock.watch(owner, name, step)
    code = cli.main([*arguments, "--device", RUNTIMES[runtime], "--quiet"])
    if code:
        raise RuntimeError(f"the command failed with exit code {code}")
    seconds = dict(clock.seconds)
    # Reading and writing are done by other threads, for which the calling one waits.
    seconds["rest"] -= seconds["decode"] + seconds["encode"]
    around = sum(seconds[step] for step in ("luma", "checks", "tiles", "colour"))
    return Row(
        runtime=runtime,
        start=clock.moments["network begins"] - started,
        first_tile=clock.moments["network ends"] - started,
        outside=1 - seconds["network"] / sum(seconds.values()),
        around=pixels / 1e6 / around,
        **seconds,
    )


def _in_new_process(runtime: str, source: Path, options: argparse.Namespace) -> Row:
    """Return the row of a run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.profile_file", "--inside", runtime, str(source)]
    command += ["--started", str(time.time())]
    command += [] if options.model is None else ["--model", options.model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the command failed: {done.stderr.strip()}")
    return Row(**json.loads(done.stdout))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile_file", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="by default the default model")
    parser.add_argument("--size", type=int, nargs=2, default=_SIZE, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="the quickest counts (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    chosen = [] if options.model is None else ["--model", options.model]
    if options.inside:
        runtime, source = options.inside
        with Image.open(source) as image:
            pixels = image.width * image.height
        target = str(Path(source).with_suffix(".png"))
        command = [source, "-o", target, "--overwrite", *chosen]
        print(json.dumps(asdict(profile(runtime, command, options.started, pixels))))
        return 0
    info = inspect_model(read_model_file(find_model(options.model)))
    conditions = conditions_now(info, os.cpu_count() or 1)
    print(HEADER)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "photo.jpg")
        photo(*options.size).save(source, quality=40)
        for runtime in RUNTIMES:
            if runtime == "OpenVINO" and not devices.has_openvino():
                continue
            runs = [_in_new_process(runtime, source, options) for _ in range(options.runs)]
            rows.append(min(runs, key=lambda row: row.whole))
            print(rows[-1], flush=True)
    finish(conditions, rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
