"""``argan model``: which models are installed, and a copy of one for another runtime."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from argan_plugin.errors import ImageFileError
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.weights import model_path, shipped_names
from argan_plugin.whole_file import written_whole


def run_model_command(arguments: Sequence[str]) -> None:
    """Run the command with the arguments that follow ``argan model``.

    Raises
    ------
    ArganError
        If there is no such model, or it cannot be read or copied.
    SystemExit
        As argparse does it, for wrong usage and for help.
    """
    options = _parser().parse_args(arguments)
    if options.action == "copy":
        _copy(options.name, Path(options.dest), overwrite=options.overwrite)
    else:
        print(_describe_models())  # noqa: T201 - what the command is for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="argan model",
        description="The models that are installed with this package.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="list them with their facts (the default)")
    copy = actions.add_parser("copy", help="write a model's ONNX file, for another runtime")
    copy.add_argument("name", metavar="NAME", help="as listed")
    copy.add_argument("dest", metavar="DEST", help="a file, or a folder that exists")
    copy.add_argument("--overwrite", action="store_true", help="replace a file that exists already")
    return parser


def _describe_models() -> str:
    if not shipped_names():
        return "No model is installed with this package. Give one with --model PATH."
    lines = []
    for position, name in enumerate(shipped_names()):
        path = model_path(name)
        data = read_model_file(path)
        info = inspect_model(data)
        low, high = info.quality_range
        lines += [
            f"{name}{' (default)' if position == 0 else ''}: {info.summary}",
            f"    file          {path}",
            f"    size          {len(data) / 1e6:.2f} MB",
            f"    cost          {info.kflop_per_pixel:g} kFLOP per pixel",
            f"    JPEG quality  {low} to {high}",
            f"    halo          {info.halo} pixels of context on each side of a tile",
            f"    licence       {info.license}",
        ]
    return "\n".join(lines)


def _copy(name: str, destination: Path, *, overwrite: bool) -> None:
    source = model_path(name)
    target = destination / source.name if destination.is_dir() else destination
    try:
        if target.exists() and target.samefile(source):
            raise ImageFileError(f"{target}: is the installed model itself; give another place.")
        with source.open("rb") as model, written_whole(target, overwrite=overwrite) as copy:
            shutil.copyfileobj(model, copy)
    except OSError as error:
        raise ImageFileError(f"{target}: cannot be written: {error.strerror}.") from error
