"""`ARGANFilter`: ``image.filter(ARGANFilter())`` for Pillow."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageFilter

from argan_plugin.bands import RESTORED_MODES, restore_bands
from argan_plugin.devices import Device
from argan_plugin.errors import UnsupportedImageError
from argan_plugin.model import RestorationModel

# What to convert another mode to, without losing more than the mode has lost already.
_CONVERT_TO = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}


class ARGANFilter(ImageFilter.MultibandFilter):
    """Removes JPEG artifacts from an image of mode L, LA, RGB, RGBA, RGBX or CMYK.

    Size, mode, alpha and ``info`` (with EXIF and ICC profile) stay. To save them, pass them on:
    ``restored.save(path, exif=image.getexif(), icc_profile=image.info.get("icc_profile"))``.

    Parameters
    ----------
    model, strength, chroma, steps, grid, device, tile_size
        As in `argan_plugin.restore`. The steps of a JPEG file that Pillow has opened, and that was
        not cut or turned since, are ``image.quantization[0]``.

    Raises
    ------
    UnsupportedImageError
        From ``image.filter``, for another mode, an image without pixels, or steps of luma for a
        CMYK image; it is a ``ValueError``, as Pillow's own filters raise.
    ArganError
        From ``image.filter``, as `argan_plugin.restore` raises it.

    Examples
    --------
    >>> restored = Image.open("photo.jpg").filter(ARGANFilter(strength=0.8))  # doctest: +SKIP
    """

    name = "ARGAN"

    def __init__(
        self,
        *,
        model: RestorationModel | str | os.PathLike[str] | None = None,
        strength: float = 1.0,
        chroma: bool = False,
        steps: ArrayLike | None = None,
        grid: tuple[int, int] | None = None,
        device: Device = "auto",
        tile_size: int | None = None,
    ) -> None:
        self.model = model
        self.strength = strength
        self.chroma = chroma
        self.steps = steps
        self.grid = grid
        self.device = device
        self.tile_size = tile_size

    def filter(self, image: Any) -> Any:
        """Restore one of Pillow's core images; ``Image.filter`` calls this.

        Parameters
        ----------
        image : PIL.Image.core.ImagingCore
            All bands of the image.

        Returns
        -------
        PIL.Image.core.ImagingCore
            New.
        """
        picture = Image.Image()._new(image)
        if picture.mode not in RESTORED_MODES:
            raise UnsupportedImageError(_wrong_mode(picture.mode))
        if self.steps is not None and picture.mode == "CMYK":
            raise UnsupportedImageError(
                "steps are those of luma, which a CMYK image does not hold: leave them out."
            )
        restored = restore_bands(
            np.asarray(picture),
            picture.mode,
            model=self.model,
            strength=self.strength,
            chroma=self.chroma,
            steps=self.steps,
            grid=self.grid,
            device=self.device,
            tile_size=self.tile_size,
        )
        return Image.frombytes(picture.mode, picture.size, restored.tobytes()).im


def _wrong_mode(mode: str) -> str:
    """Say what to do with an image of a mode that cannot be restored."""
    advice = (
        f'Use image.convert("{_CONVERT_TO[mode]}").filter(...).'
        if mode in _CONVERT_TO
        else "Use argan_plugin.restore(numpy.asarray(image), value_range=(black, white)), because "
        "converting it would clip its values."
    )
    return (
        f"image has wrong mode: ARGANFilter takes {', '.join(RESTORED_MODES)}, not {mode}. "
        + advice
    )
