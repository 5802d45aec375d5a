"""Measure what restoring chroma gains: docs/real-files.md.

``python -m benchmarks.chroma --images LIVE1`` stores each original as a colour JPEG, restores it
through `argan_plugin.restore`, with chroma and without, and prints PSNR over R, G and B.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.chroma import chroma_info
from argan_plugin.jpeg import Subsampling, round_trip
from argan_plugin.model import RestorationModel
from argan_plugin.weights import CHROMA
from benchmarks.conditions import conditions_now
from training.metrics import psnr
from training.pictures import find_pictures

HEADER = (
    "| picture | JPEG | luma restored | luma and chroma | chroma adds | least, of one picture |\n"
    "|---|---|---|---|---|---|"
)

# The last is the original itself, which should stay what it is.
_CASES: list[tuple[Subsampling | None, int]] = [
    *(("4:2:0", quality) for quality in (10, 20, 30, 40, 75, 95)),
    *(("4:4:4", quality) for quality in (10, 40, 95)),
    (None, 100),
]


def row(
    case: tuple[Subsampling | None, int],
    originals: Sequence[NDArray[np.uint8]],
    model: RestorationModel,
) -> str:
    """Return a row of the table: means over the pictures.

    Of originals it is the PSNR of the mean error, for some come back without any: inf.
    """
    subsampling, quality = case
    verbs: tuple[Callable[..., NDArray[np.float32]], ...] = (luma_change, colour_change)
    decibels = []
    for original in originals:
        compressed = original
        if subsampling is not None:
            compressed = round_trip(original, quality=quality, subsampling=subsampling)
        restored = [apply_change(compressed, verb(compressed, model=model)) for verb in verbs]
        decibels.append([psnr(image, original) for image in (compressed, *restored)])
    scores = np.array(decibels)
    if subsampling is None:
        luma, both = -10 * np.log10(np.mean(10 ** (-scores[:, 1:] / 10), axis=0))
        return f"| original |  | {luma:.2f} | {both:.2f} | {both - luma:+.2f} |  |"
    jpeg, luma, both = scores.mean(axis=0)
    least = (scores[:, 2] - scores[:, 1]).min()
    return (
        f"| {subsampling}, q = {quality} | {jpeg:.2f} | {luma:.2f} | {both:.2f} | "
        f"{both - luma:+.2f} | {least:+.2f} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; return 1 after an error that stderr explains."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chroma", description="Measure what restoring chroma gains."
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="originals")
    parser.add_argument("--model", metavar="NAME|PATH", help="by default the shipped one")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (2)")
    options = parser.parse_args(arguments)
    pictures = find_pictures(options.images)
    if not pictures:
        print(f"error: {options.images}: expected a folder of original pictures.", file=sys.stderr)
        return 1
    model = RestorationModel(options.model, device="cpu", threads=options.threads)
    conditions = conditions_now(model.info, options.threads)
    originals = [np.asarray(Image.open(path).convert("RGB")) for path in pictures]
    print(HEADER)
    for case in _CASES:
        print(row(case, originals, model), flush=True)
    of_chroma = f"{CHROMA}: {chroma_info().weights_sha256[:12]}."
    print(f"\nPSNR in dB, means over {len(pictures)} pictures. {conditions} {of_chroma}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
