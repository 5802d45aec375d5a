"""Pictures become patches: the same for the same seed, on any number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.utils.data import Dataset

from training.config import TrainingConfig
from training.degradation import Pixels, degrade, margin, source_size
from training.pictures import PictureStore
from training.planes import channels_first

_SMALLEST_REDUCTION = 0.5
_LARGEST_ENLARGEMENT = 1.8
_ENLARGED_BY = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
# Radius in pixels and strength in percent of an unsharp mask, from faint to what phones do.
_SHARPENED_BY = ((0.5, 1.5), (50, 150))


class PatchBatches(Dataset[tuple[Tensor, Tensor]]):
    """Item i is this process's share of the batch of iteration i.

    Every patch has a random generator of its own, seeded by the run's seed and the patch's number:
    a resumed run, or one on another number of processes or workers, sees the same patches.

    Items are ``compressed, pristine``: uint8 ``(batch, planes, patch_size, patch_size)``, luma or
    R, G and B.
    """

    def __init__(
        self,
        store: PictureStore,
        numbers: Sequence[int],
        config: TrainingConfig,
        rank: int,
        world: int,
    ) -> None:
        if config.batch_size % world:
            raise ValueError(f"batch_size {config.batch_size} is no multiple of {world} processes")
        self.pictures = [store[number] for number in numbers]
        areas = np.array([picture.size for picture in self.pictures], np.float64)
        self.choice = np.cumsum(areas / areas.sum())
        self.config, self.rank, self.share = config, rank, config.batch_size // world

    def __len__(self) -> int:
        return self.config.iterations

    def __getitem__(self, iteration: int) -> tuple[Tensor, Tensor]:
        size = self.config.patch_size
        compressed = np.empty((self.share, self.config.generator.planes, size, size), np.uint8)
        pristine = np.empty_like(compressed)
        first = iteration * self.config.batch_size + self.rank * self.share
        for place in range(self.share):
            rng = np.random.default_rng((self.config.seed, first + place))
            compressed[place], pristine[place] = map(channels_first, self._patch(rng))
        return torch.from_numpy(compressed), torch.from_numpy(pristine)

    def _patch(self, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        # Every pixel of every picture is as likely as any other.
        number = min(int(np.searchsorted(self.choice, rng.random())), len(self.pictures) - 1)
        picture, config = self.pictures[number], self.config
        source = self._source(picture, rng)
        if config.busier and rng.random() < config.busier:
            source = max(source, self._source(picture, rng), key=_detail)
        source = _turned(source, int(rng.integers(8)))
        if config.sharpened and rng.random() < config.sharpened:
            source = _sharpened(source, rng)
        return degrade(source, config.patch_size, config.degradation, rng)

    def _source(self, picture: Pixels, rng: np.random.Generator) -> Pixels:
        config, (rows, columns) = self.config, picture.shape[:2]
        side = source_size(config.patch_size, config.degradation, config.generator.planes)
        share, cut, how = rng.random(), side, Image.Resampling.LANCZOS
        if share < config.reduced:
            cut = round(side / rng.uniform(_SMALLEST_REDUCTION, 1))
            cut = max(side, min(cut, rows, columns))
        elif share < config.reduced + config.enlarged:
            cut = min(round(side / rng.uniform(1, _LARGEST_ENLARGEMENT)), rows, columns)
            how = _ENLARGED_BY[rng.integers(len(_ENLARGED_BY))]
        height, width = min(cut, rows), min(cut, columns)
        top = int(rng.integers(rows - height + 1))
        left = int(rng.integers(columns - width + 1))
        source = picture[top : top + height, left : left + width]
        if cut == side:
            return source
        return np.asarray(Image.fromarray(source).resize((side, side), how))


def _detail(image: Pixels) -> float:
    """Return the mean squared difference of neighbours, which compression loses first."""
    values = image.astype(np.float32)
    across, down = (np.square(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    return float(across + down)


def _turned(image: Pixels, which: int) -> Pixels:
    """Return one of the eight flips and quarter turns."""
    if which & 1:
        image = image[::-1]
    if which & 2:
        image = image[:, ::-1]
    if which & 4:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image)


def _sharpened(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``image`` behind an unsharp mask of random radius and strength."""
    radius, percent = (rng.uniform(*limits) for limits in _SHARPENED_BY)
    mask = ImageFilter.UnsharpMask(radius, round(percent), threshold=0)
    return np.asarray(Image.fromarray(image).filter(mask))


def smallest_side(config: TrainingConfig) -> int:
    """Return the side, in pixels, that a picture needs."""
    return config.patch_size + margin(config.generator.planes)


def validation_crops(
    store: PictureStore | Sequence[Pixels],
    numbers: Sequence[int],
    side: int = 256,
    most: int = 24,
) -> Iterator[Pixels]:
    """Yield the centres of at most ``most`` pictures, sides multiples of 16."""
    for number in numbers[:: max(1, -(-len(numbers) // most))]:
        picture = store[number]
        rows, columns = picture.shape[:2]
        height, width = (min(side, s) // 16 * 16 for s in (rows, columns))
        top, left = (rows - height) // 2, (columns - width) // 2
        yield np.ascontiguousarray(picture[top : top + height, left : left + width])
