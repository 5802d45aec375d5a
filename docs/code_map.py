"""Write the map of the plugin's files in docs/code-map.md, from their docstrings and layers.

Run ``python docs/code_map.py`` from a checkout. The layers are the contract in pyproject.toml that
import-linter holds, so that the map cannot be wrong about who may import whom.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "code-map.md"

_BEGIN, _END = "<!-- map -->", "<!-- end map -->"


def layers() -> list[list[str]]:
    """Return the plugin's modules, the topmost layer first, as import-linter has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["argan_plugin"]
    )
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def summary(path: Path) -> str:
    """Return the first line of a file's docstring, fit for a table."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("|", r"\|")


def lines() -> Iterator[str]:
    """Yield a table for the plugin's layers, and one for each other folder."""
    yield "| layer | file | what it is |"
    yield "|---|---|---|"
    for number, names in enumerate(layers(), start=1):
        for name in names:
            path = ROOT / "argan_plugin" / f"{name}.py"
            yield f"| {number} | `argan_plugin/{name}.py` | {summary(path)} |"
    for folder in ("training", "export", "benchmarks"):
        yield ""
        yield "| file | what it is |"
        yield "|---|---|"
        for path in sorted((ROOT / folder).glob("*.py")):
            yield f"| `{folder}/{path.name}` | {summary(path)} |"


def refreshed(page: str) -> str:
    """Return the page with the map as the code has it."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return "\n".join([before + _BEGIN, *lines(), _END + after])


def main() -> None:
    """Write the page."""
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
