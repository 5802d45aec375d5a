"""What the benchmarks on real files have in common: options, printing, and saving."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from argan_plugin.model import RestorationModel
from benchmarks.conditions import conditions_now, finish
from training.pictures import find_pictures

Measure = Callable[[Path, RestorationModel], Iterable[Any]]
"""From a folder of originals and a model to rows: dataclasses that print themselves in Markdown."""


def run(
    arguments: Sequence[str] | None, *, name: str, description: str, header: str, measure: Measure
) -> int:
    """Measure on a folder of originals, print the table and save it; return 1 after an error.

    Parameters
    ----------
    arguments
        Of the command line.
    name
        Of the benchmark's module, and of the JSON file that `benchmarks.tables` reads.
    description
        For the help.
    header
        Of the table.
    measure
        Yields its rows.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="originals")
    parser.add_argument("--model", metavar="NAME|PATH", help="by default the shipped one")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the CPU (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    options = parser.parse_args(arguments)
    if not find_pictures(options.images):
        print(f"error: {options.images}: expected a folder of original pictures.", file=sys.stderr)
        return 1
    model = RestorationModel(options.model, device="cpu", threads=options.threads)
    conditions = conditions_now(model.info, options.threads)
    print(header)
    rows = []
    for row in measure(options.images, model):
        print(row, flush=True)
        rows.append(row)
    finish(conditions, rows, options.json)
    return 0
