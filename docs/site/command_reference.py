"""A hook of MkDocs: the page of all commands, as their own --help has it when the site is built."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_WIDTH = 92  # columns of a code block on the site

# Modules that make a parser, and the functions that do.
_PARSERS = (
    ("argan_plugin.options", "restore_parser"),
    ("argan_plugin.info_command", "_parser"),
    ("argan_plugin.model_command", "_parser"),
    ("training.options", "parser"),
    ("export.__main__", "_parser"),
    ("export.__main__", "_package_parser"),
)

_INTRODUCTION = """\
# Commands

Each command prints its part of this page with `--help`. `argan` is installed with the package; \
`python -m training` and `python -m export` are run from a checkout.
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, "reference/commands.md", content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    sys.path.insert(0, str(_ROOT))  # training and export are not installed
    try:
        parsers = [getattr(import_module(module), name)() for module, name in _PARSERS]
    finally:
        sys.path.remove(str(_ROOT))
    return _INTRODUCTION + "".join(part for parser in parsers for part in _parts(parser))


def _parts(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the help of a command and of its sub-commands."""
    formatter: Callable[..., argparse.HelpFormatter] = parser.formatter_class
    parser.formatter_class = partial(formatter, width=_WIDTH)
    yield f"\n## {parser.prog}\n\n```text\n{parser.format_help().strip()}\n```\n"
    for action in parser._actions:  # argparse has no public way to its sub-commands
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _parts(command)
