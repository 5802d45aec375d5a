"""Every code block of README.md and docs/ runs, page by page, or says in the page why not.

The blocks of a page run in their order, in one folder and one Python namespace, as for a reader who
copies them one after the other. The folder stands for a checkout with the reader's pictures in it.
A comment before a block changes that::

    <!-- slow: it trains -->        the block runs with the slow tests alone
    <!-- not run: takes hours -->   pytest names it as skipped, and says why
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from numpy.typing import NDArray
from PIL import Image

_ROOT = Path(__file__).parents[1]
_PAGES = ("README.md", *sorted(str(p.relative_to(_ROOT)) for p in _ROOT.glob("docs/**/*.md")))
_MARK = re.compile(r"<!-- (slow|not run): (.+) -->")
_RUN = {"python", "bash"}
_SHOWN = {"js", "text"}  # other languages, output and drawings


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: str
    line: int
    language: str
    code: str
    mark: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page in their order, those inside of lists, too."""
    tokens = MarkdownIt().parse((_ROOT / page).read_text(encoding="utf-8"))
    blocks = []
    comments = ""
    for token in tokens:
        if token.type == "html_block":
            comments += token.content
            continue
        if token.type == "fence" and token.map is not None:
            found = _MARK.search(comments)
            mark, reason = found.groups() if found else (None, "")
            line = token.map[0] + 1
            blocks.append(Block(page, line, token.info, token.content, mark, reason))
        comments = ""
    return blocks


_BLOCKS = [block for page in _PAGES for block in blocks_of(page)]


@pytest.fixture
def folder(
    tmp_path: Path, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Make what the pages take for granted, go there, and give a namespace for Python blocks."""
    for package in ("argan_plugin", "export", "training"):
        (tmp_path / package).symlink_to(_ROOT / package)
    shutil.copytree(_ROOT / "docs" / "demo", tmp_path / "docs" / "demo")
    picture = Image.fromarray(photo)
    for name in ("in.jpg", "photo.jpg", "photos/beach.jpg", "photos/2019/forest.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        picture.save(tmp_path / name, quality=20)
    for number in range(4):
        path = tmp_path / "pictures" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.tile(np.roll(photo, 20 * number, axis=1), (3, 3, 1))).save(path)
    for name in ("kept", "LIVE1", "CLASSIC5"):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "original.png")
    weights = _ROOT / "training" / "weights" / "argan.safetensors"
    shutil.copy(weights, tmp_path / "weights.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    return {"__name__": "__main__"}


def run(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block; what it prints goes to pytest."""
    if block.language == "python":
        # so that a traceback shows the page's own lines
        code = "\n" * block.line + block.code
        exec(compile(code, str(_ROOT / block.page), "exec"), namespace)
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block} failed:\n{done.stdout}{done.stderr}"


def pages_with(mark: str | None) -> list[str]:
    """Return the pages that have blocks to run which are marked so."""
    return [
        page
        for page in _PAGES
        if any(b.page == page and b.language in _RUN and b.mark == mark for b in _BLOCKS)
    ]


@pytest.mark.parametrize("page", pages_with(None))
def test_blocks_of_a_page(page: str, folder: dict[str, Any]) -> None:
    for block in blocks_of(page):
        if block.language in _RUN and block.mark is None:
            run(block, folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", pages_with("slow"))
def test_blocks_of_a_page_with_slow_ones(page: str, folder: dict[str, Any]) -> None:
    for block in blocks_of(page):
        if block.language in _RUN and block.mark != "not run":
            run(block, folder)


@pytest.mark.parametrize("block", [b for b in _BLOCKS if b.mark == "not run"], ids=str)
def test_block_that_cannot_run_here(block: Block) -> None:
    pytest.skip(f"{block}: {block.reason}")


def test_each_block_says_its_language() -> None:
    assert [str(block) for block in _BLOCKS if block.language not in _RUN | _SHOWN] == []
    assert [str(block) for block in _BLOCKS if block.mark and block.language not in _RUN] == []
