"""Write the tables and plots of README, model card and documentation from the measurements.

``python -m benchmarks.tables`` after a benchmark has written its JSON, or when models were added or
replaced; a test fails if a page and what it tells of differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from argan_plugin.weights import CHROMA, model_names
from benchmarks import (
    blocks,
    choices,
    cluster,
    consistent,
    earlier_compression,
    footprint,
    gallery_scores,
    harmless,
    huge,
    models,
    peers,
    plots,
    profile_file,
    quality,
    runtimes,
    saved_again,
    variants,
)
from benchmarks.conditions import Conditions

_HERE = Path(__file__).parent
ROOT = _HERE.parent
_DEFAULT = model_names()[0]

PAGES = {
    "README.md": ("summary", "hours"),
    "argan_plugin/models/README.md": (
        "overview",
        *(f"{table} {name}" for name in model_names() for table in ("run", "card", "failures")),
        f"run {CHROMA}",
    ),
    "docs/gallery.md": ("gallery gains", f"failures {_DEFAULT}", "gallery sources"),
    "docs/real-files.md": (
        "earlier_compression",
        "blocks",
        "consistent",
        "saved_again",
        "harmless",
    ),
    "docs/runtimes.md": ("runtimes", "variants"),
    "docs/scale.md": ("huge", "cluster"),
    "docs/speed.md": ("peers", "profile_file", "choices"),
}
"""The tables of each page, by the names that they have in the page."""


def _measured(name: str, header: str, kind: type[object]) -> Callable[[], str]:
    """Return a function that renders the rows of a JSON file beside this one."""

    def render() -> str:
        content = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
        rows = [str(kind(**row)) for row in content["rows"]]
        return "\n".join([header, *rows, "", str(Conditions(**content["conditions"]))])

    return render


_TABLES: dict[str, Callable[[], str]] = {
    "summary": quality.summary,
    "hours": footprint.hours,
    "overview": models.overview,
    "gallery gains": gallery_scores.gains,
    "gallery sources": gallery_scores.sources,
    "consistent": _measured("consistent", consistent.HEADER, consistent.Row),
    "blocks": _measured("blocks", blocks.HEADER, blocks.Row),
    "earlier_compression": _measured(
        "earlier_compression", earlier_compression.HEADER, earlier_compression.Row
    ),
    "harmless": _measured("harmless", harmless.HEADER, harmless.Row),
    "choices": _measured("choices", choices.HEADER, choices.Row),
    "cluster": _measured("cluster", cluster.HEADER, cluster.Row),
    "huge": _measured("huge", huge.HEADER, huge.Row),
    "peers": _measured("peers", peers.HEADER, peers.Row),
    "profile_file": _measured("profile_file", profile_file.HEADER, profile_file.Row),
    "saved_again": _measured("saved_again", saved_again.HEADER, saved_again.Row),
    "runtimes": _measured("runtimes", runtimes.HEADER, runtimes.Row),
    "variants": _measured("variants", variants.HEADER, variants.Row),
}
_TABLES[f"run {CHROMA}"] = partial(footprint.run, CHROMA)
for _name in model_names():
    _TABLES[f"run {_name}"] = partial(footprint.run, _name)
    _TABLES[f"card {_name}"] = partial(quality.card, _name)
    _TABLES[f"failures {_name}"] = partial(gallery_scores.failures, _name)

PLOTS: dict[str, Callable[[Path], None]] = {
    "docs/images/comparison.png": plots.quality,
    "docs/images/speed.png": plots.speed,
}


def refreshed(page: str, names: Sequence[str]) -> str:
    """Return the page with the named tables as the measurements have them.

    Raises
    ------
    ValueError
        If the page has no place for one, ``<!-- table NAME -->`` and ``<!-- end NAME -->``, or a
        shipped model has no figures.
    """
    for name in names:
        begin, end = f"<!-- table {name} -->", f"<!-- end {name} -->"
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"expected {begin} and {end} in the page")
        try:
            table = _TABLES[name]()
        except KeyError as error:
            raise ValueError(
                f"{name}: there are no figures of {error}; docs/releasing.md says how to measure"
            ) from error
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def write() -> None:
    """Write the pages and the plots."""
    for name, names in PAGES.items():
        path = ROOT / name
        path.write_text(refreshed(path.read_text(encoding="utf-8"), names), encoding="utf-8")
        print(f"written: {path}")
    for name, draw in PLOTS.items():
        draw(ROOT / name)
        print(f"written: {ROOT / name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages and the plots."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.tables",
        description="Write the tables and plots of all pages from the measurements' JSON files.",
    ).parse_args(arguments)
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
