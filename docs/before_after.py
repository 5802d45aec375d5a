"""Make docs/images/before_after.png: a crop of the sample picture as it is, and restored.

Run ``python docs/before_after.py`` from a checkout, with the plugin installed.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from argan_plugin import ARGANFilter

_ROOT = Path(__file__).parent.parent
_SAMPLE = _ROOT / "argan_plugin" / "samples" / "vintage_cars.jpg"
_CROP = (440, 190, 640, 370)  # left, top, right, bottom
_ENLARGEMENT = 3
_GAP = 8


def main() -> None:
    """Write the picture."""
    with Image.open(_SAMPLE) as compressed:
        panels = [compressed.convert("RGB"), compressed.convert("RGB").filter(ARGANFilter())]
    width, height = ((_CROP[i + 2] - _CROP[i]) * _ENLARGEMENT for i in (0, 1))
    figure = Image.new("RGB", (2 * width + _GAP, height), "white")
    for number, panel in enumerate(panels):
        crop = panel.crop(_CROP).resize((width, height), Image.Resampling.NEAREST)
        figure.paste(crop, (number * (width + _GAP), 0))
    figure.save(_ROOT / "docs" / "images" / "before_after.png", optimize=True)


if __name__ == "__main__":
    main()
