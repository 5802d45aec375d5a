"""Pictures on disk become patches: the same for the same seed, on any number of processes."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from argan_plugin.color import luma
from training.config import TrainingConfig
from training.degradation import MARGIN, Luma, degrade, source_size

_SMALLEST_REDUCTION = 0.5
_LARGEST_ENLARGEMENT = 1.8
_ENLARGED_BY = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
# Radius in pixels and strength in percent of an unsharp mask, from faint to what phones do.
_SHARPENED_BY = ((0.5, 1.5), (50, 150))

_LOGGER = logging.getLogger(__name__)


class PictureFolderError(Exception):
    """A folder that gives no training pictures."""


@dataclass(frozen=True)
class PictureStore:
    """The luma of all pictures in one file that processes map into memory and share."""

    pixels: NDArray[np.uint8]
    """All pictures, row after row, one behind the other."""

    shapes: tuple[tuple[int, int], ...]
    """Height and width of each picture."""

    names: tuple[str, ...]
    """Path of each picture below its folder, in POSIX form."""

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, number: int) -> Luma:
        sizes = np.cumsum([0] + [height * width for height, width in self.shapes])
        return self.pixels[sizes[number] : sizes[number + 1]].reshape(self.shapes[number])


def find_pictures(folder: Path) -> list[Path]:
    """Return the files below ``folder`` that have a suffix of an image format, sorted."""
    suffixes = Image.registered_extensions()
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())


def build_store(folders: Sequence[Path], target: Path, smallest_side: int) -> None:
    """Decode all pictures of ``folders`` and write their luma to ``target``.

    Unreadable pictures and pictures with a side under ``smallest_side`` pixels are named on stderr
    and skipped.

    Raises
    ------
    PictureFolderError
        If a folder does not exist or no usable picture is left.
    """
    files: list[tuple[str, Path]] = []
    for folder in folders:
        if not folder.is_dir():
            raise PictureFolderError(f"{folder}: expected a folder of pictures, found none.")
        files += [(path.relative_to(folder).as_posix(), path) for path in find_pictures(folder)]
    if not files:
        where = ", ".join(map(str, folders))
        raise PictureFolderError(
            f"{where}: expected pictures (PNG, JPEG, WebP, TIFF, …), found none."
        )
    names: list[str] = []
    shapes: list[tuple[int, int]] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    try:
        with temporary.open("wb") as file, ThreadPoolExecutor() as pool:
            pictures = pool.map(lambda item: _read_luma(item[1]), files)
            progress = tqdm(
                zip(files, pictures, strict=True), total=len(files), desc="Reading", disable=None
            )
            for (name, path), picture in progress:
                if isinstance(picture, str):
                    problem = picture
                elif min(picture.shape) < smallest_side:
                    problem = f"{picture.shape} is under {smallest_side} pixels"
                else:
                    file.write(picture.tobytes())
                    names.append(name)
                    shapes.append(picture.shape)
                    continue
                _LOGGER.warning("skipped %s: %s", path, problem)
        if not names:
            raise PictureFolderError(
                f"None of the {len(files)} pictures could be used; each is named above."
            )
        target.with_suffix(".json").write_text(json.dumps({"names": names, "shapes": shapes}))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def open_store(target: Path) -> PictureStore:
    """Map the file of :func:`build_store` into memory."""
    index = json.loads(target.with_suffix(".json").read_text())
    pixels = np.memmap(target, np.uint8, mode="r")
    return PictureStore(pixels, tuple(map(tuple, index["shapes"])), tuple(index["names"]))


def read_luma(path: Path) -> Luma:
    """Return the full-range luma of a picture, upright, as uint8 ``(height, width)``."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("L", "LA", "1"):
            return np.asarray(upright.convert("L"))
        rgb = np.asarray(upright.convert("RGB"), np.float32)
    return np.rint(luma(rgb)).astype(np.uint8)


def _read_luma(path: Path) -> Luma | str:
    try:
        return read_luma(path)
    # Pillow's decoders raise all of these for damaged files.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error)


def split(store: PictureStore, share: float) -> tuple[list[int], list[int]]:
    """Return the numbers of the training and of the validation pictures."""
    return split_names(store.names, share)


