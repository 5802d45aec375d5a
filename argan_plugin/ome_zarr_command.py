"""``argan IN.ome.zarr -o OUT.ome.zarr``: a folder that is one image, not a folder of pictures."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from argan_plugin.model import open_model
from argan_plugin.ome_zarr import restore_ome_zarr

_NOT_FOR_ZARR = ("overwrite", "format", "dask", "resume", "keep_times", "accept_truncated")


def restore_zarr(options: argparse.Namespace) -> str:
    """Restore the image with the options of the command.

    Returns
    -------
    str
        What to tell the user.

    Raises
    ------
    ValueError
        If the options are not for an OME-Zarr image.
    ArganError
        As `restore_ome_zarr` does.
    """
    if len(options.inputs) != 1 or not options.output.rstrip("/\\").endswith(".zarr"):
        raise ValueError(
            "an OME-Zarr image is restored by itself, into a folder whose name ends with .zarr"
        )
    if unused := [name for name in _NOT_FOR_ZARR if getattr(options, name)]:
        names = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise ValueError(f"{names} is not for an OME-Zarr image, whose runs can always go on")
    (source,) = options.inputs
    model = open_model(options.model, device=options.device)
    with tqdm(unit=" parts", leave=False, disable=True if options.quiet else None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        restore_ome_zarr(
            source,
            options.output,
            model=model,
            strength=options.strength,
            chroma=options.chroma,
            tile_size=options.tile_size,
            progress=show,
        )
    return f"{source} restored on {model.device}"
