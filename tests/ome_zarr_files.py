"""OME-Zarr images that several tests read and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray


def colour_movie(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a movie of colour slices: (t, c, z, y, x) of shape (2, 3, 3, 93, 118)."""
    return np.stack(
        [
            np.stack([np.roll(photo, 9 * t + 4 * z, axis=1) for z in range(3)]).transpose(
                3, 0, 1, 2
            )
            for t in range(2)
        ]
    )


def mean_of_blocks(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return means of 2 x 2 pixels; an odd last one is left out."""
    height, width = (length // 2 * 2 for length in pixels.shape[-2:])
    even = pixels[..., :height, :width].astype(float)
    blocks = even.reshape(*even.shape[:-2], height // 2, 2, width // 2, 2)
    means: NDArray[Any] = np.rint(blocks.mean(axis=(-3, -1))).astype(pixels.dtype)
    return means


def write_image(
    group: Any, levels: list[NDArray[Any]], axes: str, more: dict[str, Any], **options: Any
) -> None:
    """Write an image of format 0.4 (zarr 2) or 0.5 (zarr 3) into a group, as others would."""
    types = {"t": "time", "c": "channel"}
    datasets = []
    newer = group.metadata.zarr_format == 3
    for number, pixels in enumerate(levels):
        array = group.create_array(
            f"s{number}",
            shape=pixels.shape,
            dtype=pixels.dtype,
            dimension_names=list(axes) if newer else None,
            chunk_key_encoding={"name": "default" if newer else "v2", "separator": "/"},
            **options,
        )
        array[:] = pixels
        scale = [2.0**number * 0.25 if axis in "yx" else 1.0 for axis in axes]
        transformations = [{"type": "scale", "scale": scale}]
        datasets.append({"path": f"s{number}", "coordinateTransformations": transformations})
    multiscale: dict[str, Any] = {
        "name": "disc",
        "axes": [{"name": axis, "type": types.get(axis, "space")} for axis in axes],
        "datasets": datasets,
        "type": "gaussian",
    }
    if newer:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], **more}
    else:
        group.attrs.update({"multiscales": [{**multiscale, "version": "0.4"}], **more})


def write_pyramid(
    folder: Path,
    pixels: NDArray[Any],
    *,
    axes: str = "tczyx",
    zarr_format: Literal[2, 3] = 3,
    chunks: tuple[int, ...] = (1, 1, 2, 32, 50),
    shards: tuple[int, ...] | None = None,
    colours: Sequence[str] = (),
    levels: int = 3,
) -> Path:
    """Write an image with labels."""
    group = zarr.create_group(folder, zarr_format=zarr_format)
    pyramid = [pixels]
    for _ in range(levels - 1):
        pyramid.append(mean_of_blocks(pyramid[-1]))
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [{"color": colour, "window": window, "active": True} for colour in colours]
    more = {"omero": {"channels": channels}} if colours else {}
    write_image(group, pyramid, axes, more, chunks=chunks, shards=shards)
    labels = group.create_group("labels")
    names = {"labels": ["cells"]}
    labels.attrs.update({"ome": {"version": "0.5", **names}} if zarr_format == 3 else names)
    label = {"image-label": {"colors": [{"label-value": 7, "rgba": [255, 0, 0, 255]}]}}
    cells = [np.full(level.shape, 7, np.uint32) for level in pyramid]
    write_image(labels.create_group("cells"), cells, axes, label, chunks=pixels.shape)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
