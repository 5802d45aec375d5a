"""Text of many scripts: ``python -m benchmarks.scripts FONT...``.

The shipped weights have learned from Latin text of a few fonts and from characters that code made
up. Font files say what that is worth elsewhere; Debian's packages ``fonts-wqy-microhei`` (Chinese),
``fonts-lohit-deva``, ``fonts-hosny-amiri`` (Arabic), ``fonts-dancingscript`` (by hand) and
``fonts-ebgaramond`` have such. The networks alone run, on luma.
"""

from __future__ import annotations

import argparse
import random
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTCollection, TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tabulate import tabulate
from tqdm import tqdm

from benchmarks.illustrations import QUALITIES, gains
from training.evaluate import open_restorer

Luma = NDArray[np.uint8]

_SIDE = 256
_SIZES = (10, 12, 16, 20, 28, 40)  # pixels
_LEADING = 1.35
_PAGES = 6
_SEED = 2026
_COMMON_HAN = range(0x4E00, 0x9FA6)  # Unicode's first block of Chinese characters


@cache
def letters(path: Path) -> list[str]:
    """Return the letters of a font's own script: what is not Latin, or Latin if nothing else is."""
    with path.open("rb") as file:
        collection = file.read(4) == b"ttcf"
    font = TTCollection(path).fonts[0] if collection else TTFont(path)
    found = [chr(code) for code in font.getBestCmap() if unicodedata.category(chr(code))[0] == "L"]
    han = [letter for letter in found if ord(letter) in _COMMON_HAN]
    latin = [letter for letter in found if letter.isascii()]
    rest = [letter for letter in found if unicodedata.category(letter) == "Lo"]
    # Fonts of Latin have a few letters beside it; fonts of other scripts have some hundred.
    return han or (rest if len(rest) > len(latin) else latin)


def page(path: Path, chance: random.Random) -> Luma:
    """Return black text on white in sizes of 10 to 40 pixels, uint8 ``(256, 256)``."""
    script = letters(path)
    image = Image.new("L", (_SIDE, _SIDE), 255)
    canvas = ImageDraw.Draw(image)
    top = 4.0
    while top < _SIDE:
        size = chance.choice(_SIZES)
        words = ("".join(chance.choices(script, k=chance.randint(2, 8))) for _ in range(16))
        typeface = ImageFont.truetype(path, size)
        canvas.text((4, top), " ".join(words), fill=0, font=typeface)
        top += size * _LEADING
    return np.asarray(image)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table for each model."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scripts",
        description="What models gain on text in given fonts, saved as JPEG.",
    )
    parser.add_argument("fonts", nargs="+", type=Path, metavar="FONT", help=".ttf, .otf or .ttc")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["argan"],
        metavar="MODEL",
        help=".safetensors, .onnx or the name of a model",
    )
    options = parser.parse_args(arguments)
    pages = {}
    for path in options.fonts:
        if not path.is_file():
            parser.error(f"{path}: expected a font file, found none")
        chance = random.Random(_SEED)
        pages[path.stem] = [page(path, chance) for _ in range(_PAGES)]
    for model in options.models:
        restorer = open_restorer(model)
        columns = [gains(restorer, drawn) for drawn in tqdm(pages.values(), disable=None)]
        print(f"{model}: {_PAGES} pages of {_SIDE}x{_SIDE} pixels in each font\n")
        rows = list(zip(QUALITIES, *columns, strict=True))
        print(tabulate(rows, ["q", *pages], tablefmt="github"), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
