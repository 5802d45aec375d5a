"""``argan info``: what is known of the JPEG compression of files."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from argan_plugin.errors import ArganError
from argan_plugin.files import strict_decoding
from argan_plugin.inspection import JpegInspection, inspect_jpeg
from argan_plugin.jpeg import JpegInfo
from argan_plugin.native_stderr import silenced


def run_info_command(
    arguments: Sequence[str],
    *,
    max_pixels: int,
    tell: Callable[[str], None],
    complain: Callable[[str], None],
) -> bool:
    """Run the command with the arguments that follow ``argan info``.

    Parameters
    ----------
    arguments
        Files and options.
    max_pixels
        As in `strict_decoding`.
    tell
        Takes each line of what is found.
    complain
        Takes a message about a file that cannot be read; the others are told of all the same.

    Returns
    -------
    bool
        Whether all files could be read.

    Raises
    ------
    SystemExit
        As argparse does it, for wrong usage and for help.
    """
    options = _parser().parse_args(arguments)
    inspections: list[tuple[str, JpegInspection]] = []
    with strict_decoding(max_pixels):
        for name in options.files:
            try:
                with silenced():
                    inspection = inspect_jpeg(name)
            except ArganError as error:
                complain(f"failed: {error}")
                continue
            inspections.append((name, inspection))
            if not options.json:
                for line in _lines(name, inspection):
                    tell(line)
    if options.json:
        found = [{"path": name, **dataclasses.asdict(one)} for name, one in inspections]
        for line in json.dumps(found, indent=1).splitlines():
            tell(line)
    return len(inspections) == len(options.files)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="argan info",
        description="Tell how strongly pictures were compressed as JPEG: by the file, and by the "
        "pixels, which remember earlier compressions. docs/real-files.md says how far to trust it.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="pictures, JPEG files or not")
    parser.add_argument("--json", action="store_true", help="one JSON list with all that is known")
    return parser


def _lines(name: str, found: JpegInspection) -> Iterator[str]:
    yield f"{name}:"
    yield f"    picture      {found.width} x {found.height}, {found.mode}, {found.format}"
    if found.file is not None:
        yield from _header_lines(found.file)
    if found.earlier is not None:
        earlier = found.earlier
        shift = (
            f"on a grid that begins {earlier.down} down, {earlier.across} across"
            if earlier.down or earlier.across
            else "on the grid of the picture's corner"
        )
        yield (
            f"    pixels       {earlier.certainty}: {'earlier ' if found.file else ''}JPEG "
            f"compression at about quality {earlier.quality}, {shift}"
        )
    else:
        yield f"    pixels       no {'earlier ' if found.file else ''}JPEG compression found"
    yield f"    restoring    {'worthwhile' if found.worthwhile else 'leave it'}: {found.reason}"


def _header_lines(file: JpegInfo) -> Iterator[str]:
    order = "progressive" if file.progressive else "sequential"
    yield f"    stored       {order}, {file.subsampling or 'no'} chroma"
    chroma = "" if file.chroma_quality is None else f", chroma {file.chroma_quality}"
    tables = "IJG tables" if file.ijg_tables else "nearest to tables of its own"
    yield f"    quality      luma {file.quality}{chroma} ({tables})"
    for number, table in enumerate(dict.fromkeys(file.quantization)):
        rows = np.array(table).reshape(8, 8)
        width = len(str(rows.max()))
        for line, row in enumerate(rows):
            label = f"table {number}" if line == 0 else ""
            yield f"    {label:12} {' '.join(f'{step:{width}}' for step in row)}"
