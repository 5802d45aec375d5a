"""The gallery: crops of JPEG, of other filters, of ours and of the original, with their scores.

``python -m benchmarks.gallery`` from a checkout writes ``docs/gallery/*.webp`` and the scores
beside them, and brings the tables of the pages up to date. Needs the ``train`` dependencies;
nothing is downloaded.

The other filters get their best chance: of some settings of each library the one with the highest
PSNR is taken, by the original, which nobody has who must restore a picture. ARGAN runs as
by the command, which reads the file's steps, and on colour with ``chroma=True`` as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import restoration
from tqdm import tqdm

from argan_plugin import restore
from argan_plugin.jpeg import round_trip
from argan_plugin.model import RestorationModel, open_model
from argan_plugin.quantization_tables import ijg_luma_table
from argan_plugin.weights import model_names
from benchmarks import tables
from benchmarks.gallery_pictures import PICTURES, Picture
from benchmarks.gallery_scores import (
    FOLDER,
    OURS,
    OURS_IN_COLOUR,
    QUALITIES,
    Failure,
    Gallery,
    Score,
)
from benchmarks.gallery_sheets import Panel, Row, draw_sheet
from training import metrics
from training.planes import grey

Pixels = NDArray[np.uint8]
Filter = Callable[[Pixels], Pixels]
Ours = Callable[[Pixels, int], Pixels]
"""Of a JPEG's pixels and its IJG quality."""

_FAILURE_QUALITIES = (10, 40, 75, 90)
_WORST = 3  # by each metric
_MODEL_QUALITIES = (10, 20)
_MODEL_KINDS = ("photograph", "texture")

MODELS_SHEET = "models"
"""Stem of the sheet that has all shipped models side by side, if there is more than one."""


def _pillow(image_filter: ImageFilter.Filter) -> Filter:
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(image_filter))


def _total_variation(weight: float) -> Filter:
    return lambda pixels: _to_bytes(
        restoration.denoise_tv_chambolle(pixels, weight, channel_axis=_channel_axis(pixels))
    )


def _non_local_means(strength: float) -> Filter:
    return lambda pixels: _to_bytes(
        restoration.denoise_nl_means(
            pixels / 255,
            patch_size=5,
            patch_distance=6,
            h=strength,
            channel_axis=_channel_axis(pixels),
        )
    )


def _channel_axis(pixels: Pixels) -> int | None:
    return -1 if pixels.ndim == 3 else None


def _to_bytes(unit: NDArray[np.floating]) -> Pixels:
    return np.rint(unit * 255).clip(0, 255).astype(np.uint8)


LIBRARIES: Mapping[str, Mapping[str, Filter]] = {
    "Pillow": {
        "MedianFilter(3)": _pillow(ImageFilter.MedianFilter(3)),
        "SMOOTH": _pillow(ImageFilter.SMOOTH()),
        "GaussianBlur(0.5)": _pillow(ImageFilter.GaussianBlur(0.5)),
        "GaussianBlur(0.8)": _pillow(ImageFilter.GaussianBlur(0.8)),
    },
    "scikit-image": {
        "TV, weight 0.02": _total_variation(0.02),
        "TV, weight 0.05": _total_variation(0.05),
        "TV, weight 0.1": _total_variation(0.1),
        "NLM, h 0.02": _non_local_means(0.02),
        "NLM, h 0.05": _non_local_means(0.05),
    },
}
"""Filters by library and setting: total variation (TV) is Chambolle's, NLM are non-local means."""


def compressed(picture: Picture, quality: int) -> Pixels:
    """Return a picture after JPEG with 4:2:0 chroma, as most programs save it."""
    return round_trip(picture.load(), quality=quality, subsampling="4:2:0")


def best_of(filters: Mapping[str, Filter], jpeg: Pixels, original: Pixels) -> tuple[str, Pixels]:
    """Return the setting with the highest PSNR of the luma, and its result."""
    results = [(setting, restored(jpeg)) for setting, restored in filters.items()]
    return max(results, key=lambda item: metrics.psnr(grey(item[1]), grey(original)))


def score(picture: Picture, quality: int, method: str, setting: str, pixels: Pixels) -> Score:
    """Return the scores of a result."""
    original = picture.load()
    return Score(
        picture=picture.name,
        quality=quality,
        method=method,
        setting=setting,
        psnr=metrics.psnr(grey(pixels), grey(original)),
        ssimulacra2=metrics.ssimulacra2(pixels, original),
    )


def draw_picture(picture: Picture, ours: Mapping[str, Ours]) -> Iterator[Score]:
    """Draw a picture's sheet, a row for each quality, and yield the scores on it.

    Parameters
    ----------
    picture
        The original.
    ours
        By method: ARGAN with its defaults and, for colour alone, with ``chroma=True``.
    """
    original = picture.load()
    if original.ndim == 2:
        ours = {OURS: ours[OURS]}
    rows = []
    for quality in QUALITIES:
        jpeg = compressed(picture, quality)
        results = [("JPEG", "", jpeg)]
        results += [(name, *best_of(some, jpeg, original)) for name, some in LIBRARIES.items()]
        results += [(name, "", restored(jpeg, quality)) for name, restored in ours.items()]
        panels = []
        for method, setting, pixels in results:
            scored = score(picture, quality, method, setting, pixels)
            panels.append(Panel(pixels, (_caption(scored), setting)))
            yield scored
        rows.append(Row(f"q = {quality}", picture.crop, [*panels, Panel(original, ("",))]))
    columns = ["JPEG", *(f"{name}, best setting" for name in LIBRARIES), *ours, "original"]
    draw_sheet(FOLDER / f"{picture.name}.webp", columns, rows)


