"""Pictures on disk: found, read, kept in one file as luma or in colour, split for validation."""

from __future__ import annotations

import json
import logging
import math
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm import tqdm

from training.degradation import Luma, Pixels
from training.planes import COLOURED, grey

_LOGGER = logging.getLogger(__name__)


class PictureFolderError(Exception):
    """A folder that gives no training pictures."""


@dataclass(frozen=True)
class PictureStore:
    """All pictures, as luma or in colour, in one file that processes map into memory and share."""

    pixels: NDArray[np.uint8]
    """All pictures, row after row, one behind the other."""

    shapes: tuple[tuple[int, ...], ...]
    """Height and width of each picture, and 3 if it is in colour."""

    names: tuple[str, ...]
    """Path of each picture below its folder, in POSIX form."""

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, number: int) -> Pixels:
        sizes = np.cumsum([0, *map(math.prod, self.shapes)])
        return self.pixels[sizes[number] : sizes[number + 1]].reshape(self.shapes[number])


def find_pictures(folder: Path) -> list[Path]:
    """Return the files below ``folder`` that have a suffix of an image format, sorted."""
    suffixes = Image.registered_extensions()
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())


def build_store(
    folders: Sequence[Path], target: Path, smallest_side: int, *, planes: int = 1
) -> None:
    """Decode all pictures of ``folders`` and write them to ``target``, in colour for three planes.

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
    shapes: list[tuple[int, ...]] = []
    read = _reader(planes)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    try:
        with temporary.open("wb") as file, ThreadPoolExecutor() as pool:
            pictures = pool.map(lambda item: _read(read, item[1]), files)
            progress = tqdm(
                zip(files, pictures, strict=True), total=len(files), desc="Reading", disable=None
            )
            for (name, path), picture in progress:
                if isinstance(picture, str):
                    problem = picture
                elif min(picture.shape[:2]) < smallest_side:
                    problem = f"{picture.shape[:2]} is under {smallest_side} pixels"
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
        return grey(np.asarray(upright.convert("RGB")))


def read_colours(path: Path) -> Pixels:
    """Return R, G and B of a picture, upright, as uint8 ``(height, width, 3)``."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _reader(planes: int) -> Callable[[Path], Pixels]:
    return read_colours if planes == COLOURED else read_luma


def _read(read: Callable[[Path], Pixels], path: Path) -> Pixels | str:
    try:
        return read(path)
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


def kept_pictures(folder: Path, share: float, *, planes: int = 1) -> dict[str, Pixels]:
    """Return the pictures below ``folder`` that a run keeps to validate by, by name.

    Their luma, or for three planes their colours.
    """
    paths = find_pictures(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    read = _reader(planes)
    return {names[number]: read(paths[number]) for number in split_names(names, share)[1]}
