"""Make docs/images/how_it_works.png: a crop of the sample picture on its way through ARGAN.

Run ``python docs/how_it_works.py`` from a checkout, with the plugin installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from argan_plugin import apply_change, luma_change

_ROOT = Path(__file__).parent.parent
_SAMPLE = _ROOT / "argan_plugin" / "samples" / "vintage_cars.jpg"
_CROP = (470, 200, 590, 320)  # left, top, right, bottom
_SIDE = 240
_GAP = 64  # for an arrow
_CAPTION = 56
_EXAGGERATION = 4  # of the change, which is hard to see


def main() -> None:
    """Write the picture."""
    with Image.open(_SAMPLE) as compressed:
        pixels = np.asarray(compressed)
        luma = compressed.convert("L")
    change = luma_change(pixels, device="cpu")
    exaggerated = (128 + 255 * _EXAGGERATION * change).clip(0, 255).astype(np.uint8)
    panels = [
        (Image.fromarray(pixels), "compressed, in colour", ""),
        (luma, "its luma", "luma"),
        (Image.fromarray(exaggerated), f"what the network adds, x{_EXAGGERATION}", "U-Net"),
        (Image.fromarray(apply_change(pixels, change)), "added to R, G and B", "+"),
    ]
    width = len(panels) * (_SIDE + _GAP) - _GAP
    figure = Image.new("RGB", (width, _SIDE + _CAPTION), "white")
    draw = ImageDraw.Draw(figure)
    small, large = ImageFont.load_default(16), ImageFont.load_default(20)
    for number, (panel, caption, step) in enumerate(panels):
        left = number * (_SIDE + _GAP)
        crop = panel.crop(_CROP).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        figure.paste(crop.convert("RGB"), (left, 0))
        draw.text((left + _SIDE // 2, _SIDE + 28), caption, "black", large, anchor="mm")
        if number:
            middle, height = left - _GAP // 2, _SIDE // 2
            draw.text((middle, height - 18), step, "black", small, anchor="mm")
            draw.line((middle - 24, height, middle + 18, height), "black", 3)
            tip = [(middle + 26, height), (middle + 14, height - 7), (middle + 14, height + 7)]
            draw.polygon(tip, "black")
    figure.save(_ROOT / "docs" / "images" / "how_it_works.png", optimize=True)


if __name__ == "__main__":
    main()