def split_names(names: Sequence[str], share: float) -> tuple[list[int], list[int]]:
    """Return the numbers of the training and of the validation pictures.

    The choice hangs on each picture's name alone, so it survives a change of the other pictures.
    At least one picture is kept for validation and one for training; with a single picture both
    lists hold it.
    """
    order = sorted(range(len(names)), key=lambda n: zlib.crc32(names[n].encode()))
    limit = max(1, round(share * len(names)))
    return sorted(order[limit:]) or order, sorted(order[:limit])


def kept_pictures(folder: Path, share: float) -> dict[str, Luma]:
    """Return the luma of the pictures below ``folder`` that a run keeps to validate by, by name."""
    paths = find_pictures(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {names[number]: read_luma(paths[number]) for number in split_names(names, share)[1]}


class PatchBatches(Dataset[tuple[Tensor, Tensor]]):
    """Item i is this process's share of the batch of iteration i.

    Every patch has a random generator of its own, seeded by the run's seed and the patch's number:
    a resumed run, or one on another number of processes or workers, sees the same patches.

    Items are ``compressed, pristine``: uint8 ``(batch, 1, patch_size, patch_size)``.
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
        compressed = np.empty((self.share, 1, size, size), np.uint8)
        pristine = np.empty_like(compressed)
        first = iteration * self.config.batch_size + self.rank * self.share
        for place in range(self.share):
            rng = np.random.default_rng((self.config.seed, first + place))
            compressed[place, 0], pristine[place, 0] = self._patch(rng)
        return torch.from_numpy(compressed), torch.from_numpy(pristine)

    def _patch(self, rng: np.random.Generator) -> tuple[Luma, Luma]:
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

    def _source(self, picture: Luma, rng: np.random.Generator) -> Luma:
        side = source_size(self.config.patch_size, self.config.degradation)
        share, cut, how = rng.random(), side, Image.Resampling.LANCZOS
        if share < self.config.reduced:
            cut = round(side / rng.uniform(_SMALLEST_REDUCTION, 1))
            cut = max(side, min(cut, *picture.shape))
        elif share < self.config.reduced + self.config.enlarged:
            cut = round(side / rng.uniform(1, _LARGEST_ENLARGEMENT))
            how = _ENLARGED_BY[rng.integers(len(_ENLARGED_BY))]
        height, width = (min(cut, s) for s in picture.shape)
        top = int(rng.integers(picture.shape[0] - height + 1))
        left = int(rng.integers(picture.shape[1] - width + 1))
        source = picture[top : top + height, left : left + width]
        if cut == side:
            return source
        return np.asarray(Image.fromarray(source).resize((side, side), how))


def _detail(image: Luma) -> float:
    """Return the mean squared difference of neighbours, which compression loses first."""
    values = image.astype(np.float32)
    return float(np.square(np.diff(values)).mean() + np.square(np.diff(values, axis=0)).mean())


def _turned(image: Luma, which: int) -> Luma:
    """Return one of the eight flips and quarter turns."""
    if which & 1:
        image = image[::-1]
    if which & 2:
        image = image[:, ::-1]
    if which & 4:
        image = image.T
    return np.ascontiguousarray(image)


def _sharpened(image: Luma, rng: np.random.Generator) -> Luma:
    """Return ``image`` behind an unsharp mask of random radius and strength."""
    radius, percent = (rng.uniform(*limits) for limits in _SHARPENED_BY)
    mask = ImageFilter.UnsharpMask(radius, round(percent), threshold=0)
    return np.asarray(Image.fromarray(image).filter(mask))


def smallest_side(config: TrainingConfig) -> int:
    """Return the side, in pixels, that a picture needs."""
    return config.patch_size + MARGIN


def validation_crops(
    store: PictureStore | Sequence[Luma],
    numbers: Sequence[int],
    side: int = 256,
    most: int = 24,
) -> Iterator[Luma]:
    """Yield the centres of at most ``most`` pictures, sides multiples of 16."""
    for number in numbers[:: max(1, -(-len(numbers) // most))]:
        picture = store[number]
        height, width = (min(side, s) // 16 * 16 for s in picture.shape)
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        yield np.ascontiguousarray(picture[top : top + height, left : left + width])
