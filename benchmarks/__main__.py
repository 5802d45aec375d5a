"""Everything about speed in one command: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers, tables

_JSON = Path(__file__).with_name("peers.json")

_OTHERS = """\
other measurements, each with --help of its own; docs/ says which page shows what:
  python -m training evaluate       quality, beside published figures
  python -m benchmarks.gallery      crops and their scores, beside other filters
  python -m benchmarks.memory       how much memory restoring takes
  python -m benchmarks.choices      what the defaults were chosen from
  python -m benchmarks.runtimes     exported files in other runtimes
  python -m benchmarks.variants     what each form of export costs
  python -m benchmarks.profile_file what each step of restoring a file takes
  python -m benchmarks.structure    other forms of the shipped network's graph
  python -m benchmarks.ablations    short training runs that differ in one respect
  python -m benchmarks.candidates, chroma_candidates
                                    weights beside each other, before they are shipped
  python -m benchmarks.illustrations clip art and paintings, from folders of them
  python -m benchmarks.scripts      text in other fonts and scripts
  python -m benchmarks.napari_stall how long napari's window does not answer
  python -m benchmarks.huge         pictures larger than the memory
  python -m benchmarks.cluster      a batch on a dask cluster
  python -m benchmarks.blocks, consistent, earlier_compression, saved_again, harmless,
                       chroma       real files
  python -m benchmarks.network_error what the bound of a file's steps should count on
  python -m benchmarks.tables       measure nothing: write all tables and plots
                                    anew from the JSON files
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure beside the peers, and bring docs/speed.md and its plot up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure time and memory of ARGAN and of what a user would take instead, on "
        "pictures of 0.1 to 100 megapixels. Takes long and wants a quiet machine. Writes "
        "benchmarks/peers.json, the table of docs/speed.md and docs/images/speed.png. For some "
        "methods or sizes alone: python -m benchmarks.peers --help.",
        epilog=_OTHERS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    peers.add_limits(parser)
    options = parser.parse_args(arguments)
    limits = [f"--{name}={getattr(options, name)}" for name in ("threads", "limit", "rounds")]
    peers.main([*limits, "--json", str(_JSON)])
    tables.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
