"""The pictures that a model helps least: where to look first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.evaluate import Restorer, Results, Score, name_of_set
from training.figure import draw_crops

COUNT = 10
QUALITY = 10
"""IJG quality at which the pictures are compared: where most is to be gained."""


def worst_pictures(results: Results, model: str) -> list[tuple[float, str, Score]]:
    """Return the pictures of all sets with the smallest gain in PSNR at :data:`QUALITY`.

    Parameters
    ----------
    results
        Scores by test set and model, with the metric ``psnr``.
    model
        Whose gains count.

    Returns
    -------
    list
        At most :data:`COUNT` gains in dB with the name of the test set and the scores, the smallest
        gain first.
    """
    gains = [
        (score.restored["psnr"] - score.compressed["psnr"], name, score)
        for name, scores in results.items()
        for score in scores[model]
        if score.quality == QUALITY
    ]
    return sorted(gains, key=lambda item: item[0])[:COUNT]


def draw_worst(
    results: Results,
    restorers: Mapping[str, Restorer],
    pictures: Mapping[Path, Sequence[Path]],
    target: Path,
) -> None:
    """Draw crops of the pictures that the first model helps least, the worst at the top.

    Parameters
    ----------
    results
        Scores by test set and model, with the metric ``psnr``.
    restorers
        By model, in the order of the columns.
    pictures
        Originals by their folder.
    target
        PNG, SVG or PDF file to write.
    """
    paths = {
        (name_of_set(folder), path.name): path
        for folder, found in pictures.items()
        for path in found
    }
    chosen = [
        paths[name, score.picture]
        for _, name, score in worst_pictures(results, next(iter(restorers)))
    ]
    draw_crops(restorers, chosen, target, QUALITY)
