"""The originals of the gallery: where each comes from, and whether the network has seen it.

None holds JPEG artifacts of its own that ``argan info`` finds: what had them was reduced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import drawn_pictures

ORIGINALS = Path(__file__).parent.parent / "docs" / "gallery" / "originals"
SIZE = (192, 256)
"""Height and width in pixels of every picture."""

_NEVER = "no"
_KEPT = "no: of the validation split, which decided when to stop"
_DRAWN = "drawn by `benchmarks/drawn_pictures.py`"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One original of :data:`SIZE`."""

    name: str
    """Also the name of its sheet's file."""
    kind: str
    """Photograph, text, line art, illustration, microscopy, screenshot, or texture."""
    load: Callable[[], NDArray[np.uint8]]
    """Returns uint8 ``(height, width)`` or ``(height, width, 3)``."""
    crop: tuple[int, int]
    """Top and left of the part that the sheets show."""
    source: str
    licence: str
    trained_on: str
    """Whether the shipped network was trained on it, in words."""

    sheet: bool = True
    """Whether it has a sheet of its own; the others are only searched for failures."""

    @property
    def drawn(self) -> bool:
        """Whether code drew it."""
        return self.source == _DRAWN


def _drawing(
    load: Callable[[], NDArray[np.uint8]], *, kind: str, crop: tuple[int, int], sheet: bool = True
) -> Picture:
    return Picture(
        name=load.__name__.replace("_", "-"),
        kind=kind,
        load=load,
        crop=crop,
        source=_DRAWN,
        licence="BSD-3-Clause",
        trained_on=_NEVER,
        sheet=sheet,
    )


def _committed(name: str) -> NDArray[np.uint8]:
    with Image.open(ORIGINALS / name) as image:
        return np.asarray(image.convert("RGB"))


def _skimage(name: str, top: int, left: int, reduction: int = 1) -> NDArray[np.uint8]:
    """Return a part of a picture inside scikit-image's wheel, reduced by averaging boxes."""
    import skimage

    height, width = SIZE
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        reduced = image.reduce(reduction)
    return np.asarray(reduced)[top : top + height, left : left + width]


PICTURES = (
    Picture(
        name="cars",
        kind="photograph",
        load=partial(_committed, "cars.webp"),
        crop=(96, 88),
        source="the original of `argan_plugin/samples/vintage_cars.jpg`, see there",
        licence="CC0",
        trained_on=_KEPT,
    ),
    Picture(
        name="colosseum",
        kind="photograph",
        load=partial(_committed, "colosseum.webp"),
        crop=(48, 96),
        source="BuddiesOfBudgie/budgie-backgrounds, reduced",
        licence="CC0",
        trained_on=_KEPT,
    ),
    Picture(
        name="cat",
        kind="photograph",
        load=partial(_skimage, "chelsea.png", 60, 100),
        crop=(28, 30),
        source="scikit-image, `data.chelsea`, by Stefan van der Walt",
        licence="CC0",
        trained_on=_NEVER,
    ),
    Picture(
        name="coffee",
        kind="photograph",
        load=partial(_skimage, "coffee.png", 190, 160),
        crop=(56, 166),
        source="scikit-image, `data.coffee`, by Rachel Michetti",
        licence="CC0",
        trained_on=_NEVER,
    ),
    _drawing(drawn_pictures.text, kind="text", crop=(40, 4)),
    _drawing(drawn_pictures.code, kind="text", crop=(58, 4)),
    _drawing(drawn_pictures.line_art, kind="line art", crop=(8, 50)),
    _drawing(drawn_pictures.cartoon, kind="illustration", crop=(76, 44)),
    Picture(
        name="tissue",
        kind="microscopy",
        load=partial(_skimage, "ihc.png", 0, 0, 2),
        crop=(10, 60),
        source="scikit-image, `data.immunohistochemistry` (Center for Microscopy and Molecular "
        "Imaging), reduced to half its size: it holds JPEG artifacts",
        licence="no known copyright restrictions",
        trained_on=_NEVER,
    ),
    Picture(
        name="cell",
        kind="microscopy",
        load=partial(_skimage, "cell.png", 270, 280),
        crop=(88, 72),
        source="scikit-image, `data.cell`, by Müller et al., "
        "<https://doi.org/10.1364/OE.26.010729>",
        licence="CC0",
        trained_on=_NEVER,
    ),
    Picture(
        name="menu",
        kind="screenshot",
        load=partial(_committed, "menu.webp"),
        crop=(10, 120),
        source="napari with this plugin, by `docs/screenshots.py`",
        licence="BSD-3-Clause",
        trained_on=_NEVER,
    ),
    Picture(
        name="grass",
        kind="texture",
        load=partial(_skimage, "grass.png", 32, 0, 2),
        crop=(60, 90),
        source="scikit-image, `data.grass`, by linolafett, reduced to half its size: its blocks "
        "show that it was a JPEG file",
        licence="CC0",
        trained_on=_NEVER,
    ),
    Picture(
        name="gravel",
        kind="texture",
        load=partial(_skimage, "gravel.png", 100, 100),
        crop=(60, 90),
        source="scikit-image, `data.gravel`, from CC0Textures",
        licence="CC0",
        trained_on=_NEVER,
        sheet=False,
    ),
    _drawing(drawn_pictures.bars, kind="line art", crop=(60, 90), sheet=False),
    _drawing(drawn_pictures.rungs, kind="line art", crop=(60, 90), sheet=False),
    _drawing(drawn_pictures.dots, kind="line art", crop=(60, 90), sheet=False),
    _drawing(drawn_pictures.grain, kind="texture", crop=(60, 90), sheet=False),
)
