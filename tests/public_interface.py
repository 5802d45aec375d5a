"""What users may rely on, as text: Python names, options of the command, extras, napari's ids.

``python -m tests.public_interface`` writes ``tests/public_interface.txt``; a test compares. What a
change of it demands stands in docs/releasing.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import argan_plugin
from argan_plugin import info_command, model_command, ome_zarr, options, stacks

SNAPSHOT = Path(__file__).with_suffix(".txt")
_ROOT = Path(__file__).parent.parent


def describe() -> str:
    """Return the whole interface, a line for each part."""
    lines = ["# Python"]
    for name in argan_plugin.__all__:
        lines += _member(name, getattr(argan_plugin, name))
    for module in (ome_zarr, stacks):
        for name, member in sorted(vars(module).items()):
            if (
                _is_public(name)
                and inspect.isfunction(member)
                and member.__module__ == module.__name__
            ):
                lines += _member(f"{module.__name__.removeprefix('argan_plugin.')}.{name}", member)
    lines += ["", "# Command"]
    for parser in (options.restore_parser(), info_command._parser(), model_command._parser()):
        lines += _options(parser)
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines += ["", "# Extras", *sorted(project["optional-dependencies"])]
    manifest = (_ROOT / "napari.yaml").read_text(encoding="utf-8")
    lines += ["", "# napari", *sorted(re.findall(r"- id: (\S+)", manifest))]
    return "\n".join(lines) + "\n"


def _member(name: str, member: object) -> Iterator[str]:
    if isinstance(member, type):
        yield from _class(name, member)
    elif callable(member):
        yield f"{name}{_parameters(member)}"
    else:
        yield name  # the value of __version__ is not promised


def _class(name: str, member: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in member.__bases__ if base is not object)
    if issubclass(member, Exception):
        yield f"class {name}({bases})"  # made by the package alone
        return
    yield f"class {name}{_parameters(member)}" + (f" of {bases}" if bases else "")
    if dataclasses.is_dataclass(member):
        yield from (f"{name}.{f.name}: {f.type}" for f in dataclasses.fields(member))
    for attribute, value in sorted(vars(member).items()):
        if not _is_public(attribute):
            continue
        if isinstance(value, property):
            yield f"{name}.{attribute}"
        elif isinstance(value, classmethod | staticmethod) or inspect.isfunction(value):
            yield f"{name}.{attribute}{_parameters(getattr(member, attribute))}"


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _parameters(member: object) -> str:
    """Return names, order, kinds and defaults; mypy sees to the annotations."""
    signature = inspect.signature(member)  # type: ignore[arg-type]  # callers give callables
    bare = [
        parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # argparse has no public way to what a parser knows
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command.prog
                yield from _options(command)
        elif not isinstance(action, argparse._HelpAction):
            names = ", ".join(action.option_strings) or action.metavar
            facts = {
                "nargs": action.nargs,
                "choices": action.choices and list(action.choices),
                "default": action.default if action.default != argparse.SUPPRESS else None,
                "required": action.required and bool(action.option_strings),
            }
            told = "".join(
                f" {key}={value}" for key, value in facts.items() if value not in (None, False)
            )
            yield f"{parser.prog} {names}{told}"


if __name__ == "__main__":
    SNAPSHOT.write_text(describe(), encoding="utf-8")
    sys.stdout.write(f"written: {SNAPSHOT}\n")
