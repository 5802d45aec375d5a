"""OME-Zarr's metadata: where the levels of a pyramid lie, and which axes they have.

The formats are 0.4 [1]_, which is zarr 2, and 0.5 [2]_, which is zarr 3; of older ones 0.1 to 0.3
differ in how they name axes. This is all that has to be known of them here: the metadata of the
output are those of the input.

References
----------
.. [1] https://ngff.openmicroscopy.org/0.4/
.. [2] https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argan_plugin.errors import ImageFileError, UnsupportedImageError

GROUP_FILES = ("zarr.json", ".zattrs", ".zmetadata")
"""Files that may hold a group's attributes: of zarr 3, of zarr 2, and consolidated ones of that."""

ARRAY_FILES = ("zarr.json", ".zarray", ".zattrs")
"""Files that hold an array's metadata, of zarr 3 and of zarr 2."""

_DEFAULT_AXES = ("t", "c", "z", "y", "x")  # formats 0.1 and 0.2
_RGB = ("FF0000", "00FF00", "0000FF")


@dataclass(frozen=True, slots=True)
class Pyramid:
    """What the metadata of an image say."""

    levels: tuple[str, ...]
    """Paths of arrays inside the folder, the largest first."""

    axes: tuple[str, ...]
    """Names, the last two of them y and x."""

    rgb: bool
    """Whether the channels are called red, green and blue by their colours."""


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is a group or an array of zarr."""
    return any(
        os.path.isfile(os.path.join(path, name))  # noqa: PTH113, PTH118 - no error, whatever it is
        for name in ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    )


def read_pyramid(folder: Path) -> Pyramid:
    """Read the metadata of an OME-Zarr image.

    Raises
    ------
    ImageFileError
        If it is none, or its metadata are damaged.
    UnsupportedImageError
        If it holds several images, or its axes do not end with y and x.
    """
    attributes = _attributes(folder)
    if {"bioformats2raw.layout", "plate", "well"} & attributes.keys():
        raise UnsupportedImageError(
            f"{folder}: holds several images. Restore each by itself: the folders in it that have "
            '"multiscales" in their metadata.'
        )
    try:
        (multiscale,) = attributes["multiscales"]
        levels = tuple(str(dataset["path"]) for dataset in multiscale["datasets"])
        axes = tuple(_axis_name(axis) for axis in multiscale.get("axes", _DEFAULT_AXES))
        colours = _colours(attributes.get("omero", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageFileError(
            f'{folder}: expected the metadata of one OME-Zarr image ("multiscales" with one entry '
            f"that has datasets), but found {type(error).__name__}: {error}."
        ) from error
    if not levels or any(not _is_inside(folder, level) for level in levels):
        raise ImageFileError(f"{folder}: its levels {levels} are not folders inside it.")
    if axes[-2:] != ("y", "x"):
        raise UnsupportedImageError(f"{folder}: its axes must end with y and x, but are {axes}.")
    return Pyramid(levels, axes, rgb="c" in axes and colours == _RGB)


def describe_method(folder: Path, method: dict[str, Any]) -> None:
    """Say in an image's metadata how its levels were made, in all places that they have.

    ``type`` becomes "mean" and ``metadata`` the given facts, as the formats have it; what stood
    there was about other pixels.
    """
    for path in (folder / name for name in GROUP_FILES):
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.name == ".zmetadata":
            attributes = content["metadata"].get(".zattrs", {})
        else:
            attributes = content.get("attributes", content)
        for multiscale in attributes.get("ome", attributes).get("multiscales", []):
            multiscale |= {"type": "mean", "metadata": method}
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _attributes(folder: Path) -> dict[str, Any]:
    """Return what OME-Zarr has written into a group's attributes."""
    path = next((folder / name for name in GROUP_FILES[:2] if (folder / name).is_file()), None)
    if path is None:
        raise ImageFileError(f"{folder}: expected an OME-Zarr image, but it has no metadata.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        attributes = content.get("attributes", {}) if path.name == "zarr.json" else content
        inner: dict[str, Any] = attributes.get("ome", attributes)
        if not isinstance(inner, dict):
            raise TypeError("no object")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ImageFileError(f"{path}: cannot be read as metadata: {error}.") from error
    return inner


def _axis_name(axis: Any) -> str:
    return axis if isinstance(axis, str) else str(axis["name"])


def _colours(omero: dict[str, Any]) -> Sequence[str]:
    return tuple(str(channel.get("color", "")).upper() for channel in omero.get("channels", []))


def _is_inside(folder: Path, level: str) -> bool:
    """Tell whether a level is a folder inside the image's, and not reached through a link."""
    parts = Path(level).parts
    path = folder / level
    return bool(parts) and ".." not in parts and not Path(level).is_absolute() and path.is_dir()
