"""The picture behind File > Open Sample."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from PIL import Image


def vintage_cars() -> list[tuple[Any, dict[str, Any], str]]:
    """Return a strongly compressed photograph as napari layer data.

    Returns
    -------
    list of one (data, attributes, "image")
        The data are uint8 RGB of shape (512, 768, 3); `samples/README.md` says whose they are.
    """
    file = resources.files("argan_plugin") / "samples" / "vintage_cars.jpg"
    with file.open("rb") as stream, Image.open(stream) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return [(pixels, {"name": "vintage cars, JPEG quality 10", "rgb": True}, "image")]
