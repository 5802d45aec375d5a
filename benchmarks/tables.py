"""Write the tables of docs/runtimes.md from the measurements beside this file.

``python -m benchmarks.tables`` after `benchmarks.runtimes` or `benchmarks.variants` has written its
JSON; a test fails if the page and the JSON differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import runtimes, variants
from benchmarks.conditions import Conditions

_HERE = Path(__file__).parent
PAGE = _HERE.parent / "docs" / "runtimes.md"

_TABLES = {"runtimes": (runtimes.HEADER, runtimes.Row), "variants": (variants.HEADER, variants.Row)}
"""Header and kind of row, by the name of the table in the page and of the JSON file."""


def refreshed(page: str) -> str:
    """Return the page with its tables as the measurements have them.

    Raises
    ------
    ValueError
        If the page has no place for one: ``<!-- table NAME -->`` and ``<!-- end NAME -->``.
    """
    for name in _TABLES:
        begin, end = f"<!-- table {name} -->", f"<!-- end {name} -->"
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"expected {begin} and {end} in the page")
        page = f"{before}{begin}\n{_render(name)}\n{end}{after}"
    return page


def main() -> int:
    """Write the page."""
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


def _render(name: str) -> str:
    """Return a measurement in Markdown."""
    header, kind = _TABLES[name]
    content = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
    rows = [str(kind(**row)) for row in content["rows"]]
    return "\n".join([header, *rows, "", str(Conditions(**content["conditions"]))])


if __name__ == "__main__":
    sys.exit(main())
