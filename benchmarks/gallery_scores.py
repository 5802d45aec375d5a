"""The scores of the gallery, and the tables of its pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from argan_plugin.weights import model_names
from benchmarks.gallery_pictures import PICTURES, Picture
from benchmarks.models import weights_of

FOLDER = Path(__file__).parent.parent / "docs" / "gallery"
QUALITIES = (5, 10, 20, 40)
OTHERS = ("Pillow", "scikit-image")
OURS = "ARGAN"
OURS_IN_COLOUR = "ARGAN, chroma=True"

_FILE = FOLDER / "scores.json"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One picture at one quality, restored by one method."""

    picture: str
    quality: int
    """IJG quality of the JPEG, 4:2:0."""
    method: str
    """JPEG, Pillow, scikit-image, ARGAN, or ARGAN with ``chroma=True`` on colour."""
    setting: str
    """What the library calls its filter; empty for JPEG and ARGAN."""
    psnr: float
    """Of the luma, in dB."""
    ssimulacra2: float
    """Of the picture as it is, in colour if it has any."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A picture that gained little or lost."""

    jpeg: Score
    ours: Score

    @property
    def psnr_gain(self) -> float:
        """In dB."""
        return self.ours.psnr - self.jpeg.psnr

    @property
    def ssimulacra2_gain(self) -> float:
        """In points of SSIMULACRA2."""
        return self.ours.ssimulacra2 - self.jpeg.ssimulacra2


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """All that was measured in one run."""

    date: str
    weights_sha256: Mapping[str, str]
    """By shipped model."""
    scores: Sequence[Score]
    """With the default model."""
    failures: Mapping[str, Sequence[Failure]]
    """By shipped model."""

    def save(self, path: Path = _FILE) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = _FILE) -> Gallery:
        """Return what :meth:`save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            date=content["date"],
            weights_sha256=content["weights_sha256"],
            scores=[Score(**score) for score in content["scores"]],
            failures={
                model: [
                    Failure(jpeg=Score(**pair["jpeg"]), ours=Score(**pair["ours"]))
                    for pair in pairs
                ]
                for model, pairs in content["failures"].items()
            },
        )

    def find(self, picture: str, quality: int, method: str) -> Score | None:
        """Return one score; None if there is none."""
        wanted = (picture, quality, method)
        found = (s for s in self.scores if (s.picture, s.quality, s.method) == wanted)
        return next(found, None)


def gains() -> str:
    """Return how much each method gains over the JPEG, by picture and quality."""
    gallery = Gallery.load()
    parts = []
    for metric, title, decimals in (
        ("psnr", "PSNR of the luma, gain in dB", 2),
        ("ssimulacra2", "SSIMULACRA2 of the picture, gain in points", 1),
    ):
        rows = [
            [picture.name, picture.kind, *_gains(gallery, picture, metric, decimals)]
            for picture in PICTURES
            if picture.sheet
        ]
        header = ["picture", "kind", *(f"q = {quality}" for quality in QUALITIES)]
        methods = f"{' / '.join((*OTHERS, OURS))}, and on colour {OURS_IN_COLOUR}"
        parts.append(f"**{title}: {methods}**\n\n{_markdown(header, rows)}")
    parts.append(_measured(gallery, model_names()[0]))
    return "\n\n".join(parts)


def failures(model: str) -> str:
    """Return a model's failures, the worst first, as they stand in their sheet."""
    gallery = Gallery.load()
    rows = [
        [
            pair.jpeg.picture,
            pair.jpeg.quality,
            f"{pair.jpeg.psnr:.2f} → {pair.ours.psnr:.2f} ({pair.psnr_gain:+.2f})",
            f"{pair.jpeg.ssimulacra2:.1f} → {pair.ours.ssimulacra2:.1f} "
            f"({pair.ssimulacra2_gain:+.1f})",
        ]
        for pair in gallery.failures[model]
    ]
    header = ["picture", "q", "PSNR in dB, JPEG → ARGAN", "SSIMULACRA2, JPEG → ARGAN"]
    return f"{_markdown(header, rows)}\n\n{_measured(gallery, model)}"


def sources() -> str:
    """Return where the pictures come from, and whether the network has seen them."""
    rows = [
        [picture.name, picture.source, picture.licence, _trained_on(picture)]
        for picture in PICTURES
    ]
    return _markdown(["picture", "source", "licence", "trained on it?"], rows)


def _trained_on(picture: Picture) -> str:
    if not picture.drawn:
        return picture.trained_on
    config = weights_of(model_names()[0]).training
    share = config.degradation.drawings if config else 0
    seen = f"{share:.0%} of the training patches were" if share else "no training patch was"
    return f"{picture.trained_on}; {seen} drawn by code"


def _gains(gallery: Gallery, picture: Picture, metric: str, decimals: int) -> list[str]:
    cells = []
    for quality in QUALITIES:
        jpeg = getattr(gallery.find(picture.name, quality, "JPEG"), metric)
        told = []
        for method in (*OTHERS, OURS, OURS_IN_COLOUR):
            if (score := gallery.find(picture.name, quality, method)) is not None:
                gain = f"{getattr(score, metric) - jpeg:+.{decimals}f}"
                told.append(f"**{gain}**" if method == OURS else gain)
        cells.append(" / ".join(told))
    return cells


def _markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _measured(gallery: Gallery, model: str) -> str:
    return f"Measured {gallery.date}, weights {gallery.weights_sha256[model][:12]}."