def find_failures(pictures: Sequence[Picture], ours: Ours) -> list[Failure]:
    """Return the pictures with the smallest gains by PSNR, then those by SSIMULACRA2 at q = 10.

    At high quality SSIMULACRA2 hardly moves, so that strong compression is where its worst cases
    matter. No picture comes twice.
    """
    found = [
        Failure(
            jpeg=score(picture, quality, "JPEG", "", jpeg),
            ours=score(picture, quality, OURS, "", ours(jpeg, quality)),
        )
        for picture in tqdm(pictures, desc="Looking for failures", disable=None)
        for quality in _FAILURE_QUALITIES
        for jpeg in (compressed(picture, quality),)
    ]
    chosen: dict[str, Failure] = {}
    strong = [pair for pair in found if pair.jpeg.quality == _FAILURE_QUALITIES[0]]
    for ordered in (
        sorted(found, key=lambda pair: pair.psnr_gain),
        sorted(strong, key=lambda pair: pair.ssimulacra2_gain),
    ):
        first: dict[str, Failure] = {}
        for pair in ordered:
            if pair.jpeg.picture not in chosen:
                first.setdefault(pair.jpeg.picture, pair)
        chosen |= dict(islice(first.items(), _WORST))
    return list(chosen.values())


def draw_failures(model: str, failures: Sequence[Failure], ours: Ours) -> None:
    """Draw one sheet of all failures of a model."""
    by_name = {picture.name: picture for picture in PICTURES}
    rows = []
    for pair in failures:
        picture = by_name[pair.jpeg.picture]
        jpeg = compressed(picture, pair.jpeg.quality)
        panels = [
            Panel(jpeg, (_caption(pair.jpeg),)),
            Panel(ours(jpeg, pair.jpeg.quality), (_caption(pair.ours),)),
            Panel(picture.load(), ("",)),
        ]
        rows.append(Row(f"{picture.name}\nq = {pair.jpeg.quality}", picture.crop, panels))
    draw_sheet(FOLDER / f"failures-{model}.webp", ["JPEG", OURS, "original"], rows)


def draw_models(pictures: Sequence[Picture], ours: Mapping[str, Ours]) -> None:
    """Draw one sheet of what each model makes of pictures, where they differ most."""
    rows = []
    for picture in pictures:
        original = picture.load()
        for quality in _MODEL_QUALITIES:
            jpeg = compressed(picture, quality)
            results = {"JPEG": jpeg}
            results |= {name: restored(jpeg, quality) for name, restored in ours.items()}
            panels = [
                Panel(pixels, (_caption(score(picture, quality, name, "", pixels)),))
                for name, pixels in results.items()
            ]
            label = f"{picture.name}\nq = {quality}"
            rows.append(Row(label, picture.crop, [*panels, Panel(original, ("",))]))
    draw_sheet(FOLDER / f"{MODELS_SHEET}.webp", ["JPEG", *ours, "original"], rows)


def _caption(scored: Score) -> str:
    return f"{scored.psnr:.2f} dB, SSIMULACRA2 {scored.ssimulacra2:.1f}"


def _restored(
    pixels: Pixels, quality: int, *, model: RestorationModel, chroma: bool = False
) -> Pixels:
    steps = ijg_luma_table(quality)
    result: Pixels = restore(pixels, model=model, chroma=chroma, steps=steps)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the gallery and write its tables."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.gallery",
        description="Draw docs/gallery with the default model, and each shipped model's failures; "
        "write the scores and the tables of the pages. Takes minutes.",
    ).parse_args(arguments)
    models = {name: open_model(name, device="cpu") for name in model_names()}
    ours = {name: partial(_restored, model=model) for name, model in models.items()}
    default = ours[model_names()[0]]
    both = {OURS: default, OURS_IN_COLOUR: partial(default, chroma=True)}
    shown = [picture for picture in PICTURES if picture.sheet]
    scores = [
        scored
        for picture in tqdm(shown, desc="Drawing", disable=None)
        for scored in draw_picture(picture, both)
    ]
    failures = {name: find_failures(PICTURES, restored) for name, restored in ours.items()}
    for name, restored in ours.items():
        draw_failures(name, failures[name], restored)
    if len(ours) > 1:
        draw_models([picture for picture in shown if picture.kind in _MODEL_KINDS], ours)
    Gallery(
        date=datetime.now(UTC).date().isoformat(),
        weights_sha256={name: m.info.weights_sha256 for name, m in models.items()},
        scores=scores,
        failures=failures,
    ).save()
    tables.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
